"""What people ask of rollouts, on real registries."""

from datetime import timedelta
from typing import Any

import pytest

from coalmine_registry.errors import Conflict, EvidenceRefused, Forbidden, Invalid, NotFound
from coalmine_registry.operations import experiments
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.plan import RolloutPlan
from coalmine_rollouts.records import UNDER_WAY, Rollout
from coalmine_schemas.events import Deployment, RolloutTransition
from coalmine_schemas.prompts import Arm, Rule, ServeVersion
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, READER, passed, push, serve
from tests.support.data.rollout_case import QUICK
from tests.support.data.rollout_inputs import a_readout, plan_of
from tests.support.doubles.rollout_world import World

COMPLETES = 24
"""Minutes after which a rollout of `QUICK` that nothing holds has completed."""


@pytest.fixture
def rollouts(registry: Registry) -> Rollouts:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0", "1.3.0")
    return Rollouts(registry)


def start(rollouts: Rollouts, version: str = "1.1.0", plan: RolloutPlan = QUICK, **given: Any) -> Rollout:
    return rollouts.start(given.pop("actor", BOB), PROMPT, version, plan, environment="prod", **given)


def weight(registry: Registry) -> float:
    return next(iter(registry.deployment("prod", PROMPT).experiments.values())).arms[0].weight


def test_it_starts_at_once_if_nothing_is_missing(registry: Registry, rollouts: Rollouts) -> None:
    made = start(rollouts, reason="shorter answers")
    assert (made.id, made.state, made.stage, made.control) == (
        "ro-support-refund-1.1.0-1",
        "running",
        0,
        "1.0.0",
    )
    assert weight(registry) == 0.1
    experiment = registry.experiment(made.id)
    assert experiment.started_by == "bob"
    assert experiment.plan == QUICK.experiment_plan()
    assert [each.kind for each in rollouts.decisions(made.id).items] == ["create", "start"]
    assert rollouts.decisions(made.id).items[1].revision == registry.deployment("prod", PROMPT).revision
    actions = [each.action for each in registry.audit_log().items]
    assert actions[:2] == ["rollout_start", "start_experiment"]


def test_an_author_cannot_start_alone(registry: Registry, rollouts: Rollouts, world: World) -> None:
    alone = Actor("ann", Role.APPROVER, "token-ann")
    made = start(rollouts, actor=alone)
    assert made.state == "pending"
    assert made.reasons[0].startswith("approval: ")
    world.minutes(3)
    assert rollouts.rollout(made.id).state == "pending"
    with pytest.raises(Forbidden):
        rollouts.approve(alone, made.id)
    rollouts.approve(CLEO, made.id)
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "running"
    assert registry.experiment(made.id).started_by == "cleo"


