"""Why the registry refused a step of a rollout, as what it waits for."""

from collections.abc import Sequence

from coalmine_registry.errors import (
    EvidenceMissing,
    EvidenceRefused,
    Forbidden,
    Frozen,
    Refused,
    SuiteMissing,
)
from coalmine_rollouts.holds import REFUSED
from coalmine_rollouts.inputs import Row


def waiting_for(error: Refused) -> str:
    """Returns what a rollout waits for, as `code: text`."""
    match error:
        case Forbidden():
            code = "approval"
        case EvidenceMissing() | EvidenceRefused() | SuiteMissing():
            code = "evidence"
        case Frozen():
            code = "frozen"
        case _:
            code = "refused"
    return f"{code}: {error}"


def refusals_of(row: Row) -> tuple[str, ...]:
    """Returns what was refused, of a rollout that holds for it."""
    held = row.held.get(REFUSED)
    return () if held is None else (f"{REFUSED}: {held.text.partition(': ')[2]}",)


def why(refusals: Sequence[str]) -> list[str]:
    """Returns the texts of refusals, which say the same whatever their code is."""
    return [each.partition(": ")[2] for each in refusals]
