"""One sentence that says where a rollout stands, and what is missing to go on."""

from collections.abc import Sequence

from coalmine_rollouts.decision import is_alone
from coalmine_rollouts.gates import missing
from coalmine_rollouts.holds import behind_words
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_rollouts.records import Rollout
from coalmine_schemas.prompts import percent


def sentence(row: Row, inputs: Inputs) -> str:
    """Returns the sentence."""
    rollout = row.rollout
    if rollout.is_terminal:
        return _of_the_end(row, inputs)
    match rollout.state:
        case "pending":
            return "waits: " + "; ".join(_text(each) for each in rollout.reasons or ("the next tick",))
        case "paused":
            why = "; ".join(_text(each) for each in rollout.reasons)
            return f"paused at {_share_now(row, inputs)}: {why}; resume, or abort"
        case _:
            return _of_progress(row, inputs)


def _of_progress(row: Row, inputs: Inputs) -> str:
    rollout = row.rollout
    if row.held:
        return "holding: " + "; ".join(held.text for held in row.held.values())
    waits = missing(row, inputs)
    closed = [each for each in waits if each.code in ("window", "frozen", "approval")]
    if waits and len(closed) == len(waits):
        return f"{_share(row)}, {' and '.join(each.text for each in closed)}; then {_next(rollout)}"
    progress = ", ".join(each.text for each in waits) or "nothing is missing"
    return f"{_share(row)}, {progress}; then {_next(rollout)}"


def _share(row: Row) -> str:
    if is_alone(row):
        return "everybody (observational: no control any more)"
    return percent(row.rollout.plan.weight(row.rollout.stage))


def _share_now(row: Row, inputs: Inputs) -> str:
    """What it has, if somebody has given it another share in the pause."""
    weight = None if inputs.place is None else inputs.place.weight
    return _share(row) if weight is None or is_alone(row) else percent(weight)


def _next(rollout: Rollout) -> str:
    plan, stage = rollout.plan, rollout.stage
    if stage > plan.last:
        return "it is completed"
    weight = plan.weight(stage + 1)
    return percent(weight) if weight < 1.0 else "everybody"


def _of_the_end(row: Row, inputs: Inputs) -> str:
    rollout = row.rollout
    at = "" if rollout.ended_at is None else f" at {rollout.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    words = f"{rollout.state.replace('_', ' ')}{at}"
    if rollout.state in ("rolled_back", "aborted", "expired"):
        words += f", {_effective(row, inputs)}"
    return f"{words}: {_joined(rollout.reasons)}" if rollout.reasons else words


def _effective(row: Row, inputs: Inputs) -> str:
    if row.effective_at is not None:
        return f"effective at {row.effective_at:%Y-%m-%d %H:%M:%S} UTC"
    behind = ", ".join(behind_words(each) for each in inputs.traffic.behind)
    return f"not yet effective at {behind}" if behind else "not yet known to be effective everywhere"


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(reasons)


def _text(reason: str) -> str:
    return reason.partition(": ")[2] or reason
