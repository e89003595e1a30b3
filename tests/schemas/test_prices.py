"""Costs equal what genai-prices says, without asking it each time."""

import functools
import random
import socket
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.own_prices import OwnPrice, published_prices
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.usage import Usage
from tests.support.campaign import size

_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
_FIRST = datetime(2023, 1, 1, tzinfo=UTC)
_MODELS = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
_COUNTS = st.integers(0, 400_000) | st.sampled_from(
    [0, 1, 128_000, 128_001, 200_000, 200_001, 272_000, 10**7]
)


@functools.cache
def _priced() -> list[tuple[Provider, ModelInfo]]:
    """Takes a second, which a process that collects tests does not have."""
    return [
        (provider, model)
        for provider, model in _MODELS
        if {"input_mtok", "output_mtok"}
        <= {k for k, v in vars(model.get_prices(_AT)).items() if v is not None}
        and provider.find_model(model.id) is model
        and not any(price.is_for(provider.id, model.id) for price in published_prices())
    ]


@functools.cache
def _with_kinds() -> list[tuple[Provider, ModelInfo]]:
    return [
        (provider, model)
        for provider, model in _priced()
        if any(kind in str(vars(model.get_prices(_AT))) for kind in ("audio", "image", "reasoning", "1h"))
        or model.price_variants
    ]


def _us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def _cost(
    usage: Usage, *models: str | None, at: datetime = _AT, table: PriceTable | None = None, **more: Any
) -> int | None:
    cost = (table or PriceTable()).cost(usage, models=models, at_us=_us(at), **more)
    return None if cost is None else cost.nano_usd


def _by_the_library(
    provider: Provider, model: ModelInfo, usage: Usage, at: datetime, tier: str | None
) -> int | None:
    context = (
        {"processing": "batch"}
        if tier == "batch"
        else {"service_tier": tier, "speed": tier}
        if tier
        else None
    )
    if (
        tier not in (None, "default")
        and (provider.id, tier) != ("groq", "flex")
        and not any(
            variant.when.items() <= (context or {}).items()
            and (variant.constraint is None or variant.constraint.active(at))
            for variant in model.price_variants or ()
        )
    ):
        return None  # the library takes the standard price
    try:
        price = model.calc_price(
            LibraryUsage(**usage), provider, genai_request_timestamp=at, price_context=context
        )
    except ValueError:
        return None
    return int((price.total_price * 10**9).to_integral_value(ROUND_HALF_EVEN))


@given(
    priced=st.deferred(lambda: st.sampled_from(_priced()) | st.sampled_from(_with_kinds())),
    fresh=st.tuples(*[_COUNTS] * 4),
    kinds=st.tuples(*[st.integers(0, 5000)] * 6),
    tier=st.sampled_from([None, None, "default", "flex", "priority", "batch", "fast", "unheard-of"]),
    at=st.integers(0, 4 * 365 * 24 * 60).map(lambda minutes: _FIRST + timedelta(minutes=minutes)),
)
@settings(max_examples=size(60, 5_000), deadline=None)
def test_a_cost_is_what_the_library_calculates(
    priced: tuple[Provider, ModelInfo],
    fresh: tuple[int, int, int, int],
    kinds: tuple[int, int, int, int, int, int],
    tier: str | None,
    at: datetime,
) -> None:
    provider, model = priced
    plain, cached, written, output = fresh
    audio, image, cached_audio, written_1h, reasoning, audio_out = kinds
    usage = {
        "input_tokens": plain + cached + written + audio + image,
        "cache_read_tokens": cached + cached_audio,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": min(written, written_1h),
        "input_audio_tokens": audio + cached_audio,
        "input_image_tokens": image,
        "cache_audio_read_tokens": cached_audio,
        "cache_image_read_tokens": 0,
        "output_tokens": output + reasoning + audio_out,
        "output_reasoning_tokens": reasoning,
        "output_audio_tokens": audio_out,
        "web_searches": kinds[0] % 3,
    }
    usage["input_tokens"] += cached_audio
    if "claude" in model.id and model.get_prices(at).cache_write_1h_mtok is None:
        usage["cache_write_1h_tokens"] = 0  # many lists lack the price; it is twice the input's
    expected = _by_the_library(provider, model, usage, at, tier)
    assert _cost(usage, model.id, provider=provider.id, service_tier=tier, at=at) == expected


def test_every_known_model_costs_what_the_library_says() -> None:
    rng = random.Random(7)
    table = PriceTable()
    for provider, model in _priced():
        usage = {"input_tokens": rng.randrange(1, 1_000_000), "output_tokens": rng.randrange(0, 50_000)}
        usage["cache_read_tokens"] = rng.randrange(0, usage["input_tokens"])
        at = _AT - timedelta(minutes=rng.randrange(0, 3 * 365 * 24 * 60))
        expected = _by_the_library(provider, model, usage, at, None)
        assert _cost(usage, model.id, provider=provider.id, at=at, table=table) == expected, model.id
    assert len(_priced()) > 1500


