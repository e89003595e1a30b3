"""Spans of OpenTelemetry, as exporters and collectors send them: OTLP over HTTP."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from coalmine_server.api.problems import (
    TOO_LARGE,
    UNREADABLE,
    ProblemError,
    ProblemKind,
    problem_responses,
)
from coalmine_server.api.routes.events import EventParts, Sender, in_thread, scope_of, store
from coalmine_server.services.otlp import (
    TooManySpans,
    Traces,
    Unreadable,
    answer_in_json,
    answer_in_protobuf,
    plain_body,
    read_traces,
    spans_of_json,
    spans_of_protobuf,
    status_in_protobuf,
)

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
UNSUPPORTED: Final = ProblemKind("unsupported-media-type", "The body is in another format", 415)

# Few at a time: decoded spans take some times the memory of their bytes.
_decoders: Final = CapacityLimiter(2)


class SpanMetrics:
    """Counts spans by what became of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._spans = Counter(
            "coalmine_otlp_spans",
            "Spans that came over OTLP, by what became of them.",
            ["outcome"],
            registry=registry,
        )

    def observe(self, traces: Traces) -> None:
        """Counts the spans of one body."""
        for outcome, number in traces.outcomes.items():
            self._spans.labels(outcome).inc(number)


class OtlpRoute(APIRoute):
    """Answers problems of a request in protobuf as OTLP says, as a `google.rpc.Status`; others as ever."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Turns problems into a status where the request is in protobuf."""
        handle = super().get_route_handler()

        async def handle_otlp(request: Request) -> Response:
            try:
                return await handle(request)
            except (ProblemError, HTTPException) as error:
                if _media_type(request) != PROTOBUF:
                    raise
                if isinstance(error, HTTPException):
                    return _status(error.status_code, str(error.detail))
                return _status(error.kind.status, error.detail, error.retry_after_s)

        return handle_otlp


router = APIRouter(prefix="/v1", tags=["events"], route_class=OtlpRoute)

_SCHEMA: Final = "An `ExportTraceServiceRequest` of OTLP, in gzip if `Content-Encoding` says so."
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": _SCHEMA,
        "content": {
            PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
            JSON: {"schema": {"type": "object"}, "example": {"resourceSpans": []}},
        },
    },
}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "An `ExportTraceServiceResponse` in the request's encoding; `partial_success` counts "
        "the spans that were not taken and says why.",
        "content": {
            PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
            JSON: {"schema": {"type": "object"}},
        },
    },
    415: {"description": "The body is neither in protobuf nor in JSON."},
}


@router.post(
    "/traces",
    response_class=Response,
    responses={**problem_responses(400, 413), **_ANSWER},
    openapi_extra=_BODY,
)
async def send_traces(request: Request, actor: Sender) -> Response:
    """Stores the calls to models, evaluations and feedback that spans of OpenTelemetry tell of.

    Takes what exporters and collectors send. Spans of calls need `gen_ai.prompt.name`; the names of
    OpenLLMetry and OpenInference are understood, too. Other spans are ignored. A call's id is derived from
    its trace and span: sent again, it counts once. The answer comes once the events are safe; 429 and 503
    mean that the same body may be sent again after `Retry-After`.
    """
    parts: EventParts = request.app.state.events
    media_type = _media_type(request)
    if media_type not in (PROTOBUF, JSON):
        raise ProblemError(
            UNSUPPORTED, f"the content type {media_type[:80]!r} is unknown: send {PROTOBUF} or {JSON}"
        )
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise ProblemError(UNREADABLE, "the body ended early: send all of it") from error
    encoding = request.headers.get("content-encoding", "")

    def decode() -> Traces:
        plain = plain_body(body, encoding)
        spans = spans_of_protobuf(plain) if media_type == PROTOBUF else spans_of_json(plain)
        return read_traces(
            spans,
            parts.reader,
            app=actor.subject,
            environment=actor.environment,
            scope=scope_of(request, actor),
            prompt_of=request.app.state.experiment_prompts,
        )

    try:
        traces = await to_thread.run_sync(decode, limiter=_decoders)
    except Unreadable as error:
        raise ProblemError(UNREADABLE, error.detail) from error
    except TooManySpans as error:
        raise ProblemError(TOO_LARGE, error.detail) from error
    await in_thread(lambda: store(parts, actor, traces.reading))
    metrics: SpanMetrics = request.app.state.span_metrics
    metrics.observe(traces)
    answer = answer_in_protobuf if media_type == PROTOBUF else answer_in_json
    return Response(answer(traces.rejected, traces.message), media_type=media_type)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _status(status: int, message: str, retry_after_s: int | None = None) -> Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Response(status_in_protobuf(message), status, headers, media_type=PROTOBUF)
