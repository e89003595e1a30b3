"""What the controller of a rollout may do, and what others may not where one steers."""

from collections.abc import Callable
from typing import Any

import pytest

from coalmine_registry.errors import Conflict, Forbidden, Invalid, NameTaken, NotFound, Steered
from coalmine_registry.experiment_plan import DEFAULT, accept_plan
from coalmine_registry.operations import experiments, steering
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_schemas.prompts import Rule, ServeVersion
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, arms, push, serve
from tests.support.data.rollout_rows import add_rollout, change_rollout, rollout_row

ROLLOUT = "ro-support-refund-1.0.1-1"
CONTROLLER = Actor.of_rollout(ROLLOUT)
GERMAN = Rule("german", {"language": ("de",)}, ServeVersion("1.0.0"))


def begin(registry: Registry, person: Actor, weight: float = 0.05, rule: str | None = None) -> None:
    """Starts a rollout as its controller's commands do: approved and started in the name of a person."""

    def work(transaction: Transaction) -> None:
        transaction.insert(rollouts, rollout_row(ROLLOUT, rule=rule))
        steering.approve_all(transaction, person, "prod", PROMPT, version="1.0.1", rule=rule)
        experiments.start(
            transaction,
            person,
            "prod",
            PROMPT,
            ROLLOUT,
            arms=arms("1.0.1", "1.0.0", weight),
            rule=rule,
            control=None,
            plan=DEFAULT,
            check_plan=accept_plan,
            evidence=(),
            reason=None,
            expected_revision=None,
            is_rollout=True,
        )

    registry.transact(work)


