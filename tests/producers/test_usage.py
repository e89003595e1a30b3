"""What providers, gateways and libraries say a call used, read from usages as they send them."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from genai_prices.data_snapshot import get_snapshot

from coalmine.replies import billed_usage, merge, read_reply
from tests.support.data.replies import (
    ANTHROPIC_MESSAGE,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    OPENAI_RESPONSE,
    as_object,
)
from tests.support.data.usages import USAGES, UsageCase

_EVERY = pytest.mark.parametrize("case", USAGES, ids=[case.name for case in USAGES])


def _counts(reply: object, provider: str | None = None) -> dict[str, int | float]:
    facts = read_reply(reply, want_text=False)
    assert facts is not None
    return {
        key: count
        for key, count in billed_usage(facts, provider).counts.items()
        if count and "text" not in key
    }


@_EVERY
@pytest.mark.parametrize("shape", [deepcopy, as_object], ids=["dict", "object"])
def test_the_counts_that_are_billed_are_read(case: UsageCase, shape: Any) -> None:
    assert _counts(shape(case.reply), case.provider) == case.counts


@_EVERY
def test_genai_prices_reads_the_same_where_it_knows_the_shape(case: UsageCase) -> None:
    if case.oracle is None:
        pytest.skip("a shape, or a part of one, that the library does not read")
    provider, flavor = case.oracle
    _, found = get_snapshot().find_provider(None, provider, None).extract_usage(case.reply, api_flavor=flavor)
    counted = {key: count for key, count in vars(found).items() if count and "text" not in key}
    assert counted == case.counts


def test_langchains_chunks_may_have_the_inputs_counts_first_and_the_outputs_last() -> None:
    chunk = type("AIMessageChunk", (), {})
    known = None
    for counts in ((1000, 1), (0, 20)):
        piece: Any = chunk()
        piece.usage_metadata = dict(zip(("input_tokens", "output_tokens"), counts, strict=True))
        facts = read_reply(piece, want_text=False)
        assert facts is not None
        known = facts if known is None else merge(known, facts)
    assert known is not None
    assert billed_usage(known, None).counts == {"input_tokens": 1000, "output_tokens": 20}


class _TextChunk:
    """As LangChain has them: a message's next words."""

    def __init__(self, content: str, reason: str | None = None) -> None:
        self.content, self.usage_metadata = content, None
        self.response_metadata = {"finish_reason": reason} if reason else {}


