"""Spans of OpenTelemetry that tell of calls to models: decoded, and turned into events."""

from coalmine_server.services.otlp.body import plain_body
from coalmine_server.services.otlp.json_encoding import answer_in_json, spans_of_json
from coalmine_server.services.otlp.protobuf import answer_in_protobuf, spans_of_protobuf, status_in_protobuf
from coalmine_server.services.otlp.reader import SpanOutcome, Traces, read_traces
from coalmine_server.services.otlp.spans import TooManySpans, Unreadable

__all__ = [
    "SpanOutcome",
    "TooManySpans",
    "Traces",
    "Unreadable",
    "answer_in_json",
    "answer_in_protobuf",
    "plain_body",
    "read_traces",
    "spans_of_json",
    "spans_of_protobuf",
    "status_in_protobuf",
]
