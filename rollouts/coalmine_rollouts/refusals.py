"""Why the registry refused to start a rollout, as what it waits for."""

from coalmine_registry.errors import EvidenceMissing, Forbidden, Frozen, Refused


def waiting_for(error: Refused) -> str:
    """Returns what a rollout waits for, as `code: text`."""
    match error:
        case Forbidden():
            code = "approval"
        case EvidenceMissing():
            code = "evidence"
        case Frozen():
            code = "frozen"
        case _:
            code = "refused"
    return f"{code}: {error}"
