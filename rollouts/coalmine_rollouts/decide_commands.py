"""What a person asked for: carried out, or refused with what has changed since."""

from dataclasses import replace
from typing import Final

from coalmine_registry.roles import is_same_person
from coalmine_rollouts.decision import Decision, ended, stays, to_everybody
from coalmine_rollouts.inputs import Inputs, Row, is_by_hand
from coalmine_rollouts.plan import COMPLETE
from coalmine_rollouts.records import Command, CommandKind, Rollout, State
from coalmine_schemas.prompts import percent

ALWAYS: Final[tuple[CommandKind, ...]] = ("abort", "cancel")
"""Commands that no change in the meantime stands before."""

_ALLOWED: Final[dict[CommandKind, tuple[State, ...]]] = {
    "pause": ("running",),
    "resume": ("paused",),
    "approve": ("pending", "running"),
    "promote_force": ("running", "paused"),
    "abort": ("pending", "running", "paused", "baking"),
    "cancel": ("pending",),
    "rebase": ("pending",),
    "evidence": ("pending",),
}


def refusal(kind: CommandKind, rollout: Rollout, seen_row_version: int | None) -> str | None:
    """Returns why a command is not possible now; None if it is."""
    if rollout.is_terminal:
        return f"{rollout.id} is {rollout.state} already, and stays so"
    if rollout.state not in _ALLOWED[kind]:
        instead = ": abort it instead" if kind == "cancel" else ""
        return f"{rollout.id} is {rollout.state}, and {kind} needs {' or '.join(_ALLOWED[kind])}{instead}"
    if kind not in ALWAYS and seen_row_version not in (None, rollout.row_version):
        return (
            f"{rollout.id} has changed since you looked: it is {rollout.state} in stage {rollout.stage}, at "
            f"row version {rollout.row_version} and not {seen_row_version}; look again before you decide"
        )
    return None


def next_command(row: Row, inputs: Inputs) -> Command | None:
    """Returns the command that comes first: one that ends the rollout, else the oldest."""
    return min(inputs.commands, key=lambda each: (each.kind not in ALWAYS, each.id), default=None)


def refused(row: Row, command: Command, why: str) -> Decision:
    """Returns the refusal of a command, which changes nothing else."""
    return replace(stays(row, "refuse", f"{command.kind} refused: {why}"), command=command, answer=why)


def command(row: Row, inputs: Inputs) -> Decision | None:
    """Returns what a person's command does to a rollout that serves somebody."""
    given = next_command(row, inputs)
    if given is None:
        return None
    if (why := refusal(given.kind, row.rollout, given.seen_row_version)) is not None:
        return refused(row, given, why)
    match given.kind:
        case "pause":
            decision = _paused(row, given)
        case "resume":
            return _resumed(row, given, inputs)
        case "approve":
            return _approved(row, given)
        case "promote_force":
            if (why := _unapproved(row, given, row.rollout.plan.last + 1)) is not None:
                return refused(row, given, why)
            decision = to_everybody(row, f"without proof: {_reason(given)}")
        case _:
            decision = ended(row, "abort", "aborted", _reason(given))
    return replace(decision, command=given, answer="done")


def _reason(given: Command) -> str:
    return f"{given.actor.subject}: {given.reason}" if given.reason else f"asked for by {given.actor.subject}"


def _paused(row: Row, given: Command) -> Decision:
    stage = row.rollout.stage
    return Decision(kind="pause", to_state="paused", to_stage=stage, reasons=(_reason(given),), held={})


def _resumed(row: Row, given: Command, inputs: Inputs) -> Decision:
    """Goes on in its stage, or in the one that the person names; the clock restarts."""
    rollout, plan = row.rollout, row.rollout.plan
    named = given.arguments.get("stage")
    manual = any(reason.startswith("manual_weights") for reason in rollout.reasons)
    manual |= inputs.place is not None and is_by_hand(row, inputs.place)  # in a pause
    if named is None and manual:
        return refused(row, given, "weights were set by hand: say which stage this is, from 0")
    stage = rollout.stage if named is None else int(named)
    if not 0 <= stage <= max(plan.last, rollout.stage):
        return refused(row, given, f"there is no stage {stage}: give 0 to {plan.last}")
    if stage > max(rollout.stage, 0) and not manual:
        return refused(row, given, "resuming does not skip stages: use promote with a reason")
    if (why := _unapproved(row, given, stage)) is not None:
        return refused(row, given, why)
    return Decision(
        kind="resume",
        to_state="running" if stage <= plan.last else "baking",
        to_stage=stage,
        reasons=(_reason(given),),
        act="set_weight" if plan.weight(stage) < 1.0 else "nothing",
        weight=plan.weight(stage),
        restart_clock=True,
        held={},
        command=given,
        answer="done",
    )


def _unapproved(row: Row, given: Command, stage: int) -> str | None:
    """Returns why a person may not go to a stage at once: who started it approves no step of its plan."""
    rollout, plan = row.rollout, row.rollout.plan
    if not is_same_person(given.actor.subject, rollout.started_by):
        return None
    approved = [each.what for each in rollout.approvals]
    for each in range(rollout.stage + 1, stage + 1):
        what = COMPLETE if each > plan.last else percent(plan.weight(each))
        if plan.needs_approval(each) and what not in approved:
            return f"{rollout.started_by} started it: another person has to approve {what}"
    return None


def _approved(row: Row, given: Command) -> Decision:
    plan, stage = row.rollout.plan, row.rollout.stage
    if not plan.needs_approval(stage + 1):
        return refused(row, given, "nothing waits for an approval: the plan asks for none here")
    what = COMPLETE if stage == plan.last else percent(plan.weight(stage + 1))
    if is_same_person(given.actor.subject, row.rollout.started_by):
        return refused(
            row, given, f"{row.rollout.started_by} started it: another person has to approve {what}"
        )
    decision = stays(row, "approve", f"{given.actor.subject} approves {what}")
    return replace(decision, command=given, answer="done", approved=what)
