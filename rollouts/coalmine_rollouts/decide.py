"""What a rollout does next: a pure function of what is stored and what was read. No clock, no I/O, no luck.

One decision per tick, the first of: superseded, limit broken, harm shown, a person's command, time or units
used up, hold or release, complete or advance. So nothing stands before harm, and no wish before it either.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coalmine_rollouts.decide_commands import command
from coalmine_rollouts.decide_pending import decide_pending
from coalmine_rollouts.decision import Act, Decision, ended, is_alone, stays, to_everybody
from coalmine_rollouts.displaced import displaced
from coalmine_rollouts.gates import gate_of, is_suspected_for_long, missing, not_now
from coalmine_rollouts.harm import broken_limits, extra_cost_usd, shown_harm
from coalmine_rollouts.holds import (
    CLOCK_GOES_ON,
    behind_words,
    blind_since,
    held_for,
    is_observed,
    tracked,
)
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_rollouts.records import SERVING
from coalmine_rollouts.stage_clock import bucket_s, ticked
from coalmine_rollouts.traffic import QUIET
from coalmine_schemas.prompts import percent
from coalmine_schemas.quantities import in_words, seconds

TAKEN_BACK: Final = frozenset(("rolled_back", "aborted", "expired"))
"""Ends after which the treatment should not be seen any more."""

LATE_HARM: Final = "late_harm"
"""Notice of harm that was shown only after a rollout had completed."""

_INCOMPLETE: Final = "rollback_incomplete"


def watched(row: Row, inputs: Inputs) -> Row:
    """Returns the row with its clock and holds as of now; what `decide` then decides from."""
    rollout = row.rollout
    if rollout.state not in SERVING:
        return row
    clock = ticked(
        row.clock,
        now=inputs.now,
        observed=is_alone(row) or is_observed(inputs),
        buckets=inputs.traffic.buckets,
        length_s=bucket_s(rollout.plan.min_time_s(rollout.stage)),
        stopped=rollout.state == "paused" or bool(row.held.keys() - CLOCK_GOES_ON),
        longest_gap_s=inputs.longest_gap_s,
    )
    row = replace(row, clock=clock)
    if rollout.state == "paused":
        return row
    found = held_for(row, inputs)
    if (used_up := _used_up(row, inputs)) is not None:
        found["inconclusive"] = f"{used_up}: promote it, abort it, or let it go on"
    return replace(row, held=tracked(row.held, found, inputs.now))


def decide(row: Row, inputs: Inputs) -> Decision | None:
    """Returns the next decision, or None if everything stays as it is.

    Args:
        row: The rollout, as `watched` returned it.
        inputs: What was read; everything that a decision may depend on.
    """
    if row.rollout.state == "pending":
        return decide_pending(row, inputs)
    if row.rollout.is_terminal:
        return _after_the_end(row, inputs)
    advised = False
    for step in _STEPS:
        if advised and step is _forward:
            return None  # what was advised stands against it
        if (decision := step(row, inputs)) is None:
            continue
        if (said := _as_advice(row, decision)) is not None:
            return said
        advised = True  # and that is all: what people ask for, and holds, go on
    return None


def _as_advice(row: Row, decision: Decision) -> Decision | None:
    """Where a rollout only advises, what the controller would do is said, once."""
    if row.rollout.mode == "act" or decision.command is not None or decision.act == "nothing":
        return decision
    said = f"{decision.kind} {decision.to_stage}"
    if said in row.told:
        return None
    share = "" if decision.weight is None else f" with {percent(decision.weight)}"
    what = f"would {decision.kind.replace('_', ' ')}{share}"
    return replace(stays(row, "advise", what, *decision.reasons), told=said)


def _limit(row: Row, inputs: Inputs) -> Decision | None:
    return _rolled_back(row, broken_limits(row, inputs))


def _harm(row: Row, inputs: Inputs) -> Decision | None:
    return _rolled_back(row, shown_harm(row, inputs))


def _rolled_back(row: Row, reasons: tuple[str, ...]) -> Decision | None:
    return ended(row, "roll_back", "rolled_back", *reasons) if reasons else None


def _expired(row: Row, inputs: Inputs) -> Decision | None:
    plan, blind = row.rollout.plan, blind_since(row)
    if blind is not None and plan.when_blind.after is not None and plan.when_blind.do == "stop":
        blind_s = (inputs.now - blind).total_seconds()
        if blind_s >= seconds(plan.when_blind.after):
            return ended(row, "expire", "expired", f"blind: nothing was measured for {in_words(blind_s)}")
    if inputs.readout is not None and inputs.readout.srm.mismatch and plan.on_srm == "stop":
        return ended(row, "expire", "expired", f"srm: {inputs.readout.srm.words}")
    used_up = _used_up(row, inputs)
    if used_up is None or plan.when_inconclusive == "hold":
        return None
    if plan.when_inconclusive == "stop":
        return ended(row, "expire", "expired", used_up)
    if _stands_against(row, inputs):
        return None
    return to_everybody(row, f"without proof: {used_up}")


def _stands_against(row: Row, inputs: Inputs) -> bool:
    """True if more people must not get it now: that needs no proof then, but data, and no ban."""
    rollout = row.rollout
    unseen = row.clock.observed_at is None or inputs.arm is None
    closed = any(not_now(row, inputs, rollout.plan.last + 1))
    return rollout.state == "paused" or bool(row.held.keys() - {"inconclusive"}) or unseen or closed


def _used_up(row: Row, inputs: Inputs) -> str | None:
    """What is used up without an answer; None if nothing is."""
    rollout, plan, arm = row.rollout, row.rollout.plan, inputs.arm
    if rollout.stage > plan.last:
        return None
    found = None
    running_s = (inputs.now - (rollout.started_at or inputs.now)).total_seconds()
    if running_s >= plan.max_duration_s:
        found = f"no answer within {in_words(plan.max_duration_s)}"
    elif arm is None:
        return None
    elif plan.max_exposed_units is not None and arm.units >= plan.max_exposed_units:
        found = f"no answer with {arm.units:,} units exposed, of {plan.max_exposed_units:,} allowed"
    elif plan.max_extra_cost_usd is not None and extra_cost_usd(arm) >= plan.max_extra_cost_usd:
        found = f"no answer with {extra_cost_usd(arm):,.2f} USD of extra cost"
    elif is_suspected_for_long(row, inputs):
        found = "neither harm nor its absence shown, and the data keep suggesting it"
    return found


def _held(row: Row, _inputs: Inputs) -> Decision | None:
    """A hold comes or goes: one message for each change of the set."""
    if row.rollout.state == "paused":
        return None
    stood = {each.name for each in row.rollout.holds}
    if fresh := sorted(row.held.keys() - stood):
        texts = tuple(f"{name}: {row.held[name].text}" for name in fresh)
        restart = bool(CLOCK_GOES_ON.intersection(fresh))
        return replace(stays(row, "hold", *texts), held=row.held, restart_clock=restart)
    if gone := sorted(stood - row.held.keys()):
        return replace(stays(row, "release", *(f"{name} is over" for name in gone)), held=row.held)
    return None


def _forward(row: Row, inputs: Inputs) -> Decision | None:
    """Complete or advance: positive proof of data, and nothing that stands against it."""
    rollout = row.rollout
    if rollout.state == "paused" or row.held or missing(row, inputs):
        return None
    if rollout.state == "baking":
        return _baked(row)
    if rollout.stage < rollout.plan.last:
        stage = rollout.stage + 1
        return Decision(
            kind="advance",
            to_state="running",
            to_stage=stage,
            reasons=(_passed(row, inputs),),
            act="set_weight",
            weight=rollout.plan.weight(stage),
            restart_clock=True,
        )
    proof = gate_of(row) == "not_worse"
    return to_everybody(row, _passed(row, inputs) if proof else f"without proof: {_passed(row, inputs)}")


def _baked(row: Row) -> Decision:
    bake = row.rollout.plan.bake
    act: Act = "nothing" if is_alone(row) else "keep"
    return Decision(
        kind="complete",
        to_state="completed",
        to_stage=row.rollout.stage,
        reasons=(f"no harm was shown in {bake.time} of watching it",),
        act=act,
        weight=1.0 if act == "keep" else None,
        held={},
    )


def _passed(row: Row, inputs: Inputs) -> str:
    arm = inputs.arm
    units, words = (0, "") if arm is None else (arm.units, f"; {arm.words}")
    return f"{in_words(row.clock.seen_s)} seen, {units:,} units{words}"


def is_watched_still(row: Row) -> bool:
    """Returns True if something may be left to say of a rollout that has ended."""
    if row.rollout.state == "completed":
        return LATE_HARM not in row.told
    return row.rollout.state in TAKEN_BACK and row.effective_at is None


def _after_the_end(row: Row, inputs: Inputs) -> Decision | None:
    """Nothing changes any more: what is left to say is who has followed, and harm that late data show."""
    rollout, seen = row.rollout, inputs.traffic
    if rollout.ended_at is None or not is_watched_still(row):
        return None
    if rollout.state == "completed":
        if inputs.arm is None or inputs.arm.decision != "rollback":
            return None
        said = f"{LATE_HARM}: {inputs.arm.words}; nothing was changed: `coalmine rollback` goes back"
        return replace(stays(row, "notice", said), told=LATE_HARM)
    last = max(seen.treated_at or rollout.ended_at, rollout.ended_at)
    if inputs.now - last >= QUIET and seen.watermark is not None and seen.watermark >= last:
        said = f"effective: nobody was served it after {last:%Y-%m-%d %H:%M:%S} UTC"
        return replace(stays(row, "notice", said), effective_at=last)
    if inputs.now - rollout.ended_at >= QUIET and seen.behind and _INCOMPLETE not in row.told:
        names = ", ".join(behind_words(each) for each in seen.behind)
        return replace(stays(row, "notice", f"{_INCOMPLETE}: still served by {names}"), told=_INCOMPLETE)
    return None


_STEPS: Final[tuple[Callable[[Row, Inputs], Decision | None], ...]] = (
    displaced,
    _limit,
    _harm,
    command,
    _expired,
    _held,
    _forward,
)
