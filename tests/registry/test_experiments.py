import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound, StaleRevision
from coalmine_registry.registry import Registry
from coalmine_schemas.paging import encode_cursor
from coalmine_schemas.prompts import Arm, Rule, ServeExperiment, ServeVersion, resolve
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.data.registry_case import ANN, BOB, PROMPT, arms, push, serve


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.0 is served, 1.1.0 and 1.2.0 are registered."""
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0")
    return registry


def _start(registry: Registry, name: str = "tone", **arguments: Any) -> None:
    registry.start_experiment(BOB, "prod", PROMPT, name, **{"arms": arms("1.1.0", "1.0.0"), **arguments})


def test_an_experiment_is_served_in_place_of_the_default(served: Registry) -> None:
    made = served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"), None, 1)
    assert (made.status, made.allocation_epoch, made.rule) == ("running", 1, None)
    assert made.arms == tuple(arms("1.1.0", "1.0.0"))
    assert made.replaced == "1.0.0"
    assert len(made.salt) >= 32
    deployment = served.deployment("prod", PROMPT)
    assert (deployment.default, deployment.version) == (ServeExperiment("tone"), "1.0.0")
    snapshot = served.snapshot("prod")
    choices = [resolve(snapshot, PROMPT, f"user-{number}", {}) for number in range(2000)]
    share = sum(choice.variant == "treatment" for choice in choices) / len(choices)
    assert 0.07 < share < 0.13
    assert {(each.variant, each.version) for each in choices} == {
        ("treatment", "1.1.0"),
        ("control", "1.0.0"),
    }


def test_each_experiment_has_a_salt_of_its_own(served: Registry) -> None:
    _start(served, "one")
    served.stop_experiment(BOB, "one")
    _start(served, "two")
    assert served.experiment("one").salt != served.experiment("two").salt


def test_arms_are_kept_treatments_first_and_control_last(served: Registry) -> None:
    three = [Arm("control", "1.0.0", 0.8), Arm("b", "1.2.0", 0.1), Arm("a", "1.1.0", 0.1)]
    _start(served, arms=three)
    assert [arm.variant for arm in served.experiment("tone").arms] == ["b", "a", "control"]


def test_each_change_of_weights_begins_an_epoch(served: Registry) -> None:
    _start(served)
    salt = served.experiment("tone").salt
    changed = served.set_weights(BOB, "tone", {"treatment": 0.5}, 2)
    assert changed.allocation_epoch == 2
    assert changed.arms == (Arm("treatment", "1.1.0", 0.5), Arm("control", "1.0.0", 0.5))
    again = served.set_weights(BOB, "tone", {"treatment": 1.0, "control": 0.0})
    assert [each.allocation_epoch for each in again.epochs] == [1, 2, 3]
    assert [each.arms[0].weight for each in again.epochs] == [0.1, 0.5, 1.0]
    assert again.epochs[0].started_at <= again.epochs[1].started_at <= again.epochs[2].started_at
    live = served.deployment("prod", PROMPT).experiments["tone"]
    assert (live.salt, live.allocation_epoch, live.arms) == (salt, 3, again.arms)


def test_nobody_moves_from_treatment_to_control_while_weights_grow(served: Registry) -> None:
    _start(served, arms=arms("1.1.0", "1.0.0", 0.0))
    treated: set[str] = set()
    for weight in (0.05, 0.25, 0.5, 1.0):
        served.set_weights(BOB, "tone", {"treatment": weight})
        snapshot = served.snapshot("prod")
        units = [f"user-{number}" for number in range(500)]
        now = {unit for unit in units if resolve(snapshot, PROMPT, unit, {}).variant == "treatment"}
        assert treated <= now
        treated = now
    assert len(treated) == 500


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"treatment": 1.5},
        {"treatment": -0.1},
        {"treatment": 0.5, "control": 0.6},
        {"treatment": math.nan},
        {"treatment": math.inf},
        {"control": 1.0},
        {"treatment": 0.5, "other": 0.5},
        {"treatment": 0.5, "control": 0.4, "other": 0.1},
        {"treatment": True},
    ],
)
def test_weights_that_do_not_add_up_are_refused(served: Registry, weights: dict[str, float]) -> None:
    _start(served)
    with pytest.raises(Invalid, match=r"weights|arms"):
        served.set_weights(BOB, "tone", weights)
    assert served.experiment("tone").allocation_epoch == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Arm("control", "1.0.0", 1.0)],
        [Arm("a", "1.1.0", 0.5), Arm("a", "1.0.0", 0.5)],
        [Arm("a", "1.1.0", 0.5), Arm("b", "1.0.0", 0.4)],
        [Arm("a", "1.1.0", math.nan), Arm("b", "1.0.0", 0.4)],
        [Arm("", "1.1.0", 0.5), Arm("b", "1.0.0", 0.5)],
        [Arm("a\0", "1.1.0", 0.5), Arm("b", "1.0.0", 0.5)],
        [Arm(f"a{number}", "1.1.0", 1 / 21) for number in range(21)],
    ],
)
def test_arms_that_cannot_be_assigned_are_refused(served: Registry, wrong: list[Arm]) -> None:
    with pytest.raises(Invalid, match="arms"):
        _start(served, arms=wrong)


def test_an_experiment_stops_with_what_was_there_before_or_with_an_arm(served: Registry) -> None:
    _start(served)
    ended = served.stop_experiment(BOB, "tone", None, 2)
    assert (ended.status, ended.kept, ended.stopped_by) == ("stopped", None, "bob")
    assert served.deployment("prod", PROMPT).default == ServeVersion("1.0.0")
    _start(served, "again")
    with pytest.raises(NotFound, match="no arm 'other'"):
        served.stop_experiment(BOB, "again", "other")
    assert served.stop_experiment(BOB, "again", "treatment").kept == "treatment"
    deployment = served.deployment("prod", PROMPT)
    assert (deployment.default, deployment.version) == (ServeVersion("1.1.0"), "1.1.0")
    assert served.rollback(BOB, "prod", PROMPT).version == "1.0.0"
    with pytest.raises(Conflict, match="is stopped"):
        served.stop_experiment(BOB, "again")
    with pytest.raises(Conflict, match="is stopped"):
        served.set_weights(BOB, "again", {"treatment": 0.5})


def test_an_experiment_may_stand_in_the_place_of_a_rule(served: Registry) -> None:
    rule = Rule("enterprise", {"tier": ("enterprise",)}, ServeVersion("1.0.0"))
    served.set_rules(BOB, "prod", PROMPT, [rule])
    _start(served, arms=arms("1.2.0", "1.1.0", 0.5), rule="enterprise")
    snapshot = served.snapshot("prod")
    enterprise = {resolve(snapshot, PROMPT, f"u{n}", {"tier": "enterprise"}).version for n in range(50)}
    assert enterprise == {"1.1.0", "1.2.0"}
    assert {resolve(snapshot, PROMPT, f"u{n}", {}).version for n in range(50)} == {"1.0.0"}
    with pytest.raises(Conflict, match="would lose its rule"):
        served.set_rules(BOB, "prod", PROMPT, [])
    with pytest.raises(NotFound, match="no rule 'public'"):
        _start(served, "other", rule="public")
    served.promote(BOB, PROMPT, "1.1.0", "prod")
    served.stop_experiment(BOB, "tone")
    assert served.deployment("prod", PROMPT).rules == (rule,)
    assert served.deployment("prod", PROMPT).version == "1.1.0"


def test_a_name_is_used_once(served: Registry) -> None:
    _start(served)
    with pytest.raises(Conflict, match="their events would mix"):
        _start(served)
    served.stop_experiment(BOB, "tone")
    with pytest.raises(Conflict, match="choose another name"):
        _start(served)
    with pytest.raises(InvalidPrompt, match="the name of the experiment"):
        _start(served, "No Name")


def test_one_place_holds_one_experiment(served: Registry) -> None:
    _start(served)
    with pytest.raises(Conflict, match="experiment tone runs in that place"):
        _start(served, "other")


def test_arms_serve_what_is_there_and_not_retired(served: Registry) -> None:
    served.retire(BOB, PROMPT, "1.2.0")
    with pytest.raises(Conflict, match="retired"):
        _start(served, arms=arms("1.2.0", "1.0.0"))
    with pytest.raises(NotFound):
        _start(served, arms=arms("8.0.0", "1.0.0"))
    with pytest.raises(NotFound, match="staging serves no prompt"):
        served.start_experiment(BOB, "staging", PROMPT, "tone", arms("1.1.0", "1.0.0"))


def test_experiments_take_an_approver_and_the_latest_state(served: Registry) -> None:
    with pytest.raises(Forbidden):
        served.start_experiment(ANN, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    with pytest.raises(StaleRevision):
        _start(served, expected_revision=0)
    _start(served)
    with pytest.raises(StaleRevision):
        served.set_weights(BOB, "tone", {"treatment": 0.2}, 1)
    with pytest.raises(StaleRevision):
        served.stop_experiment(BOB, "tone", None, 1)
    with pytest.raises(Forbidden):
        served.set_weights(ANN, "tone", {"treatment": 0.2})
    with pytest.raises(Forbidden):
        served.stop_experiment(ANN, "tone")


def test_experiments_are_listed_newest_first(served: Registry) -> None:
    _start(served, "one")
    served.stop_experiment(BOB, "one")
    _start(served, "two")
    assert [each.name for each in served.experiments().items] == ["two", "one"]
    assert [each.name for each in served.experiments("prod", PROMPT).items] == ["two", "one"]
    assert served.experiments("staging").items == []
    assert served.experiments("prod", "\0").items == []
    for name in ("nothing", "\0", "No Name"):
        with pytest.raises(NotFound):
            served.experiment(name)


def test_experiments_come_in_pages_newest_first_also_those_of_one_moment(address: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with Registry.open(address, clock=lambda: now) as registry:
        prompts = [f"prompt-{number}" for number in range(5)]
        for number, prompt in enumerate(prompts):
            serve(registry, "1.0.0", "1.1.0", prompt=prompt)
            now += timedelta(hours=number // 2)
            registry.start_experiment(BOB, "prod", prompt, f"of-{prompt}", arms("1.0.0", "1.1.0"))
        registry.stop_experiment(BOB, "of-prompt-1")
        expected = [each.name for each in registry.experiments().items]
        assert expected == [f"of-prompt-{number}" for number in (4, 3, 2, 0, 1)]
        first = registry.experiments(limit=2)
        second = registry.experiments(limit=2, cursor=first.next_cursor)
        third = registry.experiments(limit=2, cursor=second.next_cursor)
        assert [each.name for page in (first, second, third) for each in page.items] == expected
        assert third.next_cursor is None
        running = registry.experiments(status="running", limit=4)
        assert ([each.name for each in running.items], running.next_cursor) == (expected[:4], None)
        for cursor in ("nonsense", encode_cursor([1]), encode_cursor(["of-nothing"])):
            with pytest.raises(Invalid, match="cursor"):
                registry.experiments(cursor=cursor)


def test_an_experiment_that_is_misspelt_is_suggested(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    registry.start_experiment(BOB, "prod", PROMPT, "refund-tone", arms("1.0.0", "1.1.0"))
    with pytest.raises(NotFound, match=r"no experiment 'refund-tome': did you mean refund-tone\?"):
        registry.experiment("refund-tome")
    with pytest.raises(NotFound, match="no experiment 'x': `coalmine experiment list` lists all"):
        registry.experiment("x")


def test_what_is_served_is_no_treatment_as_it_would_return_to_everybody(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    with pytest.raises(Conflict, match=r"1\.1\.0, a treatment, is what is served in that place"):
        registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))


def test_a_rollback_never_serves_a_treatment(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(registry, "1.0.0", "1.1.0")
    with monkeypatch.context() as patch:  # as older versions started it
        patch.setattr("coalmine_registry.operations.experiments._check_control", lambda *_: None)
        registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    with pytest.raises(Conflict, match="is a treatment of experiment tone"):
        registry.rollback(BOB, "prod", PROMPT, "1.1.0")
    assert registry.rollback(BOB, "prod", PROMPT).version == "1.0.0"
