"""What rollouts tell: decisions once, holds that last, and who does not follow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coalmine_alerts.results.story import moment
from coalmine_alerts.rules.rollouts import RollbackIncomplete, RolloutDecided, RolloutHeld
from coalmine_rollouts.records import AppBehind, Kind, RolloutHold, State
from tests.support.data.alert_facts import NOW, facts, findings, held_back, later, one
from tests.support.data.alert_rollouts import ID, decision, rollout_facts

HOUR = timedelta(hours=1)


def test_a_rollback_is_told_once_and_wakes_nobody() -> None:
    made = decision("roll_back", 4, to_state="rolled_back", reasons=("harm: quality is worse",))
    found = facts(
        rollouts=[rollout_facts("rolled_back", decision("start"), made, diff=("-old", "+new"), author="ann")]
    )
    told = one(RolloutDecided()(found))
    assert (told.severity, told.notice, told.condition) == ("info", f"{ID}#4", True)
    assert told.cause.id == ID
    story = told.story
    assert story.title == "Rolled back · refund 1.1.0 → 1.0.0 · prod"
    assert story.summary == (
        f"Rolled back: refund 1.1.0 (prod), back to 1.0.0 at {moment(NOW)}: harm: quality is worse. "
        "212 of 4,192 users met it (5.1 %), 431 answers. Nobody has to do anything now."
    )
    assert story.table is not None
    assert story.table.rows[0] == ("quality", "0.822", "0.756", "-8.0 % (-12 % to -4.1 %)", "worse")
    assert (story.diff, story.diff_title) == ("-old\n+new", "What changes in 1.1.0 (ann)")
    assert story.done is not None
    assert "21 min after it began" in story.done


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("start", "info"),
        ("advance", "info"),
        ("complete", "info"),
        ("expire", "warning"),
        ("advise", "warning"),
    ],
)
def test_what_else_is_decided_is_told_by_its_urgency(kind: Kind, severity: str) -> None:
    told = one(RolloutDecided()(facts(rollouts=[rollout_facts("running", decision(kind))])))
    assert told.severity == severity


def test_that_everybody_has_followed_belongs_to_the_rollback() -> None:
    back = decision("roll_back", 4, to_state="rolled_back", reasons=("harm: quality is worse",))
    behind = decision("notice", 5, reasons=("rollback_incomplete: still served by billing",))
    effective = decision(
        "notice", 6, reasons=("effective: nobody was served it after 2026-03-10 15:20:02 UTC",)
    )
    first = one(RolloutDecided()(facts(rollouts=[rollout_facts("rolled_back", back, behind)])))
    assert (first.notice, first.severity) == (f"{ID}#4", "info")  # who is behind has a rule of its own
    then = one(RolloutDecided()(facts(rollouts=[rollout_facts("rolled_back", back, behind, effective)])))
    assert (then.notice, then.severity, then.story.title) == (f"{ID}#6", "info", first.story.title)
    assert then.story.done is not None
    assert then.story.done.endswith("effective: nobody was served it after 2026-03-10 15:20:02 UTC")
    late = decision("notice", 7, reasons=("late_harm: quality is worse",))
    told = one(RolloutDecided()(facts(rollouts=[rollout_facts("completed", decision("complete"), late)])))
    assert (told.severity, told.story.icon) == ("warning", "⚠️")


@pytest.mark.parametrize("kind", ["hold", "release", "wait", "restart_clock", "refuse", "create"])
def test_what_only_concerns_the_rollout_itself_is_not_told(kind: Kind) -> None:
    assert findings(RolloutDecided()(facts(rollouts=[rollout_facts("running", decision(kind))]))) == []


def test_an_old_decision_is_history() -> None:
    found = facts(rollouts=[rollout_facts("running", decision("start"))])
    assert findings(RolloutDecided()(later(found, 2 * HOUR))) != []
    assert findings(RolloutDecided()(later(found, 2 * HOUR + timedelta(seconds=1)))) == []


def test_alerts_about_its_version_are_held_back_until_a_quarter_of_an_hour_after() -> None:
    by = {"environment": "prod", "prompt": "refund", "version": "1.1.0"}
    out = facts(rollouts=[rollout_facts("running")])
    assert [(each.by, each.labels) for each in held_back(RolloutDecided()(out))] == [(ID, by)]
    ended = facts(rollouts=[rollout_facts("rolled_back")])
    quarter = timedelta(minutes=15)
    assert len(held_back(RolloutDecided()(later(ended, quarter - timedelta(seconds=1))))) == 1
    assert held_back(RolloutDecided()(later(ended, quarter))) == []
    assert held_back(RolloutDecided()(facts(rollouts=[rollout_facts("pending")]))) == []


@pytest.mark.parametrize(("age", "condition"), [(timedelta(minutes=59), False), (HOUR, True)])
def test_a_hold_is_told_when_it_has_lasted_an_hour(age: timedelta, condition: bool) -> None:
    hold = RolloutHold("ingest_stale", "no event for 70 min", NOW - age)
    told = one(RolloutHeld()(facts(rollouts=[rollout_facts("running", holds=(hold,))])))
    assert (told.condition, told.severity, told.ended) == (condition, "warning", False)


@pytest.mark.parametrize("name", ["harm", "segment:language=de"])
def test_harm_that_only_holds_is_told_at_once(name: str) -> None:
    hold = RolloutHold(name, "quality is worse", NOW)
    told = one(RolloutHeld()(facts(rollouts=[rollout_facts("baking", holds=(hold,))])))
    assert (told.condition, told.since) == (True, NOW)
    to_come = rollout_facts("baking", holds=(replace(hold, since=NOW + HOUR),))
    assert one(RolloutHeld()(facts(rollouts=[to_come]))).condition is False  # in a replay


def test_a_rollout_that_waits_for_approval_is_told_at_once_and_an_ended_one_is_over() -> None:
    wanted = "approval: somebody has to approve the start"
    waiting = rollout_facts("pending", reasons=(wanted,), waits_for=wanted)
    told = one(RolloutHeld()(facts(rollouts=[waiting])))
    assert told.condition is True
    assert f"coalmine rollout approve {ID}" in told.story.could[1]
    queued = rollout_facts("pending", reasons=("queue: ro-2 holds the place",))
    assert one(RolloutHeld()(facts(rollouts=[queued]))).condition is False
    assert one(RolloutHeld()(facts(rollouts=[rollout_facts("completed")]))).ended is True


@pytest.mark.parametrize(
    ("state", "waits_for", "could"),
    [
        ("running", "a person has to approve 25%", "approve"),
        ("paused", "manual_weights: dana gave it 30%", "abort"),
    ],
)
def test_a_rollout_that_waits_for_a_person_in_its_midst_is_told_at_once(
    state: State, waits_for: str, could: str
) -> None:
    told = one(RolloutHeld()(facts(rollouts=[rollout_facts(state, waits_for=waits_for)])))
    assert told.condition is True
    assert waits_for in told.story.summary
    assert f"coalmine rollout {could} {ID}" in told.story.could[1]


@pytest.mark.parametrize(("age", "condition"), [(timedelta(hours=23), False), (timedelta(days=1), True)])
def test_a_pause_that_somebody_forgot_is_told_after_a_day(age: timedelta, condition: bool) -> None:
    paused = replace(rollout_facts("paused", reasons=("dana: the demo",)), paused_at=NOW - age)
    told = one(RolloutHeld()(facts(rollouts=[paused])))
    assert told.condition is condition
    if condition:
        assert "has not gone on for 24 h: paused: dana: the demo." in told.story.summary
        assert told.story.could[-1] == f"go on: `coalmine rollout resume {ID}`"
    resumed = replace(rollout_facts("running"), paused_at=NOW - age)
    assert one(RolloutHeld()(facts(rollouts=[resumed]))).condition is False


def test_who_still_serves_what_was_taken_back_wakes_somebody() -> None:
    behind = AppBehind("billing", "0.4.1", "disk", 1, NOW)
    told = one(RollbackIncomplete()(facts(rollouts=[taken_back(behind)])))
    assert (told.condition, told.severity, told.value) == (True, "page", 1.0)
    assert "billing still serves it" in told.story.summary
    assert one(RollbackIncomplete()(facts(rollouts=[taken_back()]))).condition is False


def test_nobody_is_accused_before_anybody_has_looked() -> None:
    state: State = "rolled_back"
    assert findings(RollbackIncomplete()(facts(rollouts=[rollout_facts(state)]))) == []


def taken_back(*behind: AppBehind):  # type: ignore[no-untyped-def]
    return rollout_facts("rolled_back", behind=behind, asked_behind=True)
