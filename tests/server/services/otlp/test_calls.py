"""The span of a call becomes the request that the client would have sent, by each convention's names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from coalmine_schemas.identifiers import derived_uuid7
from coalmine_server.services.otlp.calls import UNVERSIONED, NoPrompt, is_call, request_of
from coalmine_server.services.otlp.spans import BadSpan, SpanEvent, Value
from tests.support.data.spans import CHAT, PROMPT, SPAN, START_NS, TRACE, span


def said(**changes: Any) -> dict[str, Any]:
    """The request of a span with other fields or attributes, without what is not known."""
    return {name: value for name, value in request_of(span(**changes)).items() if value not in (None, {})}


def test_the_current_names() -> None:
    assert said(
        attributes={
            **CHAT,
            "gen_ai.provider.name": "azure.ai.openai",
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_write.input_tokens": 50,
            "gen_ai.usage.reasoning.output_tokens": 40,
            "gen_ai.usage.audio.input_tokens": 7,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.conversation.id": "conversation-1",
            "openai.response.service_tier": "flex",
            "enduser.id": "user-7",
            "gen_ai.input.messages": [{"role": "user"}],
            "gen_ai.output.messages": "[]",
            "coalmine.segments.tier": "pro",
            "coalmine.metrics.quality": 0.5,
            "coalmine.variant": "treatment",
            "coalmine.experiment": "refund-tone",
            "coalmine.allocation_epoch": 3,
        },
        resource={"service.name": "support-bot", "deployment.environment.name": "production"},
    ) == {
        "type": "request",
        "request_id": derived_uuid7(START_NS // 1_000_000, TRACE, SPAN),
        "event_time": datetime(2026, 11, 29, 9, 0, 0, 123456, tzinfo=UTC),
        "app": "support-bot",
        "environment": "prod",
        "prompt": "support-refund",
        "version": "1.2.0",
        "variant": "treatment",
        "experiment": "refund-tone",
        "allocation_epoch": 3,
        "unit_id": "user-7",
        "session_id": "conversation-1",
        "trace_id": TRACE,
        "provider": "azure",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "request_parameters": {"temperature": "0.5", "stop": '["END"]'},
        "service_tier": "flex",
        "input_tokens": 1000,
        "cached_input_tokens": 600,
        "cache_creation_input_tokens": 50,
        "audio_input_tokens": 7,
        "output_tokens": 100,
        "reasoning_output_tokens": 40,
        "latency_ms": 1500.0,
        "time_to_first_token_ms": 250.0,
        "finish_reason": "stop",
        "segments": {"tier": "pro"},
        "metrics": {"quality": 0.5},
        "input_text": '[{"role": "user"}]',
        "output_text": "[]",
    }


OTHERS: dict[str, tuple[dict[str, Value], dict[str, Any]]] = {
    "previous": (
        {
            **PROMPT,
            "gen_ai.system": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.prompt_tokens": 1000,
            "gen_ai.usage.completion_tokens": 100,
            "gen_ai.usage.cache_read_input_tokens": 600,
            "gen_ai.usage.cache_creation_input_tokens": 50,
            "gen_ai.usage.reasoning_tokens": 40,
            "gen_ai.response.finish_reasons": ["end_turn"],
        },
        {"provider": "anthropic", "request_model": "claude-sonnet-4-5", "finish_reason": "end_turn"},
    ),
    "traceloop": (
        {
            "traceloop.prompt.key": "support-refund",
            "traceloop.prompt.version": 3,
            "gen_ai.system": "OpenAI",
            "llm.request.type": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "llm.usage.prompt_tokens": 1000,
            "llm.usage.completion_tokens": 100,
            "llm.usage.cache_read_input_tokens": 600,
            "llm.usage.cache_creation_input_tokens": 50,
            "llm.usage.reasoning_tokens": 40,
            "llm.response.finish_reason": "stop",
            "traceloop.association.properties.user_id": "user-7",
            "traceloop.association.properties.session_id": "s-1",
        },
        {
            "provider": "openai",
            "version": "3",
            "request_model": "gpt-4o-mini",
            "finish_reason": "stop",
            "unit_id": "user-7",
            "session_id": "s-1",
        },
    ),
    "openinference": (
        {
            "prompt.id": "support-refund",
            "llm.prompt_template.version": "1.2.0",
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.model_name": "gpt-4o-mini-2024-07-18",
            "llm.invocation_parameters": '{"model": "gpt-4o-mini", "temperature": 0, "stream": false}',
            "llm.token_count.prompt": 1000,
            "llm.token_count.completion": 100,
            "llm.token_count.prompt_details.cache_read": 600,
            "llm.token_count.prompt_details.cache_write": 50,
            "llm.token_count.completion_details.reasoning": 40,
            "llm.finish_reason": "stop",
            "user.id": "user-7",
            "session.id": "s-1",
        },
        {
            "provider": "openai",
            "request_model": "gpt-4o-mini",
            "response_model": "gpt-4o-mini-2024-07-18",
            "request_parameters": {"temperature": "0"},
            "finish_reason": "stop",
            "unit_id": "user-7",
            "session_id": "s-1",
        },
    ),
    "vercel": (
        {
            **PROMPT,
            "operation.name": "ai.generateText.doGenerate",
            "gen_ai.system": "openai.chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_creation.input_tokens": 50,
            "gen_ai.usage.reasoning.output_tokens": 40,
            "ai.response.finishReason": "stop",
            "ai.response.msToFirstChunk": 120,
        },
        {"request_model": "gpt-4o-mini", "finish_reason": "stop", "time_to_first_token_ms": 120},
    ),
}


@pytest.mark.parametrize("convention", OTHERS)
def test_the_names_of_other_conventions(convention: str) -> None:
    attributes, expected = OTHERS[convention]
    assert is_call(attributes)
    found = said(attributes=attributes)
    counts = {"input_tokens": 1000, "output_tokens": 100, "reasoning_output_tokens": 40}
    counts |= {"cached_input_tokens": 600, "cache_creation_input_tokens": 50}
    wanted = {"prompt": "support-refund", "version": "1.2.0", **counts, **expected}
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "POST"},
        {**CHAT, "gen_ai.operation.name": "invoke_agent"},  # it has the sums of its calls
        {**CHAT, "gen_ai.operation.name": "execute_tool"},
        {**CHAT, "gen_ai.operation.name": "create_agent"},
        {"openinference.span.kind": "CHAIN", "llm.model_name": "m", "llm.provider": "p"},
        {"traceloop.span.kind": "workflow", "gen_ai.system": "p", "gen_ai.request.model": "m"},
        {"llm.request.type": "rerank", "gen_ai.system": "p", "gen_ai.request.model": "m"},
        {"gen_ai.system": "openai"},
    ],
)
def test_other_spans_are_no_calls(attributes: dict[str, Value]) -> None:
    assert not is_call(attributes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"error.type": "openai.RateLimitError", "gen_ai.response.finish_reasons": None},
            {"error_type": "RateLimitError"},
        ),
        ({"error.type": "429"}, {"error_type": "429", "finish_reason": "stop"}),
        ({"error.type": "asyncio.CancelledError"}, {"outcome": "cancelled"}),
        ({"gen_ai.response.finish_reasons": ["error"]}, {"outcome": "cancelled"}),
        ({"gen_ai.response.finish_reasons": ["error"], "error.type": "500"}, {"error_type": "500"}),
        ({"gen_ai.response.finish_reasons": ["length", "stop"]}, {"finish_reason": "length"}),
        ({"gen_ai.response.finish_reasons": None}, {}),
        # Whoever closes a stream sees no end of it.
        (
            {
                "gen_ai.response.finish_reasons": None,
                "gen_ai.request.stream": True,
                "gen_ai.usage.output_tokens": None,
            },
            {"outcome": "cancelled"},
        ),
    ],
)
def test_what_failed_and_what_was_cancelled_are_two_things(
    changes: dict[str, Value], expected: dict[str, str]
) -> None:
    found = said(attributes={**CHAT, **changes})
    assert {
        name: found[name] for name in ("outcome", "error_type", "finish_reason") if name in found
    } == expected


def test_a_failed_span_without_a_type_has_that_of_its_exception() -> None:
    raised = SpanEvent("exception", START_NS, {"exception.type": "openai.BadRequestError"})
    assert said(failed=True, events=(raised,))["error_type"] == "BadRequestError"
    assert said(failed=True)["error_type"] == "error"


@pytest.mark.parametrize("name", ["First Token Stream Event", "gen_ai.content.completion.chunk"])
def test_the_first_piece_of_a_stream_tells_when_it_came(name: str) -> None:
    pieces = tuple(SpanEvent(name, START_NS + ms * 1_000_000) for ms in (40, 90))
    assert said(events=pieces)["time_to_first_token_ms"] == 40.0


def test_cached_tokens_are_part_of_the_input_also_where_an_instrumentation_leaves_them_out() -> None:
    counts: dict[str, Value] = {
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 1800,
        "gen_ai.usage.cache_write.input_tokens": 248,
    }
    assert said(attributes={**CHAT, **counts})["input_tokens"] == 2098


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (7, 7),
        (7.0, 7),
        ("7", 7),
        ("", None),
        (True, None),
        (0.5, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_count_is_a_whole_number_or_nothing(given: Value, count: int | None) -> None:
    found = request_of(span({**CHAT, "gen_ai.usage.input_tokens": given}))
    assert found["input_tokens"] == count


def test_the_id_depends_on_trace_span_and_start_only() -> None:
    first = said()["request_id"]
    assert said(attributes={**CHAT, "late": True})["request_id"] == first
    others = {
        said(**{key: value})["request_id"] for key, value in (("trace_id", "1" * 32), ("span_id", "2" * 16))
    }
    assert len({first, *others}) == 3
    own = "01a2226c-8b0f-7606-a212-c3f940cf2282"
    assert said(attributes={**CHAT, "coalmine.request_id": own})["request_id"] == own


def test_the_resource_may_name_the_prompt_of_a_service_that_has_one() -> None:
    without = {key: value for key, value in CHAT.items() if not key.startswith("gen_ai.prompt.")}
    found = said(
        attributes=without, resource={"gen_ai.prompt.name": "only", "service.name": "unknown_service:node"}
    )
    assert (found["prompt"], found["version"]) == ("only", UNVERSIONED)
    assert "app" not in found  # the token's


def test_a_call_of_no_prompt_is_named() -> None:
    with pytest.raises(NoPrompt, match=r"gen_ai\.prompt\.name"):
        request_of(span({"gen_ai.operation.name": "chat"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"start_ns": 0},
        {"end_ns": START_NS - 1},
        {"end_ns": 0},
        {"trace_id": ""},
        {"trace_id": "0" * 32},
        {"span_id": "12"},
    ],
)
def test_what_cannot_be_an_event_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(BadSpan, match="give"):
        request_of(span(**changes))