def test_known_prices_in_nano_dollars() -> None:
    # USD per million tokens: gpt-4o-mini 0.15 in, 0.075 cached, 0.60 out.
    usage = {"input_tokens": 1200, "output_tokens": 80, "cache_read_tokens": 1024}
    assert _cost(usage, "gpt-4o-mini-2024-07-18") == (1200 - 1024) * 150 + 1024 * 75 + 80 * 600
    # claude-sonnet-4-5: 3 in, 0.30 cache read, 3.75 cache write (6 for an hour), 15 out.
    usage = {"input_tokens": 2098, "cache_read_tokens": 1800, "cache_write_tokens": 248, "output_tokens": 503}
    usage["cache_write_1h_tokens"] = 100
    expected = 50 * 3000 + 1800 * 300 + 148 * 3750 + 100 * 6000 + 503 * 15000
    assert _cost(usage, "claude-sonnet-4-5-20250929") == expected


@pytest.mark.parametrize("provider", [None, "openai", "a-gateway-of-ours"])
def test_an_unknown_model_has_no_cost_rather_than_none_to_pay(provider: str | None) -> None:
    table = PriceTable()
    for _ in range(2):
        usage = {"input_tokens": 10, "output_tokens": 10}
        assert _cost(usage, "our-own-7b", None, provider=provider, table=table) is None


def test_a_gateways_name_does_not_hide_the_models_price() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    assert _cost(usage, "gpt-4o-mini") == _cost(usage, "gpt-4o-mini", provider="a-gateway") == 210_000


def test_the_model_that_answered_is_priced_and_else_the_one_that_was_asked() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    answered = _cost(usage, "gpt-4o", "gpt-4o-mini")
    assert answered == _cost(usage, "gpt-4o")
    asked = _cost(usage, "some-deployment", "gpt-4o-mini")
    assert asked == _cost(usage, "gpt-4o-mini") != answered


def test_who_was_asked_sets_the_price_though_the_answer_names_the_makers_model() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    asked = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert _cost(usage, "claude-sonnet-4-5-20250929", asked) == 1000 * 3300 + 100 * 16500
    assert _cost(usage, "claude-sonnet-4-5-20250929") == 1000 * 3000 + 100 * 15000


def test_a_model_that_is_listed_without_prices_has_no_cost() -> None:
    unpriced = [
        (provider, model)
        for provider, model in _MODELS
        if not any(value is not None for value in vars(model.get_prices(_AT)).values())
        and provider.find_model(model.id) is model
    ]
    assert unpriced
    table = PriceTable()
    for provider, model in unpriced:
        for tokens in (0, 10):
            usage = {"input_tokens": tokens, "output_tokens": tokens}
            cost = table.cost(usage, models=(model.id,), provider=provider.id, at_us=_us(_AT))
            # Another provider's price of the same name may be found, never one of this listing.
            assert cost is None or cost.provider != provider.id


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        ("azure/gpt-4.1", "priority"),
        ("azure/gpt-4.1", "flex"),
        ("claude-sonnet-4-5", "priority"),
        ("claude-sonnet-4-5", "fast"),
        ("claude-opus-4-6", "eu"),
        ("claude-opus-4-6", "priority+us"),
        ("gpt-4o", "us"),
        ("gpt-4o", "scale"),
        ("bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "flex"),
        ("gemini-2.5-pro", "priority"),
        ("mistral-large-2411", "batch"),
    ],
)
def test_a_tier_that_no_list_prices_has_no_cost_rather_than_the_standard_one(model: str, tier: str) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    for standard in (None, "default", "standard", "auto", "ON_DEMAND"):
        assert _cost(usage, model, service_tier=standard) == _cost(usage, model) is not None
    assert _cost(usage, model, service_tier=tier) is None


def test_an_own_price_holds_for_every_tier() -> None:
    own = OwnPrice("gpt-4.1", "azure", {"input_mtok": Decimal(7), "output_mtok": Decimal(9)})
    table = PriceTable([own])
    usage = {"input_tokens": 1000, "output_tokens": 100}
    assert _cost(usage, "gpt-4.1", provider="azure", service_tier="priority", table=table) == 7_900_000


def test_an_embedding_costs_its_input_and_output_it_cannot_have_is_unknown() -> None:
    model = "text-embedding-3-small"
    assert _cost({"input_tokens": 1000, "output_tokens": 0}, model) == 20_000
    assert _cost({"input_tokens": 1000, "output_tokens": 5}, model) is None


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("gpt-4o-mini", {"input_tokens": 10, "output_tokens": 1, "cache_read_tokens": 11}),
        ("claude-sonnet-4-5", {"input_tokens": 9, "output_tokens": 1, "cache_write_tokens": 5,
                               "cache_write_1h_tokens": 6}),
        ("gpt-audio", {"input_tokens": 10, "output_tokens": 1, "output_audio_tokens": 2}),
        # Cached and audio overlap, and how far is not known.
        ("gemini-2.5-flash", {"input_tokens": 10, "output_tokens": 1, "cache_read_tokens": 5,
                              "input_audio_tokens": 5}),
        ("gpt-4o-mini", {"input_tokens": 10}),
        ("gpt-4o-mini", {"output_tokens": 10}),
        ("gpt-4o-mini", {}),
        ("gpt-4o-mini", {"input_tokens": 2**62, "output_tokens": 2**62}),
        ("gpt-4o-mini", {"input_tokens": 10, "output_tokens": 10, "web_searches": float("1e300")}),
        ("gpt-4o-mini", {"input_tokens": 10, "output_tokens": 10, "web_searches": -1}),
    ],
)  # fmt: skip
def test_what_is_not_known_or_contradictory_has_no_cost(model: str, usage: dict[str, int]) -> None:
    assert _cost(usage, model) is None


