"""One call as it is stored, with what was said of it."""

from datetime import datetime

from coalmine_schemas.results import result


@result
class CallFeedback:
    """Feedback on a call. Of several by one unit, the last one counts."""

    event_time: datetime
    app: str
    thumbs: str | None
    rating: float | None
    comment: str | None
    """Null unless texts are captured and the asker is an admin."""
    correction: str | None
    """Likewise; empty where there was one whose text is not shown."""
    unit_id: str | None
    """Who gave it; for admins."""


@result
class CallScore:
    """A score of a call."""

    event_time: datetime
    app: str
    name: str
    value: float
    source: str
    """`heuristic`, `judge`, `human` or `unknown`."""
    scorer: str | None
    rationale: str | None
    """Null unless texts are captured and the asker is an admin."""


@result
class StoredCall:
    """One call to a model, from its raw row."""

    request_id: str
    event_time: datetime
    """When it began, UTC."""
    app: str
    environment: str
    prompt: str
    version: str
    variant: str | None
    """Arm of the experiment."""
    experiment: str | None
    allocation_epoch: int | None
    resolution: str
    """Source of the choice of the version."""
    unit_id: str | None
    """Who was served; for admins."""
    session_id: str | None
    """Of what session the call was; for admins."""
    trace_id: str | None
    parent_request_id: str | None
    provider: str | None
    request_model: str
    response_model: str | None
    request_parameters: dict[str, str]
    """As JSON, by name."""
    service_tier: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_creation_input_tokens: int | None
    reasoning_output_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None
    """Nano-dollars (1e-9 USD)."""
    cost_source: str | None
    latency_ms: float
    time_to_first_token_ms: float | None
    outcome: str | None
    finish_reason: str | None
    error_type: str | None
    metrics: dict[str, float]
    segments: dict[str, str]
    input_text: str | None
    """Null unless texts are captured and the asker is an admin."""
    output_text: str | None
    """Null unless texts are captured and the asker is an admin."""
    client_version: str | None
    ingested_at: datetime
    """When it was stored, UTC."""
    private: bool
    """False if texts and identifiers of users are left out, because the asker is no admin."""
    feedback: list[CallFeedback]
    """Feedback on the call, oldest first."""
    scores: list[CallScore]
    """Scores of the call, oldest first."""
