"""Spans out of OTLP in JSON: protobuf's mapping, but ids in hexadecimal digits, and unknown names ignored."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from coalmine_server.services.otlp.spans import (
    MAX_ATTRIBUTES,
    MAX_SPANS,
    BadSpan,
    Span,
    SpanEvent,
    Unreadable,
    Value,
    too_many,
)

_STATUS_ERROR: Final = 2
_HEX: Final = re.compile(r"[0-9a-fA-F]*", re.ASCII)
_UINT64: Final = 1 << 64
_DEEPEST: Final = 50
"""Lists and maps within one another, about as protobuf's reader has it."""


class _Wrong(Exception):
    """A value is not of the kind that its field takes."""


def spans_of_json(data: bytes) -> Iterator[Span | BadSpan]:
    """Yields the spans of an `ExportTraceServiceRequest`, or why one cannot be used.

    Raises:
        Unreadable: The bytes are no such message.
        TooManySpans: It has more than `MAX_SPANS`.
    """
    try:
        document = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
        left = MAX_SPANS
        for resource_spans in _items(_object(document), "resourceSpans"):
            resource = _attributes(_object(resource_spans.get("resource")))
            for scope_spans in _items(resource_spans, "scopeSpans"):
                scope = _text(_object(scope_spans.get("scope")), "name")
                for span in _items(scope_spans, "spans"):
                    left -= 1
                    if left < 0:
                        raise too_many()
                    yield _usable(span, resource, scope)
    except (ValueError, RecursionError, _Wrong) as error:
        detail = (
            "the body is no ExportTraceServiceRequest in JSON: send what an OTLP exporter sends, with "
            "resourceSpans, scopeSpans and spans as lists of objects"
        )
        raise Unreadable(detail) from error


def answer_in_json(rejected: int, message: str) -> bytes:
    """Encodes an `ExportTraceServiceResponse`.

    Args:
        rejected: Spans that were not taken.
        message: Why; empty if all is well.
    """
    if not rejected and not message:
        return b"{}"
    return json.dumps(
        # Protobuf's mapping writes 64-bit integers as texts.
        {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}}
    ).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once, as in every body that we take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _usable(span: Mapping[str, Any], resource: Mapping[str, Value], scope: str) -> Span | BadSpan:
    try:
        return Span(
            trace_id=_id(span, "traceId"),
            span_id=_id(span, "spanId"),
            start_ns=_nanoseconds(span, "startTimeUnixNano"),
            end_ns=_nanoseconds(span, "endTimeUnixNano"),
            name=_text(span, "name"),
            failed=_object(span.get("status")).get("code") == _STATUS_ERROR,
            attributes=_attributes(span),
            events=tuple(
                SpanEvent(_text(each, "name"), _nanoseconds(each, "timeUnixNano"), _attributes(each))
                for each in _items(span, "events")[:MAX_ATTRIBUTES]
            ),
            resource=resource,
            scope=scope,
        )
    except _Wrong as error:
        return BadSpan(f"a span has an unusable {error}: send what an OTLP exporter sends")


def _object(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Wrong("object")
    return value


def _items(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _Wrong(name)
    return [_object(each) for each in value]


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Wrong(name)
    return value


def _id(span: Mapping[str, Any], name: str) -> str:
    text = _text(span, name)
    if not _HEX.fullmatch(text):
        raise _Wrong(name)
    return text.lower()


def _nanoseconds(parent: Mapping[str, Any], name: str) -> int:
    return _integer(parent.get(name, 0), name)


def _integer(value: object, name: str) -> int:
    """A 64-bit integer, which JSON has as a text or as a number."""
    if isinstance(value, str) and len(value) <= len(str(_UINT64)):
        try:
            value = int(value)
        except ValueError as error:
            raise _Wrong(name) from error
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -_UINT64 < value < _UINT64:
        raise _Wrong(name)
    return value


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError as error:  # an integer of hundreds of digits
        raise _Wrong("doubleValue") from error


def _attributes(parent: Mapping[str, Any]) -> dict[str, Value]:
    pairs = _items(parent, "attributes")[:MAX_ATTRIBUTES]
    return {_text(each, "key"): _value(_object(each.get("value"))) for each in pairs}


def _value(given: Mapping[str, Any], depth: int = 0) -> Value:  # noqa: PLR0911 - one of seven
    if depth > _DEEPEST:
        raise _Wrong(f"attribute, nested more than {_DEEPEST} times")
    if isinstance(text := given.get("stringValue"), str):
        return text
    if isinstance(flag := given.get("boolValue"), bool):
        return flag
    if (number := given.get("intValue")) is not None:
        return _integer(number, "intValue")
    if isinstance(number := given.get("doubleValue"), int | float) and not isinstance(number, bool):
        return _double(number)
    if (array := given.get("arrayValue")) is not None:
        return [_value(each, depth + 1) for each in _items(_object(array), "values")]
    if (pairs := given.get("kvlistValue")) is not None:
        values = _items(_object(pairs), "values")
        return {_text(each, "key"): _value(_object(each.get("value")), depth + 1) for each in values}
    return None
