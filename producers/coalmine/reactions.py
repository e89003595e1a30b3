"""Makes events of feedback, scores and outcomes of what a service gives, and says what is wrong with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from coalmine.mistakes import shown
from coalmine.values import (
    EMPTY_FEEDBACK,
    finite_number,
    is_unclear,
    metric_problem,
    optional_text,
    says_something,
    text_map,
)
from coalmine_schemas.events import PromptFeedback, PromptScore, ScoreSourceName, ThumbsName
from coalmine_schemas.identifiers import derived_uuid7, uuid7
from coalmine_schemas.rules import UUID_PATTERN

_THUMBS: Final = get_args(ThumbsName)
_SOURCES: Final = get_args(ScoreSourceName)


class Unusable(Exception):
    """An argument cannot be used; says which one, what it is, and what to give.

    Args:
        argument: Its name.
        reason: The rest.
    """

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(argument, reason)


def feedback_event(
    app: str,
    request_id: object,
    *,
    thumbs: object,
    rating: object,
    comment: object,
    correction: object,
    unit_id: object,
    metadata: object,
    event_time: object,
) -> PromptFeedback:
    """The event of what a person thought of a call.

    Raises:
        Unusable: An argument is.
    """
    if thumbs is not None and thumbs not in _THUMBS:
        raise Unusable("thumbs", f"is {shown(thumbs)}: give 'up', 'down' or None")
    given: Any = {
        "thumbs": thumbs,
        "rating": None if rating is None else _number("rating", rating),
        "comment": _text("comment", comment),
        "correction": _text("correction", correction),
        "metadata": _texts("metadata", metadata),
    }
    return checked_feedback(
        PromptFeedback(
            feedback_id=uuid7(),
            request_id=_request_id(request_id),
            event_time=_time("event_time", event_time),
            app=app,
            unit_id=_text("unit_id", unit_id),
            **given,
        )
    )


def checked_feedback(event: PromptFeedback) -> PromptFeedback:
    """The same feedback.

    Raises:
        Unusable: It says nothing.
    """
    if not says_something(event):
        raise Unusable("feedback", EMPTY_FEEDBACK.removeprefix("feedback "))
    return event


def score_event(
    app: str,
    request_id: object,
    *,
    name: object,
    value: object,
    source: object,
    scorer: object,
    rationale: object,
    event_time: object,
) -> PromptScore:
    """The event of a quality score of a call.

    Raises:
        Unusable: An argument is.
    """
    if not isinstance(name, str) or not name:
        raise Unusable("name", f"is {shown(name)}: give the score's name, e.g. 'quality'")
    if source not in _SOURCES:
        raise Unusable("source", f"is {shown(source)}: give one of {', '.join(map(repr, _SOURCES))}")
    number = _number("value", value)
    problem = metric_problem(name, number)
    if problem is not None:
        raise Unusable("value", problem)
    made_by: Any = source
    return PromptScore(
        score_id=uuid7(),
        request_id=_request_id(request_id),
        event_time=_time("event_time", event_time),
        app=app,
        name=name,
        value=number,
        source=made_by,
        scorer=_text("scorer", scorer),
        rationale=_text("rationale", rationale),
    )


def outcome_event(
    app: str,
    *,
    name: object,
    value: object,
    unit_id: object,
    session_id: object,
    prompt: object,
    outcome_id: object,
    event_time: object,
) -> PromptScore:
    """The event of a late outcome: a score that says whose it is instead of which call's.

    Raises:
        Unusable: An argument is.
    """
    if not isinstance(name, str) or not name:
        raise Unusable("name", f"is {shown(name)}: give the outcome's name, e.g. 'converted'")
    number = _number("value", value)
    problem = metric_problem(name, number)
    if problem is not None:
        raise Unusable("value", problem)
    unit, session = _text("unit_id", unit_id), _text("session_id", session_id)
    if not unit and not session:
        raise Unusable("unit_id", "is missing, and session_id: give the one that the calls were made with")
    at, own_id = _time("event_time", event_time), _text("outcome_id", outcome_id)
    if own_id is not None and event_time is None:
        raise Unusable("outcome_id", "needs event_time: give both the same when it is sent again")
    time_ms = int(at.timestamp() * 1000)
    score_id = uuid7() if own_id is None else derived_uuid7(time_ms, "outcome", app, name, own_id)
    return PromptScore(
        score_id=score_id,
        request_id=score_id,  # the collector finds the call
        event_time=at,
        app=app,
        name=name,
        value=number,
        source="unknown",
        unit_id=unit or None,
        session_id=session or None,
        prompt=_text("prompt", prompt),
    )


def _request_id(value: object) -> str:
    text = str(value)
    if not UUID_PATTERN.fullmatch(text):
        raise Unusable("request_id", f"is {shown(value)} and no request's: give `call.request_id`")
    return text


def _number(argument: str, value: object) -> float:
    number = finite_number(value)
    if number is None:
        raise Unusable(argument, f"is {shown(value)}: give a finite number")
    return number


def _text(argument: str, value: object) -> str | None:
    if is_unclear(value):
        raise Unusable(argument, f"is {shown(value)}: give a text")
    return optional_text(value)


def _texts(argument: str, value: object) -> dict[str, str]:
    if value is None or isinstance(value, Mapping):
        return text_map(value)
    raise Unusable(argument, f"is {shown(value)}: give a mapping of names to texts")


def _time(argument: str, value: object) -> datetime:
    if value is None:
        return datetime.now(UTC)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Unusable(argument, f"is {shown(value)}: give a datetime with a time zone")
    return value.astimezone(UTC)
