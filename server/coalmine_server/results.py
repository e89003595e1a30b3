"""Results that the server makes of those of its parts, served by the API as they are."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

TimelineKind = Literal[
    "version", "deployment", "rollout", "freeze", "model_change", "ingest_gap", "feedback_peak"
]


@result
class TimelineItem:
    """One thing that happened."""

    at: datetime
    kind: TimelineKind
    environment: str | None
    """Null where it is not about one."""
    version: str | None
    """Version that it is about, if it is about one."""
    text: str
    """What happened, as a sentence."""
    actor: str | None
    """Who did it: a person, or `rollout:<id>`; null where nobody did."""
    reason: str | None
    rollout: str | None
    """Rollout that decided it, if one did."""
    revision: int | None
    """Revision of the deployment that it made, if it made one."""
