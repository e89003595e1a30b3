"""Whatever bytes come, reading them ends in events or in an answer, never in a fault of the server."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_server.services.intake import EventReader
from coalmine_server.services.otlp import (
    TooManySpans,
    Unreadable,
    names,
    read_traces,
    spans_of_json,
    spans_of_protobuf,
)
from coalmine_server.services.otlp.spans import SpanEvent, Value
from tests.support.data.spans import CHAT, START_NS, as_json, as_protobuf, evaluation, span

READER = EventReader(environment="prod", capture_text=True)
WHOLE = as_protobuf(
    [span(events=(evaluation(score_value=0.5),)), span({**CHAT, "map": {"a": [1, True, 0.5]}})]
)
IN_JSON = json.loads(as_json([span(events=(evaluation(score_value=0.5),))]))
READ = [
    *(name for table in (names.TEXTS, names.COUNTS) for found_in in table.values() for name in found_in),
    *(*names.PROMPT, *names.VERSION, *names.FINISH_REASONS, *names.FIRST_CHUNK_S, *names.FIRST_CHUNK_MS),
    *(*names.PARAMETERS, *names.INVOCATION, *names.INPUT, *names.OUTPUT, *names.STREAMED, names.REQUEST_ID),
    *("error.type", "coalmine.segments.tier", "coalmine.metrics.quality", "gen_ai.operation.name"),
    *("annotations.0.annotation.name", "annotations.0.annotation.score", "annotations.0.annotation.label"),
]
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(READ) | st.text(max_size=20), VALUES, max_size=8)


def _read(spans: Any) -> None:
    try:
        traces = read_traces(spans, READER, app="any", environment=None)
    except (Unreadable, TooManySpans):
        return
    assert sum(traces.outcomes.values()) >= traces.rejected
    assert bool(traces.rejected) <= bool(traces.message)
    traces.message.encode()


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    _read(spans_of_protobuf(body))
    _read(spans_of_json(body))


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_body_with_some_bytes_changed(at: int, changed: bytes, inserted: bool) -> None:
    _read(spans_of_protobuf(WHOLE[:at] + changed + WHOLE[at + (0 if inserted else len(changed)) :]))


@given(VALUES, st.sampled_from(["traceId", "startTimeUnixNano", "attributes", "events", "status", "name"]))
def test_json_with_any_value_in_place_of_another(value: Any, field: str) -> None:
    document = json.loads(json.dumps(IN_JSON))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0][field] = value
    _read(spans_of_json(json.dumps(document).encode("utf-8", "surrogatepass")))


@settings(max_examples=300)
@given(ATTRIBUTES, ATTRIBUTES, st.booleans())
def test_any_attributes(attributes: dict[str, Value], resource: dict[str, Value], failed: bool) -> None:
    said = SpanEvent("gen_ai.evaluation.result", START_NS, attributes)
    _read([span({**CHAT, **attributes}, resource=resource, failed=failed, events=(said,))])


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_times(start_ns: int, end_ns: int, event_ns: int) -> None:
    said = SpanEvent("gen_ai.evaluation.result", event_ns, {"gen_ai.evaluation.name": "a"})
    _read([span(start_ns=start_ns, end_ns=end_ns, events=(said,))])
