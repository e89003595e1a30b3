"""What is missing for a rollout to go on: time, units, no harm or its proof, a window, approval."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from coalmine_rollouts.decision import is_alone
from coalmine_rollouts.harm import harmed_metrics, least_units, suspected
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_rollouts.plan import COMPLETE, Gate, RolloutPlan
from coalmine_rollouts.records import Rollout
from coalmine_rollouts.windows import window
from coalmine_schemas.prompts import percent
from coalmine_schemas.quantities import in_words

PATIENCE: Final = 3
"""Times the least time of a stage that a suspicion may last; then it is inconclusive."""


class Missing(NamedTuple):
    """One thing that is missing."""

    code: str
    text: str


def missing(row: Row, inputs: Inputs) -> tuple[Missing, ...]:
    """Returns what is missing to leave the stage of a rollout that runs or bakes; holds are not among it."""
    return (*_of_stage(row, inputs), *not_now(row, inputs, row.rollout.stage + 1))


def is_suspected_for_long(row: Row, inputs: Inputs) -> bool:
    """Returns True if a suspicion has kept the stage for longer than patience lasts."""
    clock, plan, stage = row.clock, row.rollout.plan, row.rollout.stage
    if row.rollout.state != "running" or inputs.arm is None or clock.observed_at is None:
        return False
    enough = timedelta(seconds=PATIENCE * plan.min_time_s(stage))
    return inputs.now - clock.observed_at > enough and bool(suspected(inputs.arm))


def closed(plan: RolloutPlan, frozen: str | None, now: datetime) -> Iterator[Missing]:
    """The freezes and the window that keep it from starting, going on or completing now."""
    if frozen is not None:
        yield Missing("frozen", f"frozen: {frozen}")
    for freeze in plan.freezes:
        if datetime.fromisoformat(freeze.begin) <= now < datetime.fromisoformat(freeze.end):
            yield Missing("frozen", f"frozen until {freeze.end}: {freeze.reason}")
    if plan.window is not None and not window(plan.window).is_open(now):
        yield Missing("window", f"waits for the window {window(plan.window).next_words(now)}")


def _of_stage(row: Row, inputs: Inputs) -> Iterator[Missing]:
    plan, stage = row.rollout.plan, row.rollout.stage
    yield from _time(row, inputs)
    arm, readout = inputs.arm, inputs.readout
    if stage > plan.last:
        if readout is None and not is_alone(row):
            yield Missing("readout", "no readout")
        return  # nothing was shown, or it would be rolled back
    least = plan.stages[stage].min_units
    if arm is None or readout is None:
        yield Missing("units", f"0 of {least} units")
        return
    name, units = min(least_units(arm, readout.control_units), key=lambda each: each[1])
    if units < least:
        with_values = "" if name == "units" else f" with {name}"
        yield Missing("units", f"{units:,} of {least:,} units{with_values}")
    gate = gate_of(row)
    if gate == "not_worse":
        if arm.decision != "promote":
            yield Missing("proof", arm.words.removeprefix("hold: "))
    elif harmed := harmed_metrics(arm) or suspected(arm):
        yield Missing("suspicion", f"{', '.join(harmed)} may be worse")


def gate_of(row: Row) -> Gate:
    """Returns the gate of the current stage."""
    gate = row.rollout.plan.stages[row.rollout.stage].gate
    if gate == "no_harm_if_known":
        return "no_harm" if row.known else "not_worse"
    return gate


def _time(row: Row, inputs: Inputs) -> Iterator[Missing]:
    clock, plan, stage = row.clock, row.rollout.plan, row.rollout.stage
    least_s = plan.min_time_s(stage)
    if clock.observed_at is None:
        yield Missing(
            "time", "applications have not followed yet" if inputs.traffic.assigned else "no traffic yet"
        )
    elif clock.left_s(least_s) > 0:
        seen_s = min(clock.seen_s, clock.watched_s)
        yield Missing("time", f"{in_words(seen_s)} of {in_words(least_s)} seen")
    elif stage <= plan.last and not clock.is_full(
        least_s, every_hour_of_day=plan.stages[stage].every_hour_of_day
    ):
        yield Missing("time", f"{clock.hours.bit_count()} of 24 hours of the day seen")


def not_now(row: Row, inputs: Inputs, to_stage: int) -> Iterator[Missing]:
    """What is closed now, and what a person has to approve on the way to a later stage."""
    yield from closed(row.rollout.plan, inputs.frozen, inputs.now)
    yield from _unapproved(row.rollout, to_stage)


def waits_for_person(row: Row) -> str | None:
    """Returns what a person has to do for a rollout to go on, as far as its row tells; None: nothing."""
    rollout, plan = row.rollout, row.rollout.plan
    if rollout.state == "running" and row.clock.is_full(plan.min_time_s(rollout.stage)):
        return next((each.text for each in _unapproved(rollout, rollout.stage + 1)), None)
    codes = {"pending": ("approval", "base_changed"), "paused": ("manual_weights", "rewound")}
    wanted = codes.get(rollout.state, ())
    return next((each for each in rollout.reasons if each.partition(":")[0] in wanted), None)


def _unapproved(rollout: Rollout, to_stage: int) -> Iterator[Missing]:
    plan = rollout.plan
    given = [approval.what for approval in rollout.approvals]
    for stage in range(rollout.stage + 1, min(to_stage, plan.last + 1) + 1):
        what = COMPLETE if stage > plan.last else percent(plan.weight(stage))
        if plan.needs_approval(stage) and what not in given:
            yield Missing("approval", f"a person has to approve {what}")