def to_control(registry: Registry, actor: Actor, rollout: str = ROLLOUT) -> Any:
    return registry.transact(
        lambda tx: steering.to_control(tx, actor, rollout, reason=None, expected_revision=None)
    )


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.0 in prod, and 1.0.1 by Ann."""
    serve(registry, "1.0.0")
    push(registry, "1.0.1")
    return registry


def test_a_controller_steers_its_own_experiment_alone(served: Registry) -> None:
    begin(served, BOB)
    served.set_weights(CONTROLLER, ROLLOUT, {"treatment": 0.5})
    assert served.stop_experiment(CONTROLLER, ROLLOUT, "treatment").stopped_by == f"rollout:{ROLLOUT}"
    assert served.deployment("prod", PROMPT).version == "1.0.1"


def test_a_controller_may_do_nothing_else(served: Registry) -> None:
    served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.1", "1.0.0"))
    asked = served.promote(ANN, PROMPT, "1.0.1", "staging")
    tries: list[Callable[[], Any]] = [
        lambda: served.set_weights(CONTROLLER, "tone", {"treatment": 0.2}),
        lambda: served.stop_experiment(CONTROLLER, "tone"),
        lambda: served.start_experiment(CONTROLLER, "staging", PROMPT, ROLLOUT, arms("1.0.1", "1.0.0")),
        lambda: served.promote(CONTROLLER, PROMPT, "1.0.1", "dev"),
        lambda: served.approve(CONTROLLER, asked.id),
        lambda: served.reject(CONTROLLER, asked.id),
        lambda: served.rollback(CONTROLLER, "prod", PROMPT),
        lambda: served.set_rules(CONTROLLER, "prod", PROMPT, []),
        lambda: served.retire(CONTROLLER, PROMPT, "1.0.1"),
        lambda: served.register(CONTROLLER, PROMPT, "1.0.2", content("other {{ question }}")),
        lambda: served.set_policy(CONTROLLER, "prod", ()),
        lambda: served.freeze(CONTROLLER, "no"),
        lambda: served.panic(CONTROLLER, PROMPT, "no"),
        lambda: served.tokens.create(CONTROLLER, "eve", Role.READER),
    ]
    before = served.deployments("prod"), served.deployments("dev")
    for each in tries:
        with pytest.raises(Forbidden):
            each()
    assert (served.deployments("prod"), served.deployments("dev")) == before


def test_no_token_has_the_name_of_a_controller(registry: Registry) -> None:
    with pytest.raises(Invalid):
        registry.tokens.create(ADMIN, CONTROLLER.subject, Role.APPROVER)


def test_who_wrote_it_cannot_have_a_rollout_show_it_to_everybody(registry: Registry) -> None:
    """Nor could the controller, which is no author: it approves nothing."""
    serve(registry, "1.0.0")
    push(registry, "1.0.1", author=BOB)
    with pytest.raises(Forbidden, match=r"bob wrote support-refund@1\.0\.1 .* 100% in prod"):
        begin(registry, BOB)
    with pytest.raises(Forbidden):
        begin(registry, CONTROLLER)
    registry.transact(lambda tx: steering.approve_all(tx, CLEO, "prod", PROMPT, version="1.0.1", rule=None))
    begin(registry, BOB)
    registry.set_weights(CONTROLLER, ROLLOUT, {"treatment": 0.95})
    registry.stop_experiment(CONTROLLER, ROLLOUT, "treatment")


def test_a_controller_shows_it_to_no_more_than_a_person_has_approved(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.0.1", author=BOB)
    registry.start_experiment(CLEO, "prod", PROMPT, ROLLOUT, arms("1.0.1", "1.0.0", 0.05))
    add_rollout(registry, ROLLOUT)
    with pytest.raises(Forbidden, match="Coalmine itself approves nothing"):
        registry.set_weights(CONTROLLER, ROLLOUT, {"treatment": 0.5})
    with pytest.raises(Forbidden, match="Coalmine itself approves nothing"):
        registry.stop_experiment(CONTROLLER, ROLLOUT, "treatment")
    registry.set_weights(CONTROLLER, ROLLOUT, {"treatment": 0.01})
    registry.stop_experiment(CONTROLLER, ROLLOUT)


def test_others_do_not_touch_what_a_rollout_steers(served: Registry) -> None:
    push(served, "1.0.2")
    asked = served.promote(ANN, PROMPT, "1.0.2", "prod")
    begin(served, BOB)
    of_experiment: list[Callable[[], Any]] = [
        lambda: served.set_weights(CLEO, ROLLOUT, {"treatment": 0.5}),
        lambda: served.stop_experiment(CLEO, ROLLOUT),
    ]
    for each in of_experiment:
        with pytest.raises(
            Steered, match=f"by rollout {ROLLOUT}: `coalmine rollout abort {ROLLOUT}`, or"
        ) as no:
            each()
        assert no.value.rollout == ROLLOUT
    served.stop_experiment(CONTROLLER, ROLLOUT, "treatment")  # baking
    of_place: list[Callable[[], Any]] = [
        lambda: served.promote(CLEO, PROMPT, "1.0.2", "prod"),
        lambda: served.promote(ANN, PROMPT, "1.0.2", "prod"),
        lambda: served.approve(CLEO, asked.id),
        lambda: served.start_experiment(CLEO, "prod", PROMPT, "other", arms("1.0.2", "1.0.1")),
    ]
    for each in of_place:
        with pytest.raises(Steered):
            each()
    change_rollout(served, ROLLOUT, state="completed", occupies=False)
    assert served.promote(CLEO, PROMPT, "1.0.2", "prod").status == "applied"


def test_an_approver_overrides_with_a_reason_that_is_audited(served: Registry) -> None:
    begin(served, BOB)
    with pytest.raises(Invalid, match="say why"):
        served.set_weights(CLEO, ROLLOUT, {"treatment": 0.5}, override=True)
    with pytest.raises(Forbidden):
        served.stop_experiment(ANN, ROLLOUT, override=True, reason="mine")
    served.set_weights(CLEO, ROLLOUT, {"treatment": 0.5}, override=True, reason="launch today")
    served.stop_experiment(CLEO, ROLLOUT, "treatment", override=True, reason="launch now")
    with pytest.raises(Forbidden, match="override a rollout"):
        served.promote(ANN, PROMPT, "1.0.0", "prod", override=True, reason="mine")
    served.promote(CLEO, PROMPT, "1.0.0", "prod", override=True, reason="no")
    found = [each for each in served.audit_log(PROMPT).items if each.action == "override_rollout"]
    assert [(each.actor, each.reason) for each in found] == [
        ("cleo", "no"),
        ("cleo", "launch now"),
        ("cleo", "launch today"),
    ]
    assert found[0].after == {"rollout": ROLLOUT, "state": "running", "rule": None}


def test_a_rollback_is_never_locked(served: Registry) -> None:
    begin(served, BOB)
    assert served.rollback(ANN, "prod", PROMPT).version == "1.0.0"
    assert served.experiment(ROLLOUT).status == "stopped"


def test_rules_are_locked_where_a_rollout_runs_under_one(served: Registry) -> None:
    served.set_rules(BOB, "prod", PROMPT, [GERMAN])
    begin(served, BOB, rule="german")
    served.stop_experiment(CONTROLLER, ROLLOUT, "treatment")
    kept = served.deployment("prod", PROMPT).rules
    with pytest.raises(Steered, match="in prod under rule german"):
        served.set_rules(BOB, "prod", PROMPT, [])
    with pytest.raises(Steered):
        served.set_rules(BOB, "prod", PROMPT, [GERMAN])
    french = Rule("french", {"language": ("fr",)}, ServeVersion("1.0.0"))
    served.set_rules(BOB, "prod", PROMPT, [french, *kept])  # nobody of the rule's own
    shadow = Rule("all", {"language": ("de", "fr")}, ServeVersion("1.0.0"))
    with pytest.raises(Steered):
        served.set_rules(BOB, "prod", PROMPT, [shadow, *kept])
    served.set_rules(BOB, "prod", PROMPT, [*kept, shadow])
    with pytest.raises(Steered):
        served.set_rules(BOB, "prod", PROMPT, [shadow, *kept])
    served.set_rules(BOB, "prod", PROMPT, [], override=True, reason="no rules any more")
    served.promote(BOB, PROMPT, "1.0.1", "prod")  # another place


def test_one_that_only_advises_steers_nothing(served: Registry) -> None:
    begin(served, BOB)
    change_rollout(served, ROLLOUT, mode="advise")
    served.set_weights(CLEO, ROLLOUT, {"treatment": 0.5})


def test_the_name_of_a_rollout_is_not_for_other_experiments(served: Registry) -> None:
    add_rollout(served, ROLLOUT, state="pending", occupies=False)
    with pytest.raises(NameTaken):
        served.start_experiment(BOB, "prod", PROMPT, ROLLOUT, arms("1.0.1", "1.0.0"))


@pytest.mark.parametrize("rule", [None, "german"])
def test_the_control_returns_from_the_bake(served: Registry, rule: str | None) -> None:
    served.set_rules(BOB, "prod", PROMPT, [GERMAN])
    begin(served, BOB, rule=rule)
    with pytest.raises(Conflict, match=f"serves experiment {ROLLOUT}"):
        to_control(served, CONTROLLER)
    served.stop_experiment(CONTROLLER, ROLLOUT, "treatment")
    with pytest.raises(Forbidden):
        to_control(served, Actor.of_rollout("another"))
    with pytest.raises(NotFound, match="no rollout"):
        to_control(served, BOB, "another")
    back = to_control(served, CONTROLLER)
    assert (back.default, back.rules) == (ServeVersion("1.0.0"), (GERMAN,))
    assert to_control(served, CONTROLLER).revision == back.revision


def test_what_came_later_is_not_undone(served: Registry) -> None:
    push(served, "1.0.2")
    begin(served, BOB)
    served.stop_experiment(CONTROLLER, ROLLOUT, "treatment")
    served.promote(BOB, PROMPT, "1.0.2", "prod", override=True, reason="urgent")
    with pytest.raises(Conflict, match="another version where"):
        to_control(served, CONTROLLER)


@pytest.mark.parametrize("state", ["pending", "running", "paused", "baking"])
def test_versions_of_rollouts_are_not_retired(served: Registry, state: str) -> None:
    push(served, "1.0.2", "1.0.3")
    add_rollout(served, ROLLOUT, state=state, occupies=False, treatment="1.0.2", control="1.0.3")
    for version in ("1.0.2", "1.0.3"):
        with pytest.raises(Conflict, match=f"in use: in rollout {ROLLOUT}"):
            served.retire(BOB, PROMPT, version)
    change_rollout(served, ROLLOUT, state="cancelled")
    served.retire(BOB, PROMPT, "1.0.2")
