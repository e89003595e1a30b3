"""What a simulation consists of: calls, feedback and scores, each with the moment it is sent.

Actions name calls by number, because request ids are made when a call is played and differ from
run to run. Everything else about an action follows from the configuration and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from coalmine_schemas.events import ResolutionName

__all__ = ["Action", "FeedbackAction", "RequestAction", "ScoreAction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    at_s: float
    """When the event is sent, for a call when it ended; simulated seconds since the start."""
    app: str
    environment: str
    prompt: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reaction(_Sent):
    request: int
    """Number of the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAction(_Sent):
    """A finished call."""

    started_at_s: float
    number: int
    """Counts calls from 0, in order of when they began."""
    followups: int
    """Feedback, scores and child calls that will refer to this one."""
    unit_id: str
    session_id: str
    trace_id: str
    provider: str
    request_model: str
    latency_ms: float
    segments: tuple[tuple[str, str], ...]
    metrics: tuple[tuple[str, float], ...] = ()
    parent: int | None = None
    """Number of the call that led to this one."""
    variant: str | None = None
    experiment: str | None = None
    allocation_epoch: int | None = None
    resolution: ResolutionName = "fixed"
    response_model: str | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    time_to_first_token_ms: float | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    quality: float | None = None
    """True quality of the answer. Not sent; what is sent of it stands in `metrics` or in a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAction(_Reaction):
    """What a reader did with an answer."""

    unit_id: str
    thumbs: Literal["up", "down"] | None = None
    rating: float | None = None
    """Stars, 1 to 5."""
    comment: str | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAction(_Reaction):
    """What a judge thought of an answer."""

    name: str
    value: float
    source: Literal["heuristic", "judge", "human"]
    scorer: str


Action: TypeAlias = RequestAction | FeedbackAction | ScoreAction
