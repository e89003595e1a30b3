"""Spans out of OTLP in protobuf.

The two outer levels are walked here and each span is parsed by itself, so that one that is broken or too
large costs no other, and memory stays small: two bytes of a hostile body are an empty span of some 170.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from coalmine_server.services.otlp.spans import (
    MAX_ATTRIBUTES,
    MAX_SPAN_BYTES,
    MAX_SPANS,
    BadSpan,
    Span,
    SpanEvent,
    Unreadable,
    Value,
    too_long,
    too_many,
)

_SIZES: Final = {1: 8, 5: 4}
"""Bytes of the wire types of fixed size."""


def spans_of_protobuf(data: bytes) -> Iterator[Span | BadSpan]:
    """Yields the spans of an `ExportTraceServiceRequest`, or why one cannot be used.

    Raises:
        Unreadable: The bytes are no such message.
        TooManySpans: It has more than `MAX_SPANS`.
    """
    room = _Room()
    try:
        for number, resource_spans in _messages(memoryview(data)):
            if number != 1:
                continue
            room.take()  # what holds no span costs time, too
            resource_bytes, scopes = _split(resource_spans, room.take)
            resource = _attributes(Resource.FromString(resource_bytes).attributes)
            for scope_spans in scopes:
                scope_bytes, spans = _split(scope_spans, room.take_span)
                scope = InstrumentationScope.FromString(scope_bytes).name
                for part in spans:
                    yield _span(part, resource, scope)
    except (DecodeError, IndexError) as error:
        detail = "the body is no ExportTraceServiceRequest in protobuf: send what an OTLP exporter sends"
        raise Unreadable(detail) from error


class _Room:
    """How many more messages are read."""

    def __init__(self) -> None:
        self._spans = MAX_SPANS
        self._around = 2 * MAX_SPANS  # each span may be of a service and an instrumentation of its own

    def take(self) -> None:
        self._around -= 1
        if self._around < 0:
            raise too_many()

    def take_span(self) -> None:
        self._spans -= 1
        if self._spans < 0:
            raise too_many()


def _split(message: memoryview, take: Callable[[], None]) -> tuple[bytes, list[memoryview]]:
    """Field 1 of a message, which is said once, and all its fields 2: so are both of the outer levels."""
    said, parts = memoryview(b""), []
    for number, part in _messages(message):
        if number == 1:
            said = part
        elif number == 2:
            take()
            parts.append(part)
    if len(said) > MAX_SPAN_BYTES:
        raise Unreadable(f"a resource or scope of {len(said):,} bytes is too large: give it few attributes")
    return bytes(said), parts


def answer_in_protobuf(rejected: int, message: str) -> bytes:
    """Encodes an `ExportTraceServiceResponse`.

    Args:
        rejected: Spans that were not taken.
        message: Why; empty if all is well.
    """
    told = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    answer = ExportTraceServiceResponse(partial_success=told if rejected or message else None)
    encoded: bytes = answer.SerializeToString()
    return encoded


def status_in_protobuf(message: str) -> bytes:
    """Encodes a `google.rpc.Status`, which OTLP answers errors with: field 2 is its message."""
    text = message.encode()
    return b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields number and content of each field that has a length.

    Raises:
        IndexError: The bytes end too early, or are no fields.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 2:
            size, at = _read_varint(data, at)
            if at + size > end:
                raise IndexError
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            _, at = _read_varint(data, at)
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise IndexError
    if at > end:
        raise IndexError


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError


def _span(part: memoryview, resource: Mapping[str, Value], scope: str) -> Span | BadSpan:
    if len(part) > MAX_SPAN_BYTES:
        return too_long(len(part))
    try:
        span = Message.FromString(bytes(part))
    except DecodeError:
        return BadSpan("a span is no protobuf: send what an OTLP exporter sends")
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        name=span.name,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        events=tuple(
            SpanEvent(each.name, each.time_unix_nano, _attributes(each.attributes))
            for each in islice(span.events, MAX_ATTRIBUTES)
        ),
        resource=resource,
        scope=scope,
    )


def _attributes(pairs: Any) -> dict[str, Value]:  # noqa: ANN401 - a container of protobuf's
    return {each.key: _value(each.value) for each in islice(pairs, MAX_ATTRIBUTES)}


def _value(given: Any) -> Value:  # noqa: ANN401 - `AnyValue`, one of seven
    kind = given.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in given.array_value.values]
    if kind == "kvlist_value":
        return {each.key: _value(each.value) for each in given.kvlist_value.values}
    if kind is None or kind not in {"string_value", "bool_value", "int_value", "double_value"}:
        return None
    value: Value = getattr(given, kind)
    return value
