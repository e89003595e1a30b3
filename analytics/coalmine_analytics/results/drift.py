"""Drift of a version that did not change."""

from datetime import datetime
from typing import Literal

from coalmine_analytics.results.verdicts import Direction, DriftState, Role
from coalmine_consumers.results import DayIgnored
from coalmine_schemas.results import result

Matching = Literal["hour of week", "hour of day", "none"]
"""A bucket is compared with buckets of the reference in the same place of this cycle."""


@result
class ModelChange:
    """A model that began to answer after the reference, for one that was asked for all along."""

    request_model: str
    response_model: str
    first_seen: datetime
    """Time of its first answer."""
    requests: int
    """Requests it has answered since."""
    share_lately: float
    """Share of the answers to that request model in the last 24 hours that had any, 0 to 1."""
    before: tuple[str, ...]
    """Models that answered in the reference."""


@result
class MetricDrift:
    """One metric of an unchanged version."""

    metric: str
    unit: str
    direction: Direction
    """Which way is better."""
    role: Role
    """What depends on it in an experiment."""
    state: DriftState
    words: str
    """The state as a sentence."""
    better: bool | None
    """True if a drift is for the better; null without a drift, or if no direction is declared."""
    detected_at: datetime | None
    """When the evidence passed the threshold: the end of that bucket."""
    since: datetime | None
    """When the drift most likely began."""
    since_earliest: datetime | None
    """It may have begun as early as this, and as late as `since_latest`."""
    since_latest: datetime | None
    before: float | None
    """What the reference gives in the hours of `after`."""
    after: float | None
    """Since the change; without one, in the last seven days."""
    shift: float | None
    """After minus before, metric's unit."""
    lower: float | None
    """Lower end of the shift's 95 % confidence sequence, with the reference's own uncertainty."""
    upper: float | None
    """Upper end of the shift's 95 % confidence sequence."""
    relative_shift: float | None
    """Shift divided by the value before."""
    log_evidence: float | None
    """Natural logarithm of the evidence now."""
    log_threshold: float | None
    """Evidence from here on is reported as drift; it sets the average run length to a false alarm."""
    tolerance: float | None
    """A shift up to this size is not drift, metric's unit."""
    reference_value: float | None
    reference_since: datetime | None
    """As the version's, or later where values of this metric began to come later."""
    reference_until: datetime | None
    matched_by: Matching | None
    """A bucket is compared with buckets of the reference at the same hour of this."""
    bucket_hours: int | None
    """Hours judged together: more than one where one would hold too little."""
    likely_causes: tuple[ModelChange, ...]
    """Changes of the response model at about that time."""
    lately_lower: float | None = None
    """Of a drift: lower end of the shift over the last three days, likewise."""
    lately_upper: float | None = None
    """Upper end of the shift over the last three days."""


@result
class VersionDrift:
    """An unchanged version in an environment."""

    prompt: str
    version: str
    environment: str
    state: DriftState
    """`drifted` if any metric has."""
    words: str
    """The state as a sentence."""
    warnings: tuple[str, ...]
    taken_at: datetime
    reference_since: datetime | None
    """First hour of the frozen reference."""
    reference_until: datetime | None
    """End of the reference; null while it is not complete."""
    speaks_from: datetime | None
    """When it will be complete if requests go on as so far; null once it is, or if that is not in sight."""
    reference_requests: int
    watched_until: datetime | None
    """Hours before this are complete, and count."""
    false_alarm_every_days: float
    """Average run length to a false alarm, over all metrics together."""
    metrics: tuple[MetricDrift, ...]
    model_changes: tuple[ModelChange, ...]
    """All of them, oldest first, whether or not a metric drifted."""
    ignored_days: tuple[DayIgnored, ...]
    """Days so far that somebody or the settings named: ignored ones, and those that count again."""


@result
class Drift:
    """Versions of a prompt: the one asked for, or in each environment the one that serves most now."""

    prompt: str
    items: tuple[VersionDrift, ...]
