"""Values as services give them, made into values an event may hold."""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import PromptFeedback
from coalmine_schemas.limits import ID_CHARS
from coalmine_schemas.ranges import DEFAULT_RANGES

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EMPTY_FEEDBACK: Final = (
    "feedback without thumbs, rating, comment and correction says nothing: give one of them"
)

Complain = Callable[[str], None]
"""Told the name of a field whose value was unusable and left out."""


def microseconds(moment: datetime) -> int:
    """An aware time as events have it: microseconds since 1970 UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def as_text(value: object) -> str:
    """A value as text: the same for events, for the choice of an arm, and in other languages."""
    if isinstance(value, bool):
        return "true" if value else "false"
    # Within another text, the member of an enumeration of texts would be its name.
    return str.__str__(value) if isinstance(value, str) else str(value)


def required_text(name: str, value: object) -> str:
    """Text for a field that must have some; a number or a UUID becomes its text.

    Raises:
        InvalidParameter: It is missing or empty.
    """
    text = "" if value is None else as_text(value)
    if not text:
        raise InvalidParameter(f"{name} is empty")
    return text


def optional_text(value: object) -> str | None:
    """Text for a field that may be null; empty text is null, a number or a UUID becomes its text."""
    return None if value is None else as_text(value) or None


def is_unclear(value: object) -> bool:
    """Whether a value has no text of its own: a list, a float or an object is no identifier."""
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return False
    kind = type(value)
    return isinstance(value, bool) or kind.__str__ is object.__str__ or hasattr(kind, "__len__")


def optional_count(name: str, value: object, complain: Complain) -> int | None:
    """A count for a field that may be null; anything that is not a count is left out."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    complain(name)
    return None


def finite_number(value: object) -> float | None:
    """A finite number; None for whatever is none."""
    try:
        number = float(value)  # type: ignore[arg-type] # anything, or there is an error
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def metric_problem(name: str, value: float) -> str | None:
    """Why a metric or score cannot have this value; None if it can.

    Names such as `quality` are compared wherever they come from, so they have one scale: with a value outside
    it, the collector makes the whole call a dead letter.
    """
    limits = DEFAULT_RANGES.get(name)
    if limits is None or limits.beyond(value) is None:
        return None
    return (
        f"is {value:g}: {name} is between {limits.low:g} and {limits.high:g}; give another scale another name"
    )


def number_map(name: str, values: Mapping[str, float] | None, complain: Complain) -> dict[str, float]:
    """Named finite numbers; one that is not finite, not a number, or beyond its scale is left out."""
    kept: dict[str, float] = {}
    for key, value in (values or {}).items():
        number = finite_number(value)
        if number is not None and metric_problem(key, number) is None and isinstance(key, str):
            kept[key] = number
        else:
            complain(f"{name}[{str(key)[:64]!r}]")
    return kept


def text_map(values: Mapping[str, object] | None) -> dict[str, str]:
    """Named texts; null ones are left out, others become their text."""
    if not values:
        return {}
    return {as_text(key): as_text(value) for key, value in values.items() if value is not None}


def usable_texts(values: Mapping[str, object] | None) -> dict[str, str]:
    """The same, without those whose own methods raise."""
    with suppress(Exception):
        return text_map(values)
    kept: dict[str, str] = {}
    for key, value in (values or {}).items():
        with suppress(Exception):
            kept.update(text_map({key: value}))
    return kept


def says_something(feedback: PromptFeedback) -> bool:
    """Whether feedback holds any."""
    given = (feedback.thumbs, feedback.rating, feedback.comment, feedback.correction)
    return any(value is not None and value != "" for value in given)


def json_map(name: str, values: Mapping[str, object], complain: Complain) -> dict[str, str]:
    """Named values as JSON; null ones are left out, and what is no JSON, which is told."""
    kept: dict[str, str] = {}
    for key, value in values.items():
        try:
            if value is not None:
                kept[str(key)] = json.dumps(value, ensure_ascii=False, default=str)
        except Exception:  # noqa: BLE001 - whatever a value's own methods raise
            complain(f"{name}[{str(key)[:64]!r}]")
    return kept


def short_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Without long ones, such as the schemas of tools."""
    return {key: text for key, text in texts.items() if max(len(key), len(text)) <= ID_CHARS}


def captured_text(value: object) -> str | None:
    """Text to capture; a list of messages, or anything else that is not text, becomes JSON."""
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False, default=str)


def encodable(text: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair becomes `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def encodable_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with `encodable` applied to every text in it."""
    return {name: _encodable_value(value) for name, value in record.items()}


def _encodable_value(value: Any) -> Any:  # noqa: ANN401 - any field of any event
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, Mapping):
        return {encodable(key): _encodable_value(item) for key, item in value.items()}
    return value
