"""What is said about drift, and nothing that would have to be recomputed to show it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coalmine_analytics.metrics import Direction

Matching = Literal["hour of week", "hour of day", "none"]
"""A bucket is compared with buckets of the reference in the same place of this cycle."""

DriftState = Literal["not enough data", "steady", "drifted", "returned"]
"""`returned`: it drifted, and the last days are as the reference was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """A model that began to answer after the reference, for one that was asked for all along."""

    request_model: str
    response_model: str
    first_seen: datetime
    requests: int
    share_lately: float
    """Of the answers to that request model in the last 24 hours that had any, 0 to 1."""
    before: tuple[str, ...]
    """Models that answered in the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDrift:
    """One metric of an unchanged version."""

    metric: str
    unit: str
    direction: Direction
    guardrail: bool
    state: DriftState
    words: str
    better: bool | None = None
    """Whether a drift is for the better; None where there is none or nobody said which way is better."""
    detected_at: datetime | None = None
    """End of the bucket in which the evidence passed the threshold."""
    since: datetime | None = None
    """When it most likely began."""
    since_earliest: datetime | None = None
    """It may have begun as early as this, and as late as `since_latest`."""
    since_latest: datetime | None = None
    before: float | None = None
    """What the reference gives in the hours of `after`."""
    after: float | None = None
    """Since the change; without one, in the last seven days."""
    shift: float | None = None
    """After minus before, metric's unit."""
    lower: float | None = None
    """95 % confidence sequence of the shift, with the reference's own uncertainty."""
    upper: float | None = None
    relative_shift: float | None = None
    log_evidence: float | None = None
    """Natural logarithm, now."""
    log_threshold: float | None = None
    """Drift is told of from here on."""
    tolerance: float | None = None
    """A shift so small is no drift, metric's unit."""
    reference_value: float | None = None
    reference_since: datetime | None = None
    reference_until: datetime | None = None
    matched_by: Matching | None = None
    bucket_hours: int | None = None
    likely_causes: tuple[ModelChange, ...] = ()
    """Changes of the response model at about that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDrift:
    """An unchanged version in an environment."""

    prompt: str
    version: str
    environment: str
    state: DriftState
    """`drifted` if any metric has."""
    words: str
    warnings: tuple[str, ...]
    taken_at: datetime
    reference_since: datetime | None
    reference_until: datetime | None
    """None while it is not complete."""
    reference_requests: int
    watched_until: datetime | None
    """Hours before this are complete, and count."""
    false_alarm_every_days: float
    """Average run length to a false alarm, over all metrics together."""
    metrics: tuple[MetricDrift, ...]
    model_changes: tuple[ModelChange, ...]
