"""From what a span says of a call's answer to scores and feedback."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from coalmine_server.services.otlp import names
from coalmine_server.services.otlp.calls import app_of, moment
from coalmine_server.services.otlp.spans import Span, Value

EVALUATION: Final = "gen_ai.evaluation.result"
"""Name of the event that carries an evaluation."""
FEEDBACK_NAMES: Final = frozenset({"user_feedback", "user-feedback", "feedback", "thumbs"})
"""Evaluations of these names are what a user thought of the answer."""

_UP: Final = frozenset({"up", "thumbs_up", "thumbs-up", "positive", "good", "like", "liked"})
_DOWN: Final = frozenset({"down", "thumbs_down", "thumbs-down", "negative", "bad", "dislike", "disliked"})
_VERDICTS: Final = {
    **dict.fromkeys(("pass", "passed", "true", "yes", "correct"), 1.0),
    **dict.fromkeys(("fail", "failed", "false", "no", "incorrect"), 0.0),
}
"""Labels that are numbers; all others need `gen_ai.evaluation.score.value`."""
_ANNOTATION: Final = re.compile(
    r"(annotations|evaluations)\.(\d{1,4})\.(annotation|evaluation)\.(\w+)", re.ASCII
)
"""OpenInference numbers what is said of a span: `annotations.0.annotation.score`."""
_SOURCES: Final = {"LLM": "judge", "CODE": "heuristic", "HUMAN": "human"}


def has_evaluations(span: Span) -> bool:
    """Returns True if a span says something of an answer."""
    return any(each.name == EVALUATION for each in span.events) or any(
        map(_ANNOTATION.match, span.attributes)
    )


def evaluations_of(span: Span, request_id: str | None) -> Iterator[dict[str, Any]]:
    """Yields scores and feedback as `EventReader` takes them.

    Args:
        span: Says them, as events or as attributes.
        request_id: Id of the call they are about, unless one names another; None if there is none.
    """
    for event in span.events:
        if event.name == EVALUATION and "error.type" not in event.attributes:
            yield _judged(
                span,
                names.text(event.attributes, (names.REQUEST_ID,)) or request_id,
                moment(event.time_ns or span.end_ns),
                {
                    "name": event.attributes.get("gen_ai.evaluation.name"),
                    "score": event.attributes.get("gen_ai.evaluation.score.value"),
                    "label": event.attributes.get("gen_ai.evaluation.score.label"),
                    "explanation": event.attributes.get("gen_ai.evaluation.explanation"),
                },
            )
    numbered: dict[tuple[str, str], dict[str, Value]] = {}
    for name, value in span.attributes.items():
        if found := _ANNOTATION.fullmatch(name):
            numbered.setdefault((found[1], found[2]), {})[found[4]] = value
    for said in numbered.values():
        yield _judged(span, request_id, moment(span.end_ns), said)


def _judged(
    span: Span, request_id: str | None, event_time: datetime, said: Mapping[str, Value]
) -> dict[str, Any]:
    name = names.text(said, ("name",))
    value = names.number(said, ("score",))
    label = (names.text(said, ("label",)) or "").lower()
    event: dict[str, Any] = {
        "request_id": request_id,
        "event_time": event_time,
        "app": app_of(span),
    }
    if name is not None and name.lower() in FEEDBACK_NAMES:
        thumbs = "up" if label in _UP else "down" if label in _DOWN else None
        if thumbs is None and value in (-1, 0, 1):
            thumbs, value = ("up" if value > 0 else "down"), None
        return {
            **event,
            "type": "feedback",
            "thumbs": thumbs,
            "rating": value if thumbs is None else None,
            "comment": names.text(said, ("explanation",)),
        }
    score = {
        **event,
        "type": "score",
        "name": name,
        "value": _VERDICTS.get(label) if value is None else value,
        "source": _SOURCES.get((names.text(said, ("annotator_kind",)) or "").upper()),
        "rationale": names.text(said, ("explanation",)),
    }
    return {field: value for field, value in score.items() if value is not None}
