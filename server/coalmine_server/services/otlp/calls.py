"""From the span of one call to a model to its request event. Nothing is checked that `EventReader` checks."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coalmine_schemas.identifiers import derived_uuid7
from coalmine_schemas.providers import provider_id
from coalmine_server.services.otlp import names
from coalmine_server.services.otlp.parameters import as_json, parameters_of
from coalmine_server.services.otlp.spans import BadSpan, Span, Value

OPERATIONS: Final = frozenset(
    {"chat", "generate_content", "text_completion", "embeddings", "completion", "embedding"}
)
"""`gen_ai.operation.name` of calls; those of agents, tools and workflows contain calls, or are none."""
_NO_MODEL: Final = "none"
"""What Spring AI writes for the model that answered where none did."""
UNVERSIONED: Final = "unversioned"
"""Version of a call whose span names a prompt only."""
OWN_SCOPE: Final = "coalmine"
"""The client's own spans, whose calls it sends itself."""

_KINDS: Final = frozenset({"LLM", "EMBEDDING"})
_REQUEST_TYPES: Final = frozenset({"chat", "completion", "embedding"})
_CANCELLED: Final = frozenset({"CancelledError", "Cancelled", "GeneratorExit", "AbortError"})
_ERROR_NAME: Final = re.compile(r"[\w$/-]+((\.|::)[\w$/-]+)*(?=:|$)")
"""The class or code of an error."""
_ENVIRONMENTS: Final = {"production": "prod", "development": "dev", "stage": "staging"}
"""OpenTelemetry's usual names to ours."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_PROMPT: Final = (
    "names no prompt: set gen_ai.prompt.name and gen_ai.prompt.version on the span of the call "
    "(docs/opentelemetry.md)"
)


class NoPrompt(BadSpan):
    """The span of a call that names no prompt."""

    def __init__(self) -> None:
        super().__init__(_NO_PROMPT)

    def __reduce__(self) -> tuple[type["NoPrompt"], tuple[()]]:
        return NoPrompt, ()


def is_call(attributes: Mapping[str, Value]) -> bool:
    """Returns True if a span is one call to a model, and not an agent, a tool, or anything else."""
    operation = names.text(attributes, ("gen_ai.operation.name",))
    if operation is not None:
        return operation in OPERATIONS
    kind = names.text(attributes, ("openinference.span.kind",))
    if kind is not None:
        return kind.upper() in _KINDS
    request_type = names.text(attributes, ("llm.request.type",))
    if request_type is not None:
        return request_type in _REQUEST_TYPES
    if names.text(attributes, ("traceloop.span.kind",)) is not None:
        return False
    models = (*names.REQUEST_MODEL, *names.RESPONSE_MODEL)
    return names.text(attributes, names.PROVIDER) is not None and names.text(attributes, models) is not None


def request_id_of(span: Span) -> str:
    """The id of the call that a span is of: its own, or derived, so that a retry has the same.

    Raises:
        BadSpan: The span has neither.
    """
    own = names.text(span.attributes, (names.REQUEST_ID,))
    if own is not None:
        return own
    ids = (span.trace_id, span.span_id)
    if tuple(map(len, ids)) != (32, 16) or not all(int(each, 16) for each in ids):
        raise BadSpan("has no valid trace and span id: give 16 and 8 bytes")
    return derived_uuid7(span.start_ns // 1_000_000, span.trace_id, span.span_id)


def moment(time_ns: int) -> datetime:
    """A time of a span as events have it."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def app_of(span: Span) -> str | None:
    """The service that made a span, where it says so."""
    service = names.text(span.resource, names.SERVICE)
    # What an SDK sends that was told nothing.
    return None if service is None or service.startswith("unknown_service") else service