def test_what_was_approved_at_the_start_needs_no_approval_later(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    world.minutes(COMPLETES)
    found = rollouts.rollout(made.id)
    assert found.state == "completed", (found.state, found.reasons, found.holds)
    assert registry.deployment("prod", PROMPT).version == "1.1.0"
    decisions = rollouts.decisions(made.id).items
    kinds = [each.kind for each in decisions]
    assert kinds == ["create", "start", "advance", "bake", "complete"]
    events = [each.event for each in registry.outbox_pending(500)]
    told = [each for each in events if isinstance(each, RolloutTransition)]
    assert [(each.decision, each.kind, each.state) for each in told] == [
        (each.seq, each.kind, each.to_state) for each in decisions
    ]
    changes = [each for each in events if isinstance(each, Deployment) and each.rollout == made.id]
    assert [(each.rollout_decision, each.revision) for each in changes] == [
        (each.seq, each.revision) for each in decisions if each.revision is not None
    ]


def test_evidence_that_the_environment_requires_is_waited_for(registry: Registry, rollouts: Rollouts) -> None:
    registry.set_policy(ADMIN, "prod", ["eval_run"])
    made = start(rollouts)
    assert made.state == "pending"
    assert made.reasons[0].startswith("evidence: ")


def test_a_pending_rollout_is_given_the_evidence_that_it_lacks(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    registry.set_policy(ADMIN, "prod", ["eval_run", "review"])
    made = start(rollouts)
    for wrong in ([Evidence("eval_run", "made-up", "")], [passed(registry, "1.0.0")]):
        with pytest.raises(EvidenceRefused):
            rollouts.give_evidence(ANN, made.id, wrong)
    with pytest.raises(Invalid, match="give one"):
        rollouts.give_evidence(ANN, made.id, [])
    with pytest.raises(Forbidden):
        rollouts.give_evidence(READER, made.id, [passed(registry, "1.1.0")])
    first = rollouts.give_evidence(ANN, made.id, [passed(registry, "1.1.0")])
    world.minutes(3)
    assert rollouts.command(first.id).answer == "done"
    waiting = rollouts.rollout(made.id)
    assert (waiting.state, "review" in waiting.reasons[0], "eval_run" in waiting.reasons[0]) == (
        "pending",
        True,
        False,
    )
    rollouts.give_evidence(ANN, made.id, [passed(registry, "1.1.0", "review")], reason="read it")
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "running"
    kinds = [each.kind for each in rollouts.decisions(made.id).items]
    assert kinds == ["create", "wait", "evidence", "wait", "evidence", "start"]
    assert "rollout_evidence" in [each.action for each in registry.audit_log(PROMPT, "prod").items]
    with pytest.raises(Conflict, match="is running, and evidence needs pending"):
        rollouts.give_evidence(ANN, made.id, [passed(registry, "1.1.0")])


def test_what_a_start_waits_for_is_told_once(registry: Registry, rollouts: Rollouts, world: World) -> None:
    registry.set_policy(ADMIN, "prod", ["eval_run"])
    made = start(rollouts)
    world.minutes(8)
    assert [each.kind for each in rollouts.decisions(made.id).items] == ["create", "wait"]
    registry.set_policy(ADMIN, "prod", ["review"])
    world.minutes(8)
    assert [each.kind for each in rollouts.decisions(made.id).items] == ["create", "wait", "wait"]


def test_a_refused_step_is_told_once_and_done_when_it_is_allowed(
    rollouts: Rollouts, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(rollouts)
    tried: list[str] = []
    because, held = ["carol has to approve 50%"], ("hold", "release")

    def refuse(*_: object, **__: object) -> None:
        tried.append(because[0])
        raise Conflict(because[0])

    def told() -> list[tuple[str, str]]:
        found = [each for each in rollouts.decisions(made.id).items if each.kind in (*held, "advance")]
        return [(each.kind, each.reasons[0]) for each in found]

    with monkeypatch.context() as patched:
        patched.setattr(experiments, "set_weights", refuse)
        world.minutes(54)
        said = "refused: the registry refused the next step: "
        assert told() == [("hold", f"{said}carol has to approve 50%")]
        assert len(tried) >= 4
        world.controller = world.new_controller()
        world.minutes(17)
        assert len(told()) == 1
        because[0] = "dave has to approve 50%"
        world.minutes(17)
        assert told()[1:] == [("hold", f"{said}dave has to approve 50%")]
        assert [each.name for each in rollouts.rollout(made.id).holds] == ["refused"]
    world.minutes(16)
    assert [kind for kind, _ in told()] == ["hold", "hold", "advance"]
    assert rollouts.rollout(made.id).holds == ()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"actor": READER}, Forbidden, "author"),
        ({"version": "9.9.9"}, NotFound, "9.9.9"),
        ({"version": "1.0.0"}, Conflict, "serves there"),
        ({"rule": "nobody"}, NotFound, "no rule"),
        ({"environment": "moon"}, NotFound, "no environment"),
        ({"environment": None}, Invalid, "say where"),
        ({"expected_revision": 7}, Conflict, "revision 1, not 7"),
        ({"prompt": "unknown"}, NotFound, "unknown"),
    ],
)
def test_what_cannot_start_is_refused(
    rollouts: Rollouts, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    given: dict[str, Any] = {
        "actor": BOB,
        "prompt": PROMPT,
        "version": "1.1.0",
        "plan": QUICK,
        "environment": "prod",
        **change,
    }
    with pytest.raises(error, match=words):
        rollouts.start(**given)
    assert rollouts.rollouts().items == []


def test_a_place_that_is_taken_leaves_three_ways(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    first = start(rollouts)
    with pytest.raises(Conflict, match=r"queue this one behind it, replace it .* or abort it first"):
        start(rollouts, "1.2.0")
    queued = start(rollouts, "1.2.0", queue=True)
    assert queued.state == "pending"
    assert queued.reasons == (f"queued: behind {first.id}, which holds the place",)
    replacing = start(rollouts, "1.3.0", replace=True)
    before = rollouts.rollout(first.id)
    assert (before.state, before.replaced_by) == ("superseded", replacing.id)
    assert (replacing.state, replacing.control) == ("running", "1.0.0")
    assert registry.experiment(first.id).status == "stopped"
    rollouts.abort(BOB, replacing.id)
    world.minutes(2)
    assert rollouts.rollout(replacing.id).state == "aborted"
    assert rollouts.rollout(queued.id).state == "running"


def test_what_waits_in_a_queue_is_cancelled_if_something_newer_completes(
    rollouts: Rollouts, world: World
) -> None:
    first = start(rollouts, "1.2.0")
    older = start(rollouts, "1.1.0", queue=True)
    newer = start(rollouts, "1.3.0", queue=True)
    world.minutes(COMPLETES)
    assert rollouts.rollout(first.id).state == "completed"
    assert rollouts.rollout(older.id).state == "cancelled"
    waiting = rollouts.rollout(newer.id)
    assert waiting.reasons[0].startswith("base_changed: ")
    rollouts.rebase(BOB, newer.id)
    world.minutes(2)
    found = rollouts.rollout(newer.id)
    assert (found.state, found.control) == ("running", "1.2.0")


def test_a_rule_is_a_place_of_its_own(registry: Registry, rollouts: Rollouts, world: World) -> None:
    rule = Rule("pro", {"tier": ("pro",)}, ServeVersion("1.0.0"))
    registry.set_rules(CLEO, "prod", PROMPT, [rule])
    first = start(rollouts)
    second = start(rollouts, "1.2.0", rule="pro")
    assert second.state == "running"
    world.minutes(COMPLETES)
    assert rollouts.rollout(first.id).state == rollouts.rollout(second.id).state == "completed"
    served = registry.deployment("prod", PROMPT)
    assert served.version == "1.1.0"
    assert served.rules[0].serve == ServeVersion("1.2.0")


def test_at_most_so_many_run_at_once(registry: Registry, rollouts: Rollouts) -> None:
    serve(registry, "1.0.0", prompt="other")
    push(registry, "1.1.0", prompt="other")
    few = Rollouts(registry, most_at_once=1)
    start(few)
    with pytest.raises(Conflict, match=r"at most 1 may.*raise rollouts\.most_at_once"):
        few.start(BOB, "other", "1.1.0", QUICK, environment="prod")


@pytest.mark.parametrize("kind", ["pause", "resume", "approve", "rebase"])
def test_commands_need_an_approver_and_a_state(rollouts: Rollouts, kind: Any) -> None:
    made = start(rollouts)
    with pytest.raises(Forbidden):
        rollouts.ask(ANN, made.id, kind)
    if kind in ("resume", "rebase"):
        with pytest.raises(Conflict, match="needs p"):
            rollouts.ask(BOB, made.id, kind)


def test_forcing_needs_a_reason(rollouts: Rollouts) -> None:
    made = start(rollouts)
    with pytest.raises(Invalid, match="say why"):
        rollouts.promote_force(BOB, made.id, reason=" ")


def test_commands_are_carried_out_by_the_next_tick_even_after_a_restart(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    asked = rollouts.pause(BOB, made.id, reason="looking into it", row_version=made.row_version)
    assert asked.done_at is None
    world.controller = world.new_controller()
    world.minutes(1)
    done = rollouts.command(asked.id)
    assert (done.answer, done.done_at) == ("done", world.clock.now)
    paused = rollouts.rollout(made.id)
    assert (paused.state, paused.reasons) == ("paused", ("bob: looking into it",))
    with pytest.raises(Conflict, match="needs running"):
        rollouts.pause(BOB, made.id)
    rollouts.resume(BOB, made.id)
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "running"
    assert weight(registry) == 0.1


def test_a_command_on_a_stale_view_is_refused_at_once(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts)
    world.minutes(8)
    with pytest.raises(Conflict, match="has changed since you looked"):
        rollouts.pause(BOB, made.id, row_version=made.row_version)
    rollouts.abort(ANN, made.id, row_version=made.row_version)
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "aborted"


def test_what_waits_when_it_ends_is_answered(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts)
    first, second = rollouts.pause(BOB, made.id), rollouts.abort(BOB, made.id)
    world.minutes(1)
    assert rollouts.command(second.id).answer == "done"
    assert rollouts.command(first.id).answer == "it is aborted already"
    with pytest.raises(Conflict, match="is aborted already"):
        rollouts.abort(BOB, made.id)


def test_what_waits_when_panic_ends_it_is_answered(registry: Registry, rollouts: Rollouts) -> None:
    made = start(rollouts)
    asked = rollouts.pause(BOB, made.id)
    registry.panic(ANN, PROMPT, "bad")
    found = rollouts.command(asked.id)
    assert (found.answer, found.done_at is None) == ("it is aborted already", False)


def test_forcing_promotes_without_proof(registry: Registry, rollouts: Rollouts, world: World) -> None:
    made = start(rollouts)
    world.readouts[made.id] = a_readout("hold")
    rollouts.promote_force(BOB, made.id, reason="the old one is broken")
    world.minutes(1)
    found = rollouts.rollout(made.id)
    assert found.state == "baking"
    assert weight(registry) == 0.95
    decision = rollouts.decisions(made.id).items[-1]
    assert (decision.actor, decision.reasons[0]) == ("bob", "without proof: bob: the old one is broken")


def test_going_back_a_stage_is_approved_by_who_resumes(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    world.minutes(10)
    assert rollouts.rollout(made.id).stage == 1
    rollouts.pause(BOB, made.id)
    world.minutes(1)
    rollouts.resume(CLEO, made.id, stage=0)
    world.minutes(1)
    assert weight(registry) == 0.1
    world.minutes(10)
    assert rollouts.rollout(made.id).stage == 1, rollouts.rollout(made.id).holds
    assert weight(registry) == 0.5


def test_a_retry_is_a_new_rollout_with_a_new_salt(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    with pytest.raises(Conflict, match="is running"):
        rollouts.retry(BOB, made.id)
    world.readouts[made.id] = a_readout("rollback")
    world.minutes(1)
    again = rollouts.retry(BOB, made.id, reason="the dashboard was wrong")
    assert (again.id, again.retry_of, again.state) == ("ro-support-refund-1.1.0-2", made.id, "running")
    assert again.plan_digest == made.plan_digest
    assert registry.experiment(again.id).salt != registry.experiment(made.id).salt


def test_a_segment_is_left_out_by_a_rule_and_a_retry(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    world.minutes(1)
    rule = Rule("german stays", {"language": ("de",)}, ServeVersion("1.0.0"))
    registry.set_rules(CLEO, "prod", PROMPT, [rule])
    rollouts.abort(BOB, made.id, reason="worse where language is de")
    world.minutes(1)
    again = rollouts.retry(BOB, made.id)
    world.minutes(COMPLETES)
    assert (rollouts.rollout(made.id).state, rollouts.rollout(again.id).state) == ("aborted", "completed")
    served = registry.deployment("prod", PROMPT)
    assert (served.version, list(served.rules)) == ("1.1.0", [rule])


def test_weights_by_hand_pause_it_and_resuming_says_which_stage_this_is(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    with pytest.raises(Conflict, match="steered"):
        registry.set_weights(CLEO, made.id, {"treatment": 0.2})
    registry.set_weights(CLEO, made.id, {"treatment": 0.2}, override=True, reason="faster")
    world.minutes(1)
    found = rollouts.rollout(made.id)
    assert found.state == "paused"
    assert found.reasons[0].startswith("manual_weights: cleo")
    asked = rollouts.resume(BOB, made.id)
    world.minutes(1)
    assert "say which stage" in (rollouts.command(asked.id).answer or "")
    rollouts.resume(BOB, made.id, stage=1)
    world.minutes(1)
    assert rollouts.rollout(made.id).stage == 1
    assert weight(registry) == 0.5


def test_weights_by_hand_in_a_pause_are_not_undone_by_resuming(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    rollouts.pause(BOB, made.id, reason="looks odd")
    world.minutes(1)
    registry.set_weights(CLEO, made.id, {"treatment": 0.01}, override=True, reason="less of it")
    world.minutes(1)
    assert "paused at 1%: " in world.controller.status(made.id).sentence
    asked = rollouts.resume(BOB, made.id)
    world.minutes(1)
    assert "say which stage" in (rollouts.command(asked.id).answer or "")
    assert (rollouts.rollout(made.id).state, weight(registry)) == ("paused", 0.01)
    rollouts.resume(BOB, made.id, stage=0)
    world.minutes(1)
    assert (rollouts.rollout(made.id).state, weight(registry)) == ("running", 0.1)


@pytest.mark.parametrize("act", ["rollback", "panic", "stop"])
def test_a_person_who_goes_back_ends_it_and_nothing_is_undone(
    registry: Registry, rollouts: Rollouts, world: World, act: str
) -> None:
    made = start(rollouts)
    if act == "rollback":
        registry.rollback(ANN, "prod", PROMPT, reason="no")
    elif act == "panic":
        registry.panic(ANN, PROMPT, "no")
    else:
        registry.stop_experiment(CLEO, made.id, override=True, reason="no")
    revision = registry.deployment("prod", PROMPT).revision
    world.minutes(2)
    assert rollouts.rollout(made.id).state == ("aborted" if act == "panic" else "superseded")
    assert registry.deployment("prod", PROMPT).revision == revision
    assert rollouts.decisions(made.id).items[-1].actor == ("ann" if act == "panic" else f"rollout:{made.id}")


def test_a_freeze_stops_it_from_going_on_but_not_from_going_back(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    registry.freeze(CLEO, "holidays", environment="prod")
    world.minutes(12)
    found = rollouts.rollout(made.id)
    assert (found.state, found.stage) == ("running", 0)
    assert "frozen: by cleo: holidays" in world.controller.status(made.id).sentence
    waiting = start(rollouts, "1.2.0", queue=True)
    world.readouts[made.id] = a_readout("rollback")
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "rolled_back"
    assert rollouts.rollout(waiting.id).reasons == ("frozen: frozen: by cleo: holidays",)


def test_harm_in_a_bake_without_holdback_goes_back_to_the_control(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    rule = Rule("pro", {"tier": ("pro",)}, ServeVersion("1.0.0"))
    registry.set_rules(CLEO, "prod", PROMPT, [rule])
    plan = plan_of(
        stages=[{"weight": "50%", "min_time": "5m", "min_units": 0, "gate": "not_worse"}],
        bake={"time": "1h", "holdback": "0%"},
    )
    made = start(rollouts, plan=plan)
    world.minutes(10)
    assert rollouts.rollout(made.id).state == "baking"
    assert registry.deployment("prod", PROMPT).version == "1.1.0"
    registry.set_rules(CLEO, "prod", PROMPT, [])  # another place: no concern of the rollout
    world.readouts[made.id] = a_readout("rollback")
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "rolled_back"
    assert registry.deployment("prod", PROMPT).version == "1.0.0"


def test_a_promotion_is_requested_once_it_completes(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    registry.promote(BOB, PROMPT, "1.0.0", "staging")
    plan = plan_of(
        stages=[{"weight": "50%", "min_time": "5m", "min_units": 0, "gate": "not_worse"}],
        bake={"time": "0s"},
        request_promotion=["prod"],
    )
    made = rollouts.start(BOB, PROMPT, "1.1.0", plan, environment="staging")
    world.minutes(10)
    assert rollouts.rollout(made.id).state == "completed"
    (asked,) = registry.promotions().items[:1]
    assert (asked.status, asked.version, asked.environment, asked.requested_by) == (
        "pending",
        "1.1.0",
        "prod",
        "bob",
    )
    assert asked.id in rollouts.decisions(made.id).items[-1].reasons[-1]


def test_what_is_required_and_missing_for_the_promotion_undoes_nothing(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    registry.promote(BOB, PROMPT, "1.0.0", "staging")
    registry.set_policy(ADMIN, "prod", ["eval_run"])
    plan = plan_of(
        stages=[{"weight": "50%", "min_time": "5m", "min_units": 0, "gate": "not_worse"}],
        bake={"time": "0s"},
        request_promotion=["prod"],
    )
    made = rollouts.start(BOB, PROMPT, "1.1.0", plan, environment="staging")
    world.minutes(10)
    assert rollouts.rollout(made.id).state == "completed"
    assert "could not be requested" in rollouts.decisions(made.id).items[-1].reasons[-1]
    assert registry.deployment("staging", PROMPT).version == "1.1.0"


def test_what_a_version_was_like_is_kept_when_it_completes(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts)
    world.minutes(COMPLETES)
    (kept,) = rollouts.as_shipped(PROMPT, "1.1.0")
    assert (kept.rollout, kept.environment) == (made.id, "prod")
    assert kept.figures["units"] == 5_000
    assert kept.figures["metrics"][0]["value"] == 0.8
    assert rollouts.as_shipped(PROMPT, "1.0.0") == []


def test_it_starts_after_others_have_completed(registry: Registry, rollouts: Rollouts, world: World) -> None:
    serve(registry, "1.0.0", prompt="other")
    push(registry, "1.1.0", prompt="other")
    first = start(rollouts)
    plan = plan_of(after=[first.id])
    second = rollouts.start(BOB, "other", "1.1.0", plan, environment="prod")
    assert second.reasons == (f"after: {first.id} is not completed",)
    world.minutes(COMPLETES)
    assert rollouts.rollout(second.id).state == "running"


def test_it_starts_when_it_was_asked_to(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts, start_at=world.clock.now + timedelta(minutes=5))
    assert made.reasons[0].startswith("scheduled: begins at")
    world.minutes(4)
    assert rollouts.rollout(made.id).state == "pending"
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "running"


def test_lists_are_paged(registry: Registry, rollouts: Rollouts, world: World) -> None:
    made = []
    for _ in range(3):
        made.append(start(rollouts).id)
        world.clock.move(seconds=1)
        rollouts.abort(BOB, made[-1])
        world.controller.tick()
    first = rollouts.rollouts(limit=2)
    second = rollouts.rollouts(limit=2, cursor=first.next_cursor)
    assert [each.id for each in (*first.items, *second.items)] == made[::-1]
    assert rollouts.rollouts(states=UNDER_WAY).items == []
    assert len(rollouts.rollouts("prod", PROMPT, {"aborted", "running"}).items) == 3
    page = rollouts.decisions(made[0], limit=2)
    rest = rollouts.decisions(made[0], cursor=page.next_cursor)
    assert [each.seq for each in (*page.items, *rest.items)] == [1, 2, 3]
    with pytest.raises(NotFound):
        rollouts.decisions("ro-none-1")


def test_an_experiment_that_no_rollout_steers_holds_the_place_too(
    registry: Registry, rollouts: Rollouts
) -> None:
    arms = [Arm("treatment", "1.2.0", 0.1), Arm("control", "1.0.0", 0.9)]
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms)
    with pytest.raises(Conflict, match="experiment tone runs in that place"):
        start(rollouts)