_OLLAMA = {"model": "llama3", "message": {"role": "assistant", "content": "Yes"}, "done": False}
_STREAMS: dict[str, tuple[list[Any], str | None, dict[str, int]]] = {
    "langchain without counts": ([_TextChunk("Yes"), _TextChunk("."), _TextChunk("", "stop")], "stop", {}),
    "ollama": (
        [_OLLAMA, _OLLAMA,
         {**_OLLAMA, "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2}],
        "stop", {"input_tokens": 9, "output_tokens": 2},
    ),
    "ollama, completion": ([{"model": "llama3", "response": "Yes", "done": False}], None, {}),
    "bedrock": (
        [{"messageStart": {"role": "assistant"}},
         {"contentBlockDelta": {"delta": {"text": "Yes."}, "contentBlockIndex": 0}},
         {"contentBlockStop": {"contentBlockIndex": 0}}, {"messageStop": {"stopReason": "end_turn"}},
         {"metadata": {"usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}}}],
        "end_turn", {"input_tokens": 9, "output_tokens": 2},
    ),
    "gemini": (
        [{"candidates": [{"content": {"parts": [{"text": "Yes."}]}}], "modelVersion": "gemini-2.5-flash"},
         {"candidates": [{"finishReason": "STOP"}],
          "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}}],
        "STOP", {"input_tokens": 9, "output_tokens": 2},
    ),
    "cohere": (
        [{"type": "message-start", "id": "1"}, {"type": "content-delta", "delta": {"message": {}}},
         {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {
             "billed_units": {"input_tokens": 9, "output_tokens": 2}}}}],
        "COMPLETE", {"input_tokens": 9, "output_tokens": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _STREAMS)
@pytest.mark.parametrize("shape", [lambda piece: piece, as_object], ids=["dict", "object"])
def test_pieces_of_streams_that_have_no_counts_are_known(name: str, shape: Any) -> None:
    pieces, finish_reason, counts = _STREAMS[name]
    if shape is as_object and name in ("bedrock", "langchain without counts"):
        return  # always dicts, and always objects
    facts = None
    for piece in pieces:
        read = read_reply(shape(piece), want_text=False)
        assert read is not None, piece
        facts = read if facts is None else merge(facts, read)
    assert facts is not None
    assert facts.finish_reason == finish_reason
    assert billed_usage(facts, None).counts == counts


@pytest.mark.parametrize(
    "reply", [MagicMock(), {"done": "no"}, {"type": "cat"}, {"content": "Yes."}, "Yes.", 5]
)
def test_what_is_no_reply_is_not_taken_for_a_piece_of_one(reply: object) -> None:
    facts = read_reply(reply, want_text=False)
    assert facts is None or not facts.is_piece


_HELPERS = ["content.delta", "content.done", "refusal.delta", "refusal.done", "logprobs.content.delta",
            "logprobs.refusal.done", "tool_calls.function.arguments.delta", "text", "thinking", "signature",
            "citation", "input_json"]  # fmt: skip


@pytest.mark.parametrize("kind", _HELPERS)
def test_events_that_helpers_of_streams_add_are_pieces(kind: str) -> None:
    """OpenAI's and Anthropic's packages give them between the pieces that the provider sent."""
    event: Any = type("Event", (), {"__module__": "openai.lib.streaming"})()
    event.type, event.snapshot = kind, "Yes."
    facts = read_reply(event, want_text=True)
    assert facts is not None
    assert facts.is_piece
    assert (facts.usages, facts.text) == ((), None), "the provider's own piece says it"


@pytest.mark.parametrize("module", ["openai._legacy_response", "anthropic._legacy_response"])
def test_a_raw_response_is_parsed(module: str) -> None:
    raw: Any = type("LegacyAPIResponse", (), {"__module__": module})()
    raw.headers, raw.parse = {}, lambda: as_object(OPENAI_CHAT)
    assert _counts(raw) == _counts(OPENAI_CHAT)


@pytest.mark.parametrize("name", ["APIResponse", "AsyncAPIResponse"])
def test_a_raw_response_that_is_not_read_yet_is_left_alone(name: str) -> None:
    raw: Any = type(name, (), {"__module__": "openai._response"})()
    raw.parse = pytest.fail
    assert read_reply(raw, want_text=False) is None


_TOKENS = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "Yes.", "usage_metadata": None, "response_metadata": {"token_usage": _TOKENS}},
        {"generations": [[]], "llm_output": {"token_usage": _TOKENS, "model_name": "gpt-4o"}},
        {"raw": "Yes.", "token_usage": SimpleNamespace(**_TOKENS)},
        {"content": "Yes.", "raw": None, "token_usage": SimpleNamespace(input_tokens=12, output_tokens=5)},
        {"_meta": {}, "meta": {"model": "gpt-4o", "usage": _TOKENS}},
    ],
    ids=["langchain message", "langchain result", "crewai", "smolagents", "haystack"],
)
def test_counts_are_found_where_libraries_keep_them(fields: dict[str, Any]) -> None:
    assert _counts(SimpleNamespace(**fields)) == {"input_tokens": 12, "output_tokens": 5}


def test_pydantic_ais_results_have_usage_as_a_method() -> None:
    usage = SimpleNamespace(input_tokens=12, output_tokens=5)
    members = {"__module__": "pydantic_ai.run", "usage": lambda _: usage}
    assert _counts(type("AgentRunResult", (), members)()) == {"input_tokens": 12, "output_tokens": 5}


def test_embeddings_write_no_tokens() -> None:
    for reply in (OPENAI_EMBEDDINGS, as_object(OPENAI_EMBEDDINGS)):
        facts = read_reply(reply, want_text=False)
        assert facts is not None
        assert billed_usage(facts, None).counts == {"input_tokens": 8, "output_tokens": 0}


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "12"}, {"prompt_tokens": True}]
)
@pytest.mark.parametrize("reply", [OPENAI_CHAT, OPENAI_RESPONSE, ANTHROPIC_MESSAGE])
def test_a_reply_without_usable_usage_has_no_counts(reply: dict[str, Any], usage: object) -> None:
    assert _counts({**reply, "usage": usage}) == {}


@pytest.mark.parametrize("tokens", [-1, 1.5, float("nan"), float("inf"), "many", MagicMock()])
def test_what_is_no_count_is_not_taken_for_one(tokens: object) -> None:
    assert _counts({**OPENAI_CHAT, "usage": {"prompt_tokens": tokens}}) == {}
    assert _counts({"usage_metadata": {"prompt_token_count": tokens}}) == {}


def test_an_object_that_leads_back_to_itself_is_read_to_an_end() -> None:
    loop: Any = SimpleNamespace(prompt_token_count=5)
    loop.more = [loop] * 1000
    assert _counts(SimpleNamespace(usage_metadata=loop)) == {"input_tokens": 5}
    assert _counts(MagicMock()) == {}


@pytest.mark.parametrize(
    ("usage", "nano_usd"),
    [
        ({"cost": 0.0012345}, 1_234_500),
        ({"cost": "0.0012345"}, 1_234_500),
        ({"cost": 0}, 0),
        ({"cost": {"input_tokens_cost": 0.001, "total_cost": 0.006}}, 6_000_000),
        ({"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}, 10_500_000),
        ({"cost": 0.0005, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}}, 500_000),
        ({"cost_in_usd_ticks": 37_756_000}, 3_775_600),
        ({"estimated_cost": 0.00002}, 20_000),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 1e300}, None),
        ({"cost": "much"}, None),
        ({"cost": True}, None),
        ({}, None),
    ],
)
def test_a_cost_that_a_gateway_states_is_read(usage: dict[str, Any], nano_usd: int | None) -> None:
    for reply in ({**OPENAI_CHAT, "usage": {**OPENAI_CHAT["usage"], **usage}},):
        for shaped in (reply, as_object(reply)):
            facts = read_reply(shaped, want_text=False)
            assert facts is not None
            assert billed_usage(facts, None).cost_nano_usd == nano_usd


def test_the_cost_beside_litellms_reply_counts_unless_it_is_zero() -> None:
    for cost, nano_usd in ((0.002, 2_000_000), (0.0, None), (None, None)):
        reply = as_object(OPENAI_CHAT)
        reply._hidden_params = {"response_cost": cost}
        facts = read_reply(reply, want_text=False)
        assert facts is not None
        assert billed_usage(facts, None).cost_nano_usd == nano_usd


@pytest.mark.parametrize(
    ("reply", "tier"),
    [
        ({**OPENAI_CHAT, "service_tier": "flex"}, "flex"),
        ({**OPENAI_RESPONSE, "service_tier": "priority"}, "priority"),
        (ANTHROPIC_MESSAGE, "standard"),
        (
            {**ANTHROPIC_MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 1, "service_tier": "batch"}},
            "batch",
        ),
        ({**ANTHROPIC_MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 1, "speed": "fast"}}, "fast"),
        ({**ANTHROPIC_MESSAGE, "usage": {"input_tokens": 1, "inference_geo": "us"}}, "us"),
        ({**ANTHROPIC_MESSAGE, "usage": {"input_tokens": 1, "inference_geo": "not_available"}}, None),
        ({**ANTHROPIC_MESSAGE, "usage": {"service_tier": "standard", "inference_geo": "us"}}, "us"),
        ({**ANTHROPIC_MESSAGE, "usage": {"service_tier": "standard", "inference_geo": "global"}}, "standard"),
        ({**ANTHROPIC_MESSAGE, "usage": {"service_tier": "batch", "inference_geo": "us"}}, "batch+us"),
        ({**ANTHROPIC_MESSAGE, "usage": {"speed": "fast", "inference_geo": "us"}}, "fast+us"),
        (OPENAI_RESPONSE, None),
    ],
)
def test_the_tier_of_service_that_is_billed_is_read(reply: dict[str, Any], tier: str | None) -> None:
    facts = read_reply(as_object(reply), want_text=False)
    assert facts is not None
    assert billed_usage(facts, None).service_tier == tier
