"""Each call as a span, by OpenTelemetry's conventions for generative AI."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coalmine import Coalmine
from coalmine.integrations.opentelemetry import instrument
from coalmine_server.services.otlp.calls import OWN_SCOPE, is_call, request_of
from coalmine_server.services.otlp.protobuf import spans_of_protobuf
from coalmine_server.services.otlp.spans import Span
from tests.support.data.replies import OPENAI_CHAT, OPENAI_CHAT_STREAM
from tests.support.oracles.produced import requests_of, spooled


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exported: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return provider


@pytest.fixture
def cm(tmp_path: Path, provider: TracerProvider) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path, strict=True, capture_text=True) as client:
        yield instrument(client, tracer_provider=provider)


def finished(cm: Coalmine, exported: InMemorySpanExporter) -> list[ReadableSpan]:
    assert cm.flush(30)
    return list(exported.get_finished_spans())


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_is_a_span_with_its_times_and_counts(
    cm: Coalmine, exported: InMemorySpanExporter, tmp_path: Path
) -> None:
    with cm.call(
        "support-refund",
        version="1.2.0",
        model="gpt-4o-mini",
        provider="openai",
        session_id="session-3",
        parameters={"temperature": 0.5, "tools": []},
    ) as call:
        call.record(OPENAI_CHAT, input_text="Where is my refund?")
    (span,) = finished(cm, exported)
    assert (span.name, span.kind) == ("chat gpt-4o-mini", trace.SpanKind.CLIENT)
    assert attributes_of(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.prompt.name": "support-refund",
        "gen_ai.prompt.version": "1.2.0",
        "coalmine.request_id": call.request_id,
        "gen_ai.conversation.id": "session-3",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.cache_read.input_tokens": 1024,
        "gen_ai.usage.output_tokens": 80,
    } | {
        name: value for name, value in attributes_of(span).items() if name.endswith("reasoning.output_tokens")
    }
    (record,) = requests_of(spooled(tmp_path))
    assert span.context is not None
    assert record["trace_id"] == format(span.context.trace_id, "032x")
    assert (span.end_time or 0) - (span.start_time or 0) == round(record["latency_ms"] * 1e6)


def test_the_span_lies_below_the_one_that_was_current(
    cm: Coalmine, provider: TracerProvider, exported: InMemorySpanExporter
) -> None:
    with provider.get_tracer("a").start_as_current_span("GET /") as outer, cm.call("p", version="1.0.0"):
        pass
    spans = {span.name: span for span in finished(cm, exported)}
    parent = spans["chat unknown"].parent
    assert parent is not None
    assert parent.span_id == outer.get_span_context().span_id


def test_a_stream_and_what_ended_otherwise(cm: Coalmine, exported: InMemorySpanExporter) -> None:
    with cm.call("p", version="1.0.0", model="gpt-4o-mini") as call:
        for piece in OPENAI_CHAT_STREAM:
            call.record(piece)
    with pytest.raises(TimeoutError), cm.call("p", version="1.0.0", model="text-embedding-3-small"):
        raise TimeoutError
    with pytest.raises(GeneratorExit), cm.call("p", version="1.0.0", model="gpt-4o-mini"):
        raise GeneratorExit
    streamed, failed, cancelled = finished(cm, exported)
    first = attributes_of(streamed)
    assert first["gen_ai.request.stream"] is True
    assert 0 < first["gen_ai.response.time_to_first_chunk"] < 60
    assert (failed.name, failed.status.status_code.name) == ("embeddings text-embedding-3-small", "ERROR")
    assert attributes_of(failed)["error.type"] == "TimeoutError"
    assert cancelled.status.status_code.name == "UNSET"
    assert attributes_of(cancelled)["gen_ai.response.finish_reasons"] == ("error",)


def test_our_server_reads_the_span_as_the_call_it_is_and_knows_it_for_ours(
    cm: Coalmine, exported: InMemorySpanExporter, tmp_path: Path
) -> None:
    with cm.call("support-refund", version="1.2.0", model="gpt-4o-mini", provider="openai") as call:
        call.record(OPENAI_CHAT)
    body = encode_spans(finished(cm, exported)).SerializeToString()
    (span,) = spans_of_protobuf(body)
    assert isinstance(span, Span)
    assert span.scope == OWN_SCOPE
    assert is_call(span.attributes)
    (record,) = requests_of(spooled(tmp_path))
    found = request_of(span)
    same = ("request_id", "prompt", "version", "input_tokens", "output_tokens", "finish_reason", "trace_id")
    assert {name: found[name] for name in same} == {name: record[name] for name in same}


def test_identifiers_are_hashed_on_the_span_as_on_the_event(
    provider: TracerProvider, exported: InMemorySpanExporter, tmp_path: Path
) -> None:
    hashed: Any = {"unit_ids": "hashed", "unit_id_key": "a-key-of-this-service"}
    with Coalmine("support-bot", home=tmp_path, **hashed) as cm:
        instrument(cm, tracer_provider=provider)
        with cm.call("p", version="1.0.0", session_id="ada@example.org"):
            pass
        (span,) = finished(cm, exported)
    (record,) = requests_of(spooled(tmp_path))
    assert attributes_of(span)["gen_ai.conversation.id"] == record["session_id"] != "ada@example.org"


class _Failing(SpanExporter):
    def export(self, spans: object) -> Any:
        raise RuntimeError("no")


class _FailingProcessor(SimpleSpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no")


def test_a_processor_that_fails_costs_no_event(tmp_path: Path) -> None:
    provider = TracerProvider()
    provider.add_span_processor(_FailingProcessor(_Failing()))
    with Coalmine("support-bot", home=tmp_path) as cm:
        instrument(cm, tracer_provider=provider)
        with cm.call("p", version="1.0.0"):
            pass
        assert cm.flush(30)
        assert cm.stats().problems["internal"] == 1
    assert len(requests_of(spooled(tmp_path))) == 1


def test_without_an_sdk_nothing_happens(tmp_path: Path) -> None:
    with Coalmine("support-bot", home=tmp_path) as cm:
        instrument(cm, tracer_provider=trace.NoOpTracerProvider())
        with cm.call("p", version="1.0.0"):
            pass
        assert cm.flush(30)
    (record,) = requests_of(spooled(tmp_path))
    assert record["trace_id"] is None
