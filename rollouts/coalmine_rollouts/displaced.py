"""What became of a place that somebody else has changed: nothing is undone, and nothing fought."""

from coalmine_rollouts.decide_commands import ALWAYS
from coalmine_rollouts.decision import Decision, ended, is_alone
from coalmine_rollouts.inputs import Inputs, Place, Row, is_by_hand
from coalmine_schemas.prompts import percent


def displaced(row: Row, inputs: Inputs) -> Decision | None:
    """Returns the end of a rollout whose place serves something else, or its pause where weights differ.

    A rollout that somebody wants to end is not paused first.
    """
    rollout, place = row.rollout, inputs.place
    if place is None:
        return ended(row, "supersede", "superseded", "nothing is served there any more")
    if rollout.revision is not None and place.revision < rollout.revision:
        text = f"the registry was set back to revision {place.revision}, before {rollout.revision}"
        return None if _is_to_stop(row, inputs) else _paused(row, f"rewound: {text}")
    if _serves(place, row):
        return None if _is_to_stop(row, inputs) else _weights(row, place)
    what = place.version or f"experiment {place.experiment}"
    return ended(
        row, "supersede", "superseded", f"{_by(place)} made it serve {what}; the rollout changed nothing"
    )


def _is_to_stop(row: Row, inputs: Inputs) -> bool:
    return row.rollout.state == "paused" or any(each.kind in ALWAYS for each in inputs.commands)


def _serves(place: Place, row: Row) -> bool:
    if is_alone(row):
        return place.experiment is None and place.version == row.rollout.treatment
    return place.experiment == row.rollout.id


def _weights(row: Row, place: Place) -> Decision | None:
    if place.weight is None or not is_by_hand(row, place):
        return None
    planned = row.rollout.plan.weight(row.rollout.stage)
    text = f"{_by(place)} gave the treatment {percent(place.weight)} instead of {percent(planned)}"
    return _paused(row, f"manual_weights: {text}; resume with the stage that this is")


def _paused(row: Row, reason: str) -> Decision:
    return Decision(kind="pause", to_state="paused", to_stage=row.rollout.stage, reasons=(reason,), held={})


def _by(place: Place) -> str:
    at = "" if place.changed_at is None else f" at {place.changed_at:%Y-%m-%d %H:%M} UTC"
    return f"{place.changed_by or 'somebody'}{at}"
