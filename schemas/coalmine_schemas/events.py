"""The events as frozen values, one class per Avro record, field for field.

Units and meanings stand in the Avro schemas (`avro/<event>/<version>.avsc`), whose field order this follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal, Self, cast

from coalmine_schemas.identifiers import unit_group, uuid7

EventName = Literal[
    "requests", "feedback", "scores", "deployments", "rollout_transitions", "alerts", "dead_letters"
]
"""Name of an event in code; `topics.topic_name` gives the topic."""

ResolutionName = Literal["unknown", "live", "cached", "disk", "fallback", "fixed"]
ThumbsName = Literal["up", "down"]
ScoreSourceName = Literal["unknown", "heuristic", "judge", "human"]
CostSourceName = Literal["unknown", "price_list", "own_prices", "service", "gateway"]
OutcomeName = Literal["unknown", "ok", "error", "cancelled", "truncated", "refused"]
AlertStateName = Literal["unknown", "firing", "resolved", "ok", "pending", "no_data"]
StageName = Literal["unknown", "frame", "decode", "validate"]


_GETTERS: dict[type, "tuple[tuple[str, ...], attrgetter[tuple[Any, ...]]]"] = {}
"""Field names of each event class and what reads them all at once; filled at first use."""


class _Event:
    """What all events share."""

    __slots__ = ()

    def to_record(self) -> dict[str, Any]:
        """The event as the dictionary an Avro encoder takes."""
        getter = _GETTERS.get(type(self))
        if getter is None:
            names = tuple(f.name for f in fields(cast(Any, self)))
            getter = _GETTERS[type(self)] = names, attrgetter(*names)
        names, values = getter
        return dict(zip(names, values(self), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRequest(_Event):
    """One call to a language model made with one version of a prompt.

    What can be made up is: an id, the time (now), the unit (the session, else the call itself) and its group.
    An empty app or environment is the client's.
    """

    request_id: str = field(default_factory=uuid7)
    event_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    app: str = ""
    environment: str = ""
    prompt: str
    version: str
    label: str | None = None
    variant: str | None = None
    experiment: str | None = None
    allocation_epoch: int | None = None
    unit_group: int = -1
    resolution: ResolutionName = "fixed"
    unit_id: str = ""
    session_id: str | None = None
    trace_id: str | None = None
    parent_request_id: str | None = None
    provider: str | None = None
    request_model: str = "unknown"
    response_model: str | None = None
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    service_tier: str | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_5m_input_tokens: int | None = None
    cache_creation_1h_input_tokens: int | None = None
    audio_input_tokens: int | None = None
    image_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    other_usage: Mapping[str, float] = field(default_factory=dict)
    cost_nano_usd: int | None = None
    cost_source: CostSourceName = "unknown"
    latency_ms: float
    time_to_first_token_ms: float | None = None
    outcome: OutcomeName = "unknown"
    finish_reason: str | None = None
    error_type: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    input_text: str | None = None
    output_text: str | None = None
    client_version: str | None = None

    def __post_init__(self) -> None:
        if not self.unit_id:
            object.__setattr__(self, "unit_id", self.session_id or self.request_id)
        if self.unit_group < 0:
            object.__setattr__(self, "unit_group", unit_group(self.unit_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFeedback(_Event):
    """What a person thought of one call."""

    feedback_id: str
    request_id: str
    event_time: datetime
    app: str
    thumbs: ThumbsName | None = None
    rating: float | None = None
    comment: str | None = None
    correction: str | None = None
    unit_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptScore(_Event):
    """One named quality score for one call, or a late outcome of a unit or session, which says no call."""

    score_id: str
    request_id: str
    event_time: datetime
    app: str
    name: str
    value: float
    source: ScoreSourceName
    scorer: str | None = None
    rationale: str | None = None
    unit_id: str | None = None
    session_id: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentArm(_Event):
    """One arm of an experiment and its share of units."""

    variant: str
    version: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentExperiment(_Event):
    """One experiment that runs."""

    name: str
    rule: str | None = None
    allocation_epoch: int
    arms: Sequence[DeploymentArm]

    def to_record(self) -> dict[str, Any]:
        """The experiment as the dictionary an Avro encoder takes."""
        return {**_Event.to_record(self), "arms": [arm.to_record() for arm in self.arms]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(_Event):
    """What one environment serves of one prompt from now on."""

    environment: str
    prompt: str
    event_time: datetime
    revision: int
    version: str | None = None
    experiment: str | None = None
    allocation_epoch: int | None = None
    arms: Sequence[DeploymentArm] = ()
    action: str
    changed_by: str
    reason: str | None = None
    experiments: Sequence[DeploymentExperiment] = ()
    rollout: str | None = None
    rollout_decision: int | None = None

    def to_record(self) -> dict[str, Any]:
        """The event as the dictionary an Avro encoder takes."""
        record = _Event.to_record(self)
        for field_name in ("arms", "experiments"):
            record[field_name] = [each.to_record() for each in record[field_name]]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what `to_record` wrote; a record of version 1 tells of no experiments but its own."""
        experiments = [
            DeploymentExperiment(**{**each, "arms": [DeploymentArm(**arm) for arm in each["arms"]]})
            for each in record.get("experiments", ())
        ]
        arms = [DeploymentArm(**arm) for arm in record.get("arms", ())]
        return cls(**{**record, "arms": arms, "experiments": experiments})


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutTransition(_Event):
    """A decision about a rollout."""

    rollout: str
    decision: int
    event_time: datetime
    environment: str
    prompt: str
    rule: str | None = None
    treatment: str
    control: str
    kind: str
    from_state: str | None = None
    state: str
    from_stage: int | None = None
    stage: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    reasons: str | None = None
    evidence_json: str | None = None
    actor: str
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLink(_Event):
    """Something to open."""

    text: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTransition(_Event):
    """An alert changed: it began or ended, became more severe, was acknowledged, ..."""

    fingerprint: str
    event_time: datetime
    rule: str
    state: AlertStateName
    severity: str
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    details_json: str | None = None
    transition: int | None = None
    kind: str | None = None
    from_state: str | None = None
    firing: int | None = None
    fired_at: datetime | None = None
    told: bool | None = None
    acknowledged_by: str | None = None
    silenced_until: datetime | None = None
    inhibited_by: str | None = None
    group: str | None = None
    rollout: str | None = None
    actor: str | None = None
    reason: str | None = None
    links: Sequence[AlertLink] = ()

    def to_record(self) -> dict[str, Any]:
        """The event as the dictionary an Avro encoder takes."""
        return {**_Event.to_record(self), "links": [each.to_record() for each in self.links]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what `to_record` wrote; records of version 1 have fewer fields."""
        return cls(**{**record, "links": [AlertLink(**each) for each in record.get("links", ())]})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter(_Event):
    """A message that could not be consumed: its bytes, where they came from, and why."""

    dead_letter_id: str
    event_time: datetime
    source_topic: str
    source_partition: str
    source_offset: int
    source_timestamp: datetime | None = None
    stage: StageName
    reason: str
    schema_ref: str | None = None
    payload: bytes
    key: bytes | None = None
