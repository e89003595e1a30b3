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


def test_pydantic_ais_results_have_usage_as_a_method() -> None:
    result: Any = type("AgentRunResult", (), {"__module__": "pydantic_ai.run"})()
    result.usage = lambda: SimpleNamespace(input_tokens=12, output_tokens=5)
    assert _counts(result) == {"input_tokens": 12, "output_tokens": 5}


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
        (OPENAI_RESPONSE, None),
    ],
)
def test_the_tier_of_service_that_is_billed_is_read(reply: dict[str, Any], tier: str | None) -> None:
    facts = read_reply(as_object(reply), want_text=False)
    assert facts is not None
    assert billed_usage(facts, None).service_tier == tier