def test_no_tokens_cost_nothing() -> None:
    assert _cost({"input_tokens": 0, "output_tokens": 0}, "gpt-4o-mini") == 0


@pytest.mark.parametrize(
    ("model", "input_usd_per_mtok"),
    [
        ("bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0", 3),
        ("vertex_ai/claude-sonnet-4@20250514", 3),
        ("openrouter/anthropic/claude-opus-4.1", 15),
    ],
)
def test_claudes_cache_for_an_hour_costs_twice_the_input_everywhere(
    model: str, input_usd_per_mtok: int
) -> None:
    usage = {"input_tokens": 100, "cache_write_tokens": 100, "cache_write_1h_tokens": 100, "output_tokens": 0}
    assert _cost(usage, model) == 2 * 100 * input_usd_per_mtok * 1000


def test_seconds_are_billed_where_tokens_are_not() -> None:
    assert _cost({"audio_seconds": 90}, "whisper-1") == 90 * 100_000  # 0.006 USD a minute
    assert _cost({"audio_seconds": 0.5}, "whisper-1") == 50_000
    assert _cost({"input_tokens": 5, "output_tokens": 5}, "whisper-1") is None


def test_times_beyond_all_calendars_are_priced() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    for at_us in (2**62, -(2**62), None):
        cost = PriceTable().cost(usage, models=("deepseek-chat",), at_us=at_us)
        assert cost is not None


@pytest.mark.parametrize(
    ("at", "is_peak"),
    [
        ("2026-11-28T02:00Z", False),  # a Saturday
        ("2026-11-29T09:59Z", False),
        ("2026-11-30T01:00Z", True),
        ("2026-11-30T05:00Z", False),
        ("2026-12-04T09:59Z", True),  # a Friday
    ],
)
def test_deepseeks_weekends_have_no_peak_hours(at: str, is_peak: bool) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 0}
    at_us = int(datetime.fromisoformat(at).timestamp()) * 1_000_000
    cost = PriceTable().cost(usage, models=("deepseek-v4-pro",), at_us=at_us)
    assert cost is not None
    assert cost.nano_usd == (1_320_000 if is_peak else 660_000)


def test_newer_prices_that_the_service_loads_are_used() -> None:
    table = PriceTable()
    usage = {"input_tokens": 1000, "output_tokens": 0}
    old_cost = _cost(usage, "gpt-4o-mini", table=table)
    provider, model = get_snapshot().find_provider_model("gpt-4o-mini", None, None, None)
    dearer = ModelInfo(
        id=model.id,
        match=model.match,
        prices=ModelPrice(input_mtok=Decimal(1000), output_mtok=Decimal(1)),
    )
    newer = Provider(
        id=provider.id,
        name=provider.name,
        api_pattern=provider.api_pattern,
        model_match=provider.model_match,
        models=[dearer],
    )
    try:
        set_custom_snapshot(DataSnapshot(providers=[newer], from_auto_update=False))
        assert _cost(usage, "gpt-4o-mini", table=table) == 1_000_000_000
    finally:
        set_custom_snapshot(None)
    assert _cost(usage, "gpt-4o-mini", table=table) == old_cost


def test_thousands_of_made_up_models_and_tiers_do_not_pile_up() -> None:
    table = PriceTable()
    for number in range(5000):
        _cost({"input_tokens": 1, "output_tokens": 1}, f"made-up-{number}", table=table)
        _cost({"input_tokens": 1, "output_tokens": 1}, "gpt-5", service_tier=f"t{number}", table=table)
    assert len(table._found) <= 4096
    assert len(table._prices) <= 4096


def test_no_network_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    usage = {"input_tokens": 10, "output_tokens": 10}
    assert _cost(usage, "gpt-4o-mini") is not None
    assert _cost(usage, "unheard-of") is None


@pytest.mark.parametrize("price", published_prices(), ids=lambda price: price.model)
def test_each_published_price_of_ours_is_one_that_the_library_lacks(price: Any) -> None:
    name = (
        price.model.replace("*", "2025-06-03")
        if price.model.startswith("gpt")
        else price.model.replace("*", "2024-")
    )
    try:
        _, model = get_snapshot().find_provider_model(name, None, price.provider, None)
    except LookupError:
        return
    listed = {key for key, value in vars(model.get_prices(_AT)).items() if value is not None}
    assert price.prices.keys() - listed
