"""What is said of drift: whether a version that nobody changed is still what it was.

Null means not known, which is never the same as 0: too little data is a state of its own.
"""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer
from coalmine_server.services.models.readout import Direction

DriftState = Literal["not enough data", "steady", "drifted", "returned"]
"""`returned`: it drifted, and the last days are as the reference was."""


class ModelChange(Answer):
    """A model that began to answer after the reference, for one that was asked for all along."""

    request_model: str
    response_model: str
    first_seen: datetime
    requests: int
    """It answered since."""
    share_lately: float
    """Of the answers to that request model in the last 24 hours that had any, 0 to 1."""
    before: list[str]
    """Models that answered in the reference."""


class MetricDrift(Answer):
    """One metric of an unchanged version."""

    metric: str
    unit: str
    direction: Direction
    guardrail: bool
    state: DriftState
    words: str
    """The state as a sentence."""
    better: bool | None
    """Whether a drift is for the better; None where there is none or nobody said which way is better."""
    detected_at: datetime | None
    """When the evidence passed the threshold."""
    since: datetime | None
    """When it most likely began."""
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
    """Lower end of the shift's 95 % confidence sequence."""
    upper: float | None
    relative_shift: float | None
    """Shift over before."""
    log_evidence: float | None
    """Natural logarithm of the evidence now."""
    log_threshold: float | None
    """Drift is told of from here on; it sets the average run length to a false alarm."""
    tolerance: float | None
    """A shift so small is no drift, metric's unit."""
    reference_value: float | None
    reference_since: datetime | None
    """As the version's, or later where values of this metric began to come later."""
    reference_until: datetime | None
    matched_by: Literal["hour of week", "hour of day", "none"] | None
    """A bucket is compared with buckets of the reference at the same hour of this."""
    bucket_hours: int | None
    """Hours judged together: more than one where one would hold too little."""
    likely_causes: list[ModelChange]
    """Changes of the response model at about that time."""


class VersionDrift(Answer):
    """An unchanged version in an environment."""

    prompt: str
    version: str
    environment: str
    state: DriftState
    """`drifted` if any metric has."""
    words: str
    warnings: list[str]
    taken_at: datetime
    reference_since: datetime | None
    """First hour of the frozen reference."""
    reference_until: datetime | None
    """Its end; None while it is not complete."""
    reference_requests: int
    watched_until: datetime | None
    """Hours before this are complete, and count."""
    false_alarm_every_days: float
    """Average run length to a false alarm, over all metrics together."""
    metrics: list[MetricDrift]
    model_changes: list[ModelChange]
    """All of them, oldest first, whether or not a metric drifted."""


class Drift(Answer):
    """Versions of a prompt: the one asked for, or of each environment the one that serves most now."""

    prompt: str
    items: list[VersionDrift]
