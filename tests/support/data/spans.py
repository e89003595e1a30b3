"""Spans of one call to a model, as OTLP in either encoding."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from coalmine_server.services.otlp.spans import Span, SpanEvent, Value

START_NS: Final = 1_795_942_800_123_456_789
"""2026-11-29T09:00:00.123456789Z."""
TRACE: Final = "5b8efff798038103d269b633813fc60c"
SPAN: Final = "eee19b7ec3c1b174"
PROMPT: Final[Mapping[str, Value]] = {
    "gen_ai.prompt.name": "support-refund",
    "gen_ai.prompt.version": "1.2.0",
}
CHAT: Final[Mapping[str, Value]] = {
    **PROMPT,
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.response.finish_reasons": ["stop"],
}


def span(attributes: Mapping[str, Value] = CHAT, **fields: Any) -> Span:
    """A span of 1.5 s."""
    given = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "start_ns": START_NS,
        "end_ns": START_NS + 1_500_000_000,
        "scope": "some.instrumentation",
        "resource": {"service.name": "support-bot"},
        **fields,
    }
    return Span(attributes=attributes, **given)


def evaluation(name: str = "groundedness", **said: Value) -> SpanEvent:
    """An evaluation, with the attributes below `gen_ai.evaluation.` that are given, dots as underscores."""
    attributes: dict[str, Value] = {"gen_ai.evaluation.name": name}
    attributes |= {f"gen_ai.evaluation.{key.replace('_', '.')}": value for key, value in said.items()}
    return SpanEvent("gen_ai.evaluation.result", START_NS + 2_000_000_000, attributes)


def as_protobuf(spans: Sequence[Span]) -> bytes:
    """Each span below a resource of its own."""
    request = ExportTraceServiceRequest()
    for each in spans:
        resource_spans = request.resource_spans.add()
        _fill(resource_spans.resource.attributes, each.resource)
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = each.scope
        message = scope_spans.spans.add(
            trace_id=bytes.fromhex(each.trace_id),
            span_id=bytes.fromhex(each.span_id),
            name=each.name,
            start_time_unix_nano=each.start_ns,
            end_time_unix_nano=each.end_ns,
        )
        message.status.code = 2 if each.failed else 0
        _fill(message.attributes, each.attributes)
        for event in each.events:
            _fill(
                message.events.add(name=event.name, time_unix_nano=event.time_ns).attributes, event.attributes
            )
    encoded: bytes = request.SerializeToString()
    return encoded


def as_json(spans: Sequence[Span]) -> bytes:
    """Each span below a resource of its own."""
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _pairs(each.resource)},
                    "scopeSpans": [{"scope": {"name": each.scope}, "spans": [_json_span(each)]}],
                }
                for each in spans
            ]
        }
    ).encode()


def _json_span(given: Span) -> dict[str, Any]:
    return {
        "traceId": given.trace_id.upper(),
        "spanId": given.span_id,
        "name": given.name,
        "startTimeUnixNano": str(given.start_ns),
        "endTimeUnixNano": str(given.end_ns),
        "status": {"code": 2} if given.failed else {},
        "attributes": _pairs(given.attributes),
        "events": [
            {"name": each.name, "timeUnixNano": each.time_ns, "attributes": _pairs(each.attributes)}
            for each in given.events
        ],
        "aFieldOfTomorrow": 1,
    }


def _pairs(attributes: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _pairs(value)}}
    return {} if value is None else {"arrayValue": {"values": [_json_value(each) for each in value]}}


def _fill(target: Any, attributes: Mapping[str, Value]) -> None:
    for key, value in attributes.items():
        target.add(key=key).value.CopyFrom(_any(value))


def _any(value: Value) -> AnyValue:
    found = AnyValue()
    if isinstance(value, bool):
        found.bool_value = value
    elif isinstance(value, int):
        found.int_value = value
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, str):
        found.string_value = value
    elif isinstance(value, Mapping):
        _fill(found.kvlist_value.values, value)
    elif value is not None:
        found.array_value.values.extend(_any(each) for each in value)
    return found
