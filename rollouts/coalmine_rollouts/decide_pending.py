"""What a rollout does that has shown nothing to anybody yet."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from coalmine_registry.roles import is_same_person
from coalmine_rollouts.decide_commands import next_command, refusal, refused
from coalmine_rollouts.decision import Decision, stays
from coalmine_rollouts.gates import closed
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_rollouts.records import Command
from coalmine_schemas.prompts import percent

START: Final = "start"
"""What is approved so that it may start."""


def decide_pending(row: Row, inputs: Inputs) -> Decision | None:
    """Returns the next decision: cancel, carry out a command, start, or wait for something else."""
    if inputs.treatment_gone is not None:
        return _cancelled(row, inputs.treatment_gone)
    given = next_command(row, inputs)
    if given is not None:
        return _command(row, inputs, given)
    waits = waits_for(row, inputs)
    if not waits:
        plan = row.rollout.plan
        return Decision(
            kind="start",
            to_state="running",
            to_stage=0,
            reasons=("nothing is missing to begin",),
            act="start",
            weight=plan.weight(0),
            restart_clock=True,
        )
    if {_told(each) for each in waits} != {_told(each) for each in row.rollout.reasons}:
        return stays(row, "wait", *waits)
    return None


def waits_for(row: Row, inputs: Inputs) -> tuple[str, ...]:
    """Returns what it waits for, each as `code: text`."""
    return tuple(_waits_for(row, inputs))


def _waits_for(row: Row, inputs: Inputs) -> Iterator[str]:
    rollout, place = row.rollout, inputs.place
    if row.start_at is not None and inputs.now < row.start_at:
        yield f"scheduled: begins at {row.start_at:%Y-%m-%d %H:%M} UTC"
    if inputs.queued_behind is not None:
        yield f"queued: behind {inputs.queued_behind}, which holds the place"
    elif place is None or place.version != rollout.control:
        serves = "nothing" if place is None else place.version or f"experiment {place.experiment}"
        yield (
            f"base_changed: the place serves {serves}, and the plan compares with {rollout.control}; rebase "
            "it, which needs approval again, or cancel it"
        )
    others = [each for each in rollout.approvals if not is_same_person(each.by, rollout.started_by)]
    if rollout.plan.needs_approval(0) and START not in [each.what for each in others]:
        share = percent(rollout.plan.weight(0))
        yield f"approval: another person than {rollout.started_by} has to approve {share}"
    for name in inputs.unfinished:
        yield f"after: {name} is not completed"
    for each in closed(rollout.plan, inputs.frozen, inputs.now):
        yield f"{each.code}: {each.text}"
    yield from inputs.refusals


def _command(row: Row, inputs: Inputs, given: Command) -> Decision:
    if (why := refusal(given.kind, row.rollout, given.seen_row_version)) is not None:
        return refused(row, given, why)
    by = given.actor.subject
    match given.kind:
        case "approve" | "evidence":
            return _approved(row, given) if given.kind == "approve" else _attached(row, given)
        case "rebase":
            place = inputs.place
            if place is None or place.version is None:
                return refused(
                    row, given, "the place serves no single version to compare with: wait, or cancel"
                )
            if place.version == row.rollout.treatment:
                return refused(row, given, f"{place.version} is served there already: cancel it")
            decision = stays(
                row, "rebase", f"{by} compares with {place.version} instead of {row.rollout.control}"
            )
            return replace(decision, command=given, answer="done", rebase_to=place.version)
        case _:
            reason = f"{by}: {given.reason}" if given.reason else f"asked for by {by}"
            return replace(_cancelled(row, reason), command=given, answer="done")


def _approved(row: Row, given: Command) -> Decision:
    by, starter = given.actor.subject, row.rollout.started_by
    if row.rollout.plan.needs_approval(0) and is_same_person(by, starter):
        return refused(row, given, f"{starter} started it: another person has to approve that")
    decision = stays(row, "approve", f"{by} approves the start")
    return replace(decision, command=given, answer="done", approved=START)


def _attached(row: Row, given: Command) -> Decision:
    named = ", ".join(f"{each['kind']}={each['reference']}" for each in given.arguments["evidence"])
    decision = stays(row, "evidence", f"{given.actor.subject} gives {named}")
    return replace(decision, command=given, answer="done")


def _cancelled(row: Row, reason: str) -> Decision:
    return Decision(
        kind="cancel", to_state="cancelled", to_stage=row.rollout.stage, reasons=(reason,), held={}
    )


def _told(reason: str) -> str:
    """What has to change for it to be told again: of most, more than when it ends."""
    code = reason.partition(":")[0]
    return reason if code in ("evidence", "approval", "after") else code
