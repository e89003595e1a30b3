"""What nobody does alone with a rollout, or in the name of somebody who may not any more."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from coalmine_registry.errors import Forbidden, Invalid
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.plan import RolloutPlan, read_plan
from coalmine_rollouts.records import Rollout
from tests.support.data.registry_case import ADMIN, BOB, CLEO, PROMPT, passed, push, serve
from tests.support.data.rollout_case import QUICK
from tests.support.doubles.rollout_world import World

ANN = Actor("Ann", Role.APPROVER, "token-ann")
"""Wrote it, and may approve what others write."""


def asking(*names: str) -> RolloutPlan:
    """A plan of minutes that asks another person before some of its steps."""
    document = QUICK.to_json()
    del document["template"]
    return read_plan({**document, "approve_before": list(names)})


@pytest.fixture
def rollouts(registry: Registry) -> Rollouts:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0")
    return Rollouts(registry)


def start(rollouts: Rollouts, plan: RolloutPlan = QUICK, actor: Actor = BOB, **given: Any) -> Rollout:
    return rollouts.start(actor, PROMPT, "1.1.0", plan, environment="prod", **given)


def eve(registry: Registry) -> tuple[Actor, str]:
    """An approver whose token can be revoked."""
    made = registry.tokens.create(ADMIN, "eve", "approver")
    found = registry.tokens.verify(made.token)
    assert found is not None
    return found, made.id


def test_who_wrote_it_neither_forces_nor_rebases_it_nor_names_its_stage(
    rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    with pytest.raises(Forbidden, match="another person has to promote it"):
        rollouts.promote_force(ANN, made.id, reason="mine is fine")
    rollouts.pause(ANN, made.id)
    world.minutes(1)
    with pytest.raises(Forbidden, match="another person has to resume it"):
        rollouts.resume(ANN, made.id, stage=0)
    rollouts.resume(ANN, made.id)
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "running"


def test_who_wrote_it_does_not_override_its_rollout(registry: Registry, rollouts: Rollouts) -> None:
    made = start(rollouts)
    mine: dict[str, Any] = {"override": True, "reason": "mine"}
    with pytest.raises(Forbidden, match="another person has to override it"):
        registry.set_weights(ANN, made.id, {"treatment": 1.0}, **mine)
    with pytest.raises(Forbidden, match="another person has to override it"):
        registry.stop_experiment(ANN, made.id, "treatment", **mine)


def test_who_wrote_it_does_not_rebase_it(registry: Registry, rollouts: Rollouts, world: World) -> None:
    made = start(rollouts, start_at=world.clock.now + timedelta(hours=1))
    registry.promote(CLEO, PROMPT, "1.2.0", "prod", override=True, reason="a repair")
    world.minutes(1)
    with pytest.raises(Forbidden, match="another person has to rebase it"):
        rollouts.rebase(ANN, made.id)


def test_the_first_stage_waits_for_another_person_too(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts, asking("10%"))
    assert made.reasons == ("approval: another person than bob has to approve 10%",)
    refused = rollouts.approve(Actor("BOB", Role.APPROVER, "other"), made.id)
    world.minutes(1)
    assert "another person" in (rollouts.command(refused.id).answer or "")
    rollouts.approve(CLEO, made.id)
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "running"


def test_forcing_is_no_way_around_an_approval(rollouts: Rollouts, world: World) -> None:
    made = start(rollouts, asking("complete"))
    refused = rollouts.promote_force(BOB, made.id, reason="now")
    world.minutes(1)
    assert rollouts.command(refused.id).answer == "bob started it: another person has to approve complete"
    assert rollouts.rollout(made.id).state == "running"
    rollouts.promote_force(CLEO, made.id, reason="now")
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "baking"


def test_weights_by_hand_are_no_way_around_an_approval(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts, asking("50%"))
    with pytest.raises(Forbidden, match="another person has to override it"):
        registry.set_weights(BOB, made.id, {"treatment": 1.0}, override=True, reason="all")
    registry.set_weights(CLEO, made.id, {"treatment": 0.2}, override=True, reason="faster")
    world.minutes(1)
    refused = rollouts.resume(BOB, made.id, stage=1)
    world.minutes(1)
    assert "another person has to approve 50%" in (rollouts.command(refused.id).answer or "")
    assert rollouts.rollout(made.id).state == "paused"


def test_after_somebody_has_lowered_weights_it_goes_on_with_who_resumes(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    made = start(rollouts)
    registry.set_weights(CLEO, made.id, {"treatment": 0.01}, override=True, reason="careful")
    world.minutes(1)
    asked = rollouts.resume(BOB, made.id, stage=0)
    world.minutes(1)
    assert rollouts.command(asked.id).answer == "done"
    assert rollouts.rollout(made.id).state == "running"


def test_nothing_starts_in_the_name_of_a_revoked_token(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    person, token = eve(registry)
    made = start(rollouts, actor=person, start_at=world.clock.now + timedelta(minutes=5))
    registry.tokens.revoke(ADMIN, token)
    world.minutes(7)
    found = rollouts.rollout(made.id)
    assert (found.state, found.reasons[0].partition(" of")[0]) == (
        "pending",
        "approval: the token with which eve asked for this was revoked: another has to approve it",
    )
    rollouts.approve(CLEO, made.id)
    world.minutes(2)
    assert rollouts.rollout(made.id).state == "running"


@pytest.mark.parametrize(("role", "goes_on"), [("approver", True), ("admin", True), ("author", False)])
def test_what_waited_is_not_done_for_who_may_not_any_more(
    registry: Registry, rollouts: Rollouts, world: World, role: str, *, goes_on: bool
) -> None:
    made = start(rollouts)
    person, _ = eve(registry)
    asked = rollouts.pause(person, made.id)
    registry.tokens.create(ADMIN, "eve", role, replace=True)
    world.minutes(1)
    assert rollouts.rollout(made.id).state == ("paused" if goes_on else "running")
    assert (rollouts.command(asked.id).answer == "done") is goes_on


def test_going_back_is_done_whoever_asked(registry: Registry, rollouts: Rollouts, world: World) -> None:
    made = start(rollouts)
    person, token = eve(registry)
    rollouts.abort(person, made.id)
    registry.tokens.revoke(ADMIN, token)
    world.minutes(1)
    assert rollouts.rollout(made.id).state == "aborted"


def test_evidence_that_the_plan_requires_is_waited_for_and_kept_for_a_retry(
    registry: Registry, rollouts: Rollouts, world: World
) -> None:
    plan = read_plan({"requires": ["eval_run"]})
    missing = start(rollouts, plan)
    assert missing.reasons[0].startswith(f"evidence: the plan of {missing.id} requires evidence")
    rollouts.abort(BOB, missing.id)
    world.minutes(1)
    made = start(rollouts, plan, evidence=[passed(registry, "1.1.0")])
    assert made.state == "running"
    rollouts.abort(BOB, made.id)
    world.minutes(1)
    assert rollouts.retry(BOB, made.id).state == "running"


def test_a_time_to_begin_is_told_in_utc(rollouts: Rollouts) -> None:
    made = start(rollouts, start_at=datetime.fromisoformat("2099-12-01T09:00:00+05:00"))
    assert made.reasons == ("scheduled: begins at 2099-12-01 04:00 UTC",)
    rollouts.abort(BOB, made.id)
    with pytest.raises(Invalid, match="between the years"):
        start(rollouts, start_at=datetime.fromisoformat("9999-12-31T23:59:59-12:00"))


def test_a_rollout_that_waits_keeps_nobody_from_changing_what_is_served(
    registry: Registry, rollouts: Rollouts
) -> None:
    made = rollouts.start(ANN, PROMPT, "1.1.0", QUICK, environment="prod")
    assert made.state == "pending"
    assert registry.promote(BOB, PROMPT, "1.2.0", "prod").status == "applied"
