"""From a timed action to the event a client takes: ids are made here, and times become dates."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import unit_group, uuid7

if TYPE_CHECKING:
    from datetime import datetime

    from coalmine_simulator.actions import FeedbackAction, RequestAction, ScoreAction

__all__ = ["feedback_event", "request_event", "score_event"]


def request_event(
    action: RequestAction, *, request_id: str, parent_request_id: str | None, began_at: datetime
) -> PromptRequest:
    """The event of a call. Its cost is left open: the client prices it from model and tokens."""
    return PromptRequest(
        request_id=request_id,
        event_time=began_at.astimezone(UTC),
        app=action.app,
        environment=action.environment,
        prompt=action.prompt,
        version=action.version,
        variant=action.variant,
        experiment=action.experiment,
        allocation_epoch=action.allocation_epoch,
        unit_group=unit_group(action.unit_id),
        resolution=action.resolution,
        unit_id=action.unit_id,
        session_id=action.session_id,
        trace_id=action.trace_id,
        parent_request_id=parent_request_id,
        provider=action.provider,
        request_model=action.request_model,
        response_model=action.response_model,
        input_tokens=action.input_tokens,
        cached_input_tokens=action.cached_input_tokens,
        output_tokens=action.output_tokens,
        latency_ms=action.latency_ms,
        time_to_first_token_ms=action.time_to_first_token_ms,
        finish_reason=action.finish_reason,
        error_type=action.error_type,
        metrics=dict(action.metrics),
        segments=dict(action.segments),
        client_version="simulator",
    )


def feedback_event(action: FeedbackAction, *, request_id: str, at: datetime) -> PromptFeedback:
    """The event of a reader's reaction."""
    return PromptFeedback(
        feedback_id=uuid7(),
        request_id=request_id,
        event_time=at.astimezone(UTC),
        app=action.app,
        thumbs=action.thumbs,
        rating=action.rating,
        comment=action.comment,
        correction=action.correction,
        unit_id=action.unit_id,
    )


def score_event(action: ScoreAction, *, request_id: str, at: datetime) -> PromptScore:
    """The event of a judge's score."""
    return PromptScore(
        score_id=uuid7(),
        request_id=request_id,
        event_time=at.astimezone(UTC),
        app=action.app,
        name=action.name,
        value=action.value,
        source=action.source,
        scorer=action.scorer,
    )
