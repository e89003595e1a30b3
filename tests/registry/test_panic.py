"""Panic: back to what served before, everywhere, at once and once only."""

import pytest

from coalmine_registry.errors import Forbidden, Frozen, Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import RolloutTransition
from coalmine_schemas.prompts import Rule, ServeVersion
from tests.support.data.registry_case import ANN, BOB, CLEO, PROMPT, READER, arms, push, serve
from tests.support.data.rollout_rows import add_rollout, decisions, rollout

GERMAN = Rule("german", {"language": ("de",)}, ServeVersion("1.0.0"))


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.1 in prod, where 1.0.0 was before."""
    serve(registry, "1.0.0", "1.0.1")
    push(registry, "1.0.2")
    return registry


def test_everything_goes_back_and_stays_there(served: Registry) -> None:
    for version in ("1.0.1", "1.0.2"):
        served.promote(BOB, PROMPT, version, "staging")
    served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.2", "1.0.1"))
    done = served.panic(ANN, PROMPT, "it insults people")
    prod = served.deployment("prod", PROMPT)
    assert (prod.default, prod.experiments) == (ServeVersion("1.0.1"), {})  # the control
    assert served.deployment("staging", PROMPT).version == "1.0.1"
    told = [(each.environment, each.before, each.version, each.experiments) for each in done.environments]
    assert told == [("staging", "1.0.2", "1.0.1", ()), ("prod", "1.0.1", "1.0.1", ("tone",))]
    assert all(each.changed for each in done.environments)
    assert (done.freeze.prompt, done.freeze.environment, done.freeze.until) == (PROMPT, None, None)
    with pytest.raises(Frozen, match="ann until somebody ends it: it insults people"):
        served.promote(BOB, PROMPT, "1.0.2", "prod")
    assert "panic" in [each.action for each in served.audit_log(PROMPT, "prod").items]


def test_a_second_one_changes_nothing(served: Registry) -> None:
    served.promote(BOB, PROMPT, "1.0.2", "prod")
    first = served.panic(ANN, PROMPT, "bad")
    again = served.panic(CLEO, PROMPT, "bad!")
    assert again.freeze == first.freeze
    assert [(each.version, each.changed) for each in again.environments] == [("1.0.1", False)]
    served.unfreeze(BOB, first.freeze.id)
    served.promote(BOB, PROMPT, "1.0.2", "prod")
    assert [each.version for each in served.panic(ANN, PROMPT, "again").environments] == ["1.0.1"]


def test_where_nothing_served_before_it_stays_and_is_frozen(registry: Registry) -> None:
    serve(registry, "1.0.0")
    (only,) = registry.panic(ANN, PROMPT, "bad").environments
    assert (only.version, only.changed) == ("1.0.0", False)
    assert len(registry.freezes(prompt=PROMPT).items) == 1


def test_nothing_stands_in_its_way(served: Registry) -> None:
    push(served, "1.0.3", author=ANN)
    served.set_rules(BOB, "prod", PROMPT, [GERMAN])
    served.start_experiment(BOB, "prod", PROMPT, "ro", arms("1.0.2", "1.0.1"))
    served.start_experiment(BOB, "prod", PROMPT, "of-rule", arms("1.0.2", "1.0.0"), rule="german")
    add_rollout(served, "ro", treatment="1.0.2", control="1.0.1", stage=1)
    add_rollout(served, "waits", state="pending", occupies=False)
    add_rollout(served, "over", state="completed", occupies=False)
    served.freeze(CLEO, "holidays")
    (only,) = served.panic(ANN, PROMPT, "bad", environment="prod").environments
    assert (only.version, only.experiments, only.rollouts) == ("1.0.1", ("ro", "of-rule"), ("ro", "waits"))
    assert served.deployment("prod", PROMPT).rules == (GERMAN,)
    ended = rollout(served, "ro")
    assert (ended.state, ended.occupies, ended.row_version) == ("aborted", False, 2)
    assert (ended.revision, ended.ended_at is not None) == (only.revision, True)
    (decision,) = decisions(served, "ro")
    assert (decision.seq, decision.actor, decision.from_state, decision.to_state) == (
        1,
        "ann",
        "running",
        "aborted",
    )
    assert (decision.reasons, decision.revision) == (["panic: bad"], only.revision)
    assert [rollout(served, each).state for each in ("waits", "over")] == ["cancelled", "completed"]
    told = [each.event for each in served.outbox_pending() if isinstance(each.event, RolloutTransition)]
    assert [(each.rollout, each.state, each.from_state) for each in told] == [
        ("ro", "aborted", "running"),
        ("waits", "cancelled", "pending"),
    ]
    first = told[0]
    assert (first.decision, first.kind, first.actor, first.reasons) == (1, "panic", "ann", "panic: bad")
    assert (first.treatment, first.control, first.stage) == ("1.0.2", "1.0.1", 1)
    assert (first.event_time, first.revision) == (decision.at, only.revision)
    assert Encoder(SingleObjectFraming()).encode("rollout_transitions", first.to_record())


@pytest.mark.parametrize("rule", [None, "german"])
def test_from_the_bake_the_control_returns(served: Registry, rule: str | None) -> None:
    before = Rule("german", {"language": ("de",)}, ServeVersion("1.0.1"))
    served.set_rules(BOB, "prod", PROMPT, [before])
    served.start_experiment(BOB, "prod", PROMPT, "ro", arms("1.0.2", "1.0.1"), rule=rule)
    served.start_experiment(
        BOB, "prod", PROMPT, "other", arms("1.0.0", "1.0.1"), rule="german" if rule is None else None
    )
    served.stop_experiment(BOB, "ro", "treatment")
    add_rollout(served, "ro", treatment="1.0.2", control="1.0.1", state="baking", rule=rule)
    served.panic(ANN, PROMPT, "bad")
    now = served.deployment("prod", PROMPT)
    assert (now.default, now.rules, now.experiments) == (ServeVersion("1.0.1"), (before,), {})


def test_what_is_no_panic(served: Registry) -> None:
    with pytest.raises(Forbidden):
        served.panic(READER, PROMPT, "bad")
    with pytest.raises(Invalid, match="reason"):
        served.panic(ANN, PROMPT, "")
    with pytest.raises(NotFound):
        served.panic(ANN, "nothing", "bad")
    with pytest.raises(NotFound, match="staging serves no prompt"):
        served.panic(ANN, PROMPT, "bad", environment="staging")
    assert served.freezes().items == []
