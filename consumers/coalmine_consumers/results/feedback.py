"""What people said of calls, and how usual a call was, and why its version was served."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

Opinion = Literal["negative", "positive", "any"]
PlaceMetric = Literal["latency_ms", "time_to_first_token_ms", "cost_nano_usd", "output_tokens"]


@result
class FeedbackRow:
    """Feedback on a call that is stored, with what the call was."""

    feedback_id: str
    """Id of the feedback."""
    event_time: datetime
    """When it was given, UTC."""
    negative: bool
    """True for a correction, and for a thumb down or a rating of 1 or less that its giver did not replace."""
    thumbs: str | None
    """`up` or `down`; null if it has no thumb."""
    rating: float | None
    """As the service gave it; null if it has none."""
    comment: str | None
    """What they said, for admins; null if they said nothing."""
    correction: str | None
    """For admins; empty where there was one whose text is not shown."""
    unit_id: str | None
    """Who gave it; for admins."""
    request_id: str
    """The call it is about."""
    requested_at: datetime
    """When the call began, UTC."""
    environment: str
    """Where it was made."""
    app: str
    """Application that made it."""
    prompt: str
    """Name of its prompt."""
    version: str
    """Version that was served."""
    model: str
    """Model that answered, else the one that was asked."""
    experiment: str | None
    """Experiment it was part of; null if none."""
    variant: str | None
    """Arm of the experiment."""
    latency_ms: float
    """How long it took."""
    cost_nano_usd: int | None
    """What it cost, in nano-dollars (1e-9 USD); null if that is not known."""
    output_tokens: int | None
    """Tokens received; null if that is not known."""
    segments: dict[str, str]
    """Segments it was in, by key."""
    private: bool
    """False if texts and identifiers of users are left out, because the asker is no admin."""


@result
class CallPlace:
    """A measure of a call among the other calls of its version."""

    metric: PlaceMetric
    """Its name ends with its unit."""
    value: float
    """Of this call."""
    percentile: float
    """Share of the others that are smaller, 0 to 1; those as large count half."""
    n: int
    """Calls it is compared with."""
    median: float
    """Of these calls."""
    p95: float
    """Their 95th percentile."""


@result
class ServedBy:
    """The change of a deployment by which a version was served."""

    revision: int
    """Revision of the deployment."""
    event_time: datetime
    """When it was made, UTC."""
    action: str
    """What was done, e.g. `promote`."""
    changed_by: str
    """Who did it: a person, or `rollout:<id>`."""
    reason: str | None
    """Why, as they said."""
    rollout: str | None
    """Rollout that decided it, if one did."""
    rule: str | None
    """Targeting rule whose units the experiment took; null for the default, and without an experiment."""
    weight: float | None
    """Share of units that the arm had, 0 to 1; null without an experiment."""
    newer: int
    """Changes that had been made when the call began, and that its client had not heard of."""


@result
class CallContext:
    """How usual a call was among those of its version, and why its version was served."""

    request_id: str
    """Id of the call."""
    places: list[CallPlace]
    """Cost and times among all calls of the version in its environment that are still counted; length among
    the stored ones of a day before and after. A measure that is not known is left out."""
    served_by: ServedBy | None
    """The last change by which the version was served when the call began; null if none is known."""
