"""What a rule would have told in the past."""

from collections.abc import Mapping
from datetime import datetime

from coalmine_alerts.results.alerts import Severity
from coalmine_schemas.results import result


@result
class ReplayedFiring:
    """One time that an alert would have fired, or a notice been told."""

    labels: Mapping[str, str]
    severity: Severity
    summary: str
    """As it would have been told first."""
    value: float | None
    fired_at: datetime
    resolved_at: datetime | None
    """Null: it would still fire, or it is a notice."""


@result
class Replay:
    """What one rule would have told with some settings."""

    rule: str
    settings: Mapping[str, str]
    """Thresholds that differ from those configured."""
    since: datetime
    until: datetime
    step_s: float
    """Seconds between two evaluations."""
    evaluations: int
    firings: tuple[ReplayedFiring, ...]
    """Oldest first; notices are among them."""
    messages: int
    """Messages in one channel, after grouping."""
    share_firing: float
    """Share of the time in which any alert of the rule would have fired, 0 to 1."""
    notes: tuple[str, ...]
    """What is not replayed."""
