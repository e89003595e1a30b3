"""A call and the trace it happens in find each other, where a service traces with OpenTelemetry."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from coalmine import Coalmine
from tests.support.oracles.produced import requests_of, spooled
from tests.support.repository.tree import ROOT


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path, strict=True) as client:
        yield client


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> trace.Tracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return provider.get_tracer("a-service")


def records(cm: Coalmine, home: Path) -> list[dict[str, Any]]:
    assert cm.flush(30)
    return requests_of(spooled(home))


def test_a_call_within_a_span_marks_it_and_has_its_trace(
    cm: Coalmine, tracer: trace.Tracer, exported: InMemorySpanExporter, tmp_path: Path
) -> None:
    with tracer.start_as_current_span("GET /refund"), cm.call("support-refund", version="1.2.0") as call:
        pass
    (span,) = exported.get_finished_spans()
    assert span.attributes == {
        "gen_ai.prompt.name": "support-refund",
        "gen_ai.prompt.version": "1.2.0",
        "coalmine.request_id": call.request_id,
    }
    (record,) = records(cm, tmp_path)
    assert record["trace_id"] == format(span.context.trace_id, "032x")


def test_an_asynchronous_call_does_so_too(
    cm: Coalmine, tracer: trace.Tracer, exported: InMemorySpanExporter
) -> None:
    async def serve(name: str) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            async with cm.call(name, version="1.0.0"):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(serve("a"), serve("b"))

    asyncio.run(main())
    assert all(
        span.attributes and span.attributes["gen_ai.prompt.name"] == span.name
        for span in exported.get_finished_spans()
    )


def test_a_trace_that_the_service_names_stays(cm: Coalmine, tracer: trace.Tracer, tmp_path: Path) -> None:
    with tracer.start_as_current_span("a"), cm.call("p", version="1.0.0", trace_id="own"):
        pass
    assert [each["trace_id"] for each in records(cm, tmp_path)] == ["own"]


def test_without_a_recorded_span_an_event_has_no_trace(cm: Coalmine, tmp_path: Path) -> None:
    unsampled = TracerProvider(sampler=ALWAYS_OFF).get_tracer("a-service")
    with unsampled.start_as_current_span("a"), cm.call("p", version="1.0.0"):
        pass
    with cm.call("p", version="1.0.0"):
        pass
    assert [each["trace_id"] for each in records(cm, tmp_path)] == [None, None]


class _Broken(trace.NonRecordingSpan):
    def is_recording(self) -> bool:
        raise RuntimeError("no")


def test_a_span_that_fails_costs_no_call(tmp_path: Path) -> None:
    with Coalmine("support-bot", home=tmp_path) as cm:
        with trace.use_span(_Broken(trace.INVALID_SPAN_CONTEXT)), cm.call("p", version="1.0.0"):
            pass
        assert [each["trace_id"] for each in records(cm, tmp_path)] == [None]
        assert cm.stats().problems["internal"] == 1


def test_a_call_imports_no_opentelemetry(tmp_path: Path) -> None:
    program = f"""
import sys
from coalmine import Coalmine
with Coalmine("a", home={str(tmp_path)!r}) as cm, cm.call("p", version="1.0.0"):
    pass
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
