"""Makes an OpenTelemetry span of each call: `cm = instrument(Coalmine("support-bot"))`.

By OpenTelemetry's semantic conventions for generative AI. Needs opentelemetry-api, as a service that exports
spans has it; without an SDK nothing happens. Not beside another instrumentation of the same calls.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider, get_tracer

from coalmine.call import Call
from coalmine.client import Coalmine
from coalmine.current_span import PROMPT, REQUEST_ID, VERSION

ClientT = TypeVar("ClientT", bound=Coalmine)

SCOPE: Final = "coalmine"
"""Name of the instrumentation. Our server ignores its spans: the client sends these calls itself."""

_FIELDS: Final[Mapping[str, str]] = {
    "prompt": PROMPT,
    "version": VERSION,
    "request_id": REQUEST_ID,
    "provider": "gen_ai.provider.name",
    "response_model": "gen_ai.response.model",
    "session_id": "gen_ai.conversation.id",
    "input_tokens": "gen_ai.usage.input_tokens",
    "cached_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_creation_input_tokens": "gen_ai.usage.cache_write.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
    "error_type": "error.type",
}
"""Fields of an event and the attributes that say the same."""
_PARAMETERS: Final = (
    *("temperature", "top_p", "top_k", "max_tokens", "seed"),
    *("frequency_penalty", "presence_penalty"),
)


def instrument(client: ClientT, *, tracer_provider: TracerProvider | None = None) -> ClientT:
    """Makes a span of each call, below the span that is current when it begins.

    The span is made on the client's thread when the event is, with the times of the call: a request waits
    for nothing but a look at its context. A redaction hook and hashed ids apply to it as to the event; texts
    are never on it.

    Args:
        client: Whose calls.
        tracer_provider: Makes the spans; the global one unless given. Its processors are called on the
            client's thread: let them queue, as `BatchSpanProcessor` does.

    Returns:
        The same client.
    """
    client.follow_calls(_CallSpans(tracer_provider).begin)
    return client


class _CallSpans:
    def __init__(self, tracer_provider: TracerProvider | None) -> None:
        self._tracer = get_tracer(SCOPE, tracer_provider=tracer_provider)

    def begin(self, _call: Call) -> Callable[[dict[str, Any]], None]:
        """Notes in whose context a call begins."""
        return partial(self._make, get_current())

    def _make(self, context: Context, record: dict[str, Any]) -> None:
        model = record["request_model"]
        operation = "embeddings" if "embed" in model.lower() else "chat"
        start_ns = record["event_time"] * 1000
        span = self._tracer.start_span(
            f"{operation} {model}",
            context=context,
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.request.model": model,
                **{name: record[field] for field, name in _FIELDS.items() if record[field] is not None},
                **_more(record),
            },
            start_time=start_ns,
        )
        if record["error_type"] is not None:
            span.set_status(Status(StatusCode.ERROR))
        if record["trace_id"] is None and span.is_recording():
            record["trace_id"] = format(span.get_span_context().trace_id, "032x")
        span.end(start_ns + round(record["latency_ms"] * 1e6))


def _more(record: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that are not a field as it is."""
    found: dict[str, Any] = {
        f"gen_ai.request.{name}": json.loads(record["request_parameters"][name])
        for name in _PARAMETERS
        if name in record["request_parameters"]
    }
    if record["time_to_first_token_ms"] is not None:
        found["gen_ai.request.stream"] = True
        found["gen_ai.response.time_to_first_chunk"] = record["time_to_first_token_ms"] / 1000
    reason = record["finish_reason"]
    if reason is None and record["outcome"] in ("cancelled", "error"):
        reason = "error"  # as the conventions have an end that was not seen
    if reason is not None:
        found["gen_ai.response.finish_reasons"] = [reason]
    return found