def request_of(span: Span) -> dict[str, Any]:
    """The fields of the request that a call's span tells of, as `EventReader` takes them.

    Raises:
        NoPrompt: It names no prompt.
        BadSpan: It cannot be an event.
    """
    attributes = span.attributes
    if not 0 < span.start_ns <= span.end_ns:
        raise BadSpan("has no start before its end: give both in nanoseconds")
    # A service of one prompt may say so once, in the resource.
    named = {**span.resource, **attributes}
    prompt = names.text(named, names.PROMPT)
    if prompt is None:
        raise NoPrompt
    fields: dict[str, Any] = {
        field: names.text(attributes, found_in) for field, found_in in names.TEXTS.items()
    }
    fields |= {field: names.count(attributes, found_in) for field, found_in in names.COUNTS.items()}
    if fields["response_model"] == _NO_MODEL:
        fields["response_model"] = None
    _include_cached(fields)
    parameters = parameters_of(attributes)
    fields |= _ending(span, fields["output_tokens"], streamed=_is_streamed(attributes, parameters))
    provider = names.text(attributes, names.PROVIDER)
    asked = names.text(attributes, names.REQUEST_MODEL) or _text(parameters.get("model"))
    environment = names.text(named, names.ENVIRONMENT)
    return {
        **fields,
        "type": "request",
        "request_id": request_id_of(span),
        "event_time": moment(span.start_ns),
        "app": app_of(span),
        "environment": _ENVIRONMENTS.get(environment or "", environment),
        "prompt": prompt,
        "version": names.text(named, names.VERSION) or UNVERSIONED,
        "trace_id": span.trace_id or None,
        "provider": None if provider is None else provider_id(provider),
        "request_model": asked or fields["response_model"],
        "request_parameters": as_json(parameters),
        "latency_ms": (span.end_ns - span.start_ns) / 1e6,
        "time_to_first_token_ms": _first_chunk_ms(span),
        "segments": {name: str(value) for name, value in _below(attributes, names.SEGMENT)},
        "metrics": {
            name: float(value)
            for name, value in _below(attributes, names.METRIC)
            if isinstance(value, int | float)
        },
        "input_text": _content(attributes, names.INPUT),
        "output_text": _content(attributes, names.OUTPUT),
    }


def _include_cached(fields: dict[str, Any]) -> None:
    """Counts cached tokens as input, as the conventions say; some instrumentations leave them out."""
    cached = (fields["cached_input_tokens"] or 0) + (fields["cache_creation_input_tokens"] or 0)
    if fields["input_tokens"] is not None and cached > fields["input_tokens"]:
        fields["input_tokens"] += cached


def _ending(span: Span, output_tokens: int | None, *, streamed: bool) -> dict[str, Any]:
    """How the call ended: what failed, what its caller cancelled, and the model's own reason."""
    attributes = span.attributes
    reason = next(names.values(attributes, names.FINISH_REASONS), None)
    listed = names.parsed(reason)
    if isinstance(listed, list):
        reason = listed[0] if listed else None
    reason = _text(reason)
    error = _text(attributes.get("error.type"))
    if error is None and span.failed:
        raised = (each.attributes.get("exception.type") for each in span.events if each.name == "exception")
        error = next(filter(None, map(_text, raised)), "error")
    if error is not None:
        # As the client has it: `openai.RateLimitError` is `RateLimitError`. A message may repeat
        # what a user wrote: only the name before it is kept.
        named = _ERROR_NAME.match(error)
        error = (named[0].rpartition(".")[2] or named[0]) if named else "error"
        if error in _CANCELLED:
            return {"outcome": "cancelled", "finish_reason": None, "error_type": None}
        return {"finish_reason": None if reason == "error" else reason, "error_type": error}
    if reason == "error" or (reason is None and streamed and output_tokens is None):
        # No error, but the end was not seen either: whoever read the stream closed it.
        return {"outcome": "cancelled", "finish_reason": None, "error_type": None}
    return {"finish_reason": reason, "error_type": None}


def _is_streamed(attributes: Mapping[str, Value], parameters: Mapping[str, Any]) -> bool:
    said = next(names.values(attributes, names.STREAMED), None)
    return bool(parameters.get("stream") if said is None else said)


def _first_chunk_ms(span: Span) -> float | None:
    seconds = names.number(span.attributes, names.FIRST_CHUNK_S)
    if seconds is not None:
        return seconds * 1000
    ms = names.number(span.attributes, names.FIRST_CHUNK_MS)
    if ms is not None:
        return ms
    first = next((each.time_ns for each in span.events if each.name in names.FIRST_CHUNK_EVENTS), 0)
    return (first - span.start_ns) / 1e6 if first >= span.start_ns else None


def _below(attributes: Mapping[str, Value], prefix: str) -> list[tuple[str, Value]]:
    return [(name[len(prefix) :], value) for name, value in attributes.items() if name.startswith(prefix)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _content(attributes: Mapping[str, Value], found_in: tuple[str, ...]) -> str | None:
    value = next(names.values(attributes, found_in), None)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
