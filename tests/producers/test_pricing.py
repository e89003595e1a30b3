"""Costs equal what genai-prices says, without asking it each time."""

import socket
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine.pricing import Pricer, TokenUsage
from tests.support.campaign import size

_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
_FIRST = datetime(2023, 1, 1, tzinfo=UTC)
_PRICED = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    for model in provider.models
    if {"input_mtok", "output_mtok"} <= {k for k, v in vars(model.get_prices(_AT)).items() if v is not None}
    and model.is_match(model.id)
]
_COUNTS = st.integers(0, 400_000) | st.sampled_from(
    [0, 1, 128_000, 128_001, 200_000, 200_001, 272_000, 10**7]
)


def _by_the_library(provider: Provider, model: ModelInfo, usage: TokenUsage, at: datetime) -> int:
    reported = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
    }
    total = model.calc_price(Usage(**reported), provider, genai_request_timestamp=at).total_price
    return int((total * 10**9).to_integral_value(ROUND_HALF_EVEN))


@given(
    priced=st.sampled_from(_PRICED),
    counts=st.tuples(_COUNTS, _COUNTS, _COUNTS, _COUNTS),
    written_1h=st.integers(0, 5000),
    at=st.integers(0, 4 * 365 * 24 * 60).map(lambda minutes: _FIRST + timedelta(minutes=minutes)),
)
@settings(max_examples=size(100, 2_000), deadline=None)
def test_a_cost_is_what_the_library_calculates(
    priced: tuple[str, str], counts: tuple[int, int, int, int], written_1h: int, at: datetime
) -> None:
    provider_id, model_id = priced
    fresh, cached, written, output = counts
    usage = TokenUsage(fresh + cached + written, output, cached, written, min(written, written_1h))
    provider, model = get_snapshot().find_provider_model(model_id, None, provider_id, None)
    expected = _by_the_library(provider, model, usage, at)
    assert Pricer().cost_nano_usd(usage, models=(model_id,), provider=provider_id, at=at) == expected


def test_known_prices_in_nano_dollars() -> None:
    pricer = Pricer()
    # USD per million tokens: gpt-4o-mini 0.15 in, 0.075 cached, 0.60 out.
    usage = TokenUsage(1200, 80, cached_input_tokens=1024)
    expected = (1200 - 1024) * 150 + 1024 * 75 + 80 * 600
    assert pricer.cost_nano_usd(usage, models=("gpt-4o-mini-2024-07-18",), at=_AT) == expected
    # claude-sonnet-4-5: 3 in, 0.30 cache read, 3.75 cache write (6 for an hour), 15 out.
    usage = TokenUsage(2098, 503, 1800, 248, 100)
    expected = 50 * 3000 + 1800 * 300 + 148 * 3750 + 100 * 6000 + 503 * 15000
    assert pricer.cost_nano_usd(usage, models=("claude-sonnet-4-5-20250929",), at=_AT) == expected


@pytest.mark.parametrize("provider", [None, "openai", "a-gateway-of-ours"])
def test_an_unknown_model_has_no_cost_rather_than_none_to_pay(provider: str | None) -> None:
    pricer = Pricer()
    for _ in range(2):
        assert (
            pricer.cost_nano_usd(TokenUsage(10, 10), models=("our-own-7b", None), provider=provider) is None
        )


def test_a_gateways_name_does_not_hide_the_models_price() -> None:
    usage = TokenUsage(1000, 100)
    plain = Pricer().cost_nano_usd(usage, models=("gpt-4o-mini",), at=_AT)
    assert plain is not None
    assert Pricer().cost_nano_usd(usage, models=("gpt-4o-mini",), provider="a-gateway", at=_AT) == plain


def test_the_model_that_answered_is_priced_and_else_the_one_that_was_asked() -> None:
    pricer = Pricer()
    usage = TokenUsage(1000, 100)
    answered = pricer.cost_nano_usd(usage, models=("gpt-4o", "gpt-4o-mini"), at=_AT)
    assert answered == pricer.cost_nano_usd(usage, models=("gpt-4o",), at=_AT)
    asked = pricer.cost_nano_usd(usage, models=("some-deployment", "gpt-4o-mini"), at=_AT)
    assert asked == pricer.cost_nano_usd(usage, models=("gpt-4o-mini",), at=_AT)
    assert asked != answered


def test_a_model_that_is_listed_without_prices_has_no_cost() -> None:
    unpriced = [
        (provider.id, model.id)
        for provider in get_snapshot().providers
        for model in provider.models
        if not any(value is not None for value in vars(model.get_prices(_AT)).values())
    ]
    assert unpriced
    for provider, model in unpriced:
        _, found = get_snapshot().find_provider_model(model, None, provider, None)
        if found.id == model:
            for usage in (TokenUsage(10, 10), TokenUsage(0, 0)):
                cost = Pricer().cost_nano_usd(usage, models=(model,), provider=provider, at=_AT)
                assert cost is None


def test_an_embedding_costs_its_input_and_output_it_cannot_have_is_unknown() -> None:
    pricer = Pricer()
    model = ("text-embedding-3-small",)
    assert pricer.cost_nano_usd(TokenUsage(1000, 0), models=model, provider="openai", at=_AT) == 20_000
    assert pricer.cost_nano_usd(TokenUsage(1000, 5), models=model, provider="openai", at=_AT) is None


def test_counts_that_contradict_each_other_have_no_cost() -> None:
    pricer = Pricer()
    assert pricer.cost_nano_usd(TokenUsage(10, 1, cached_input_tokens=11), models=("gpt-4o-mini",)) is None
    assert pricer.cost_nano_usd(TokenUsage(10, 1, 0, 5, 6), models=("claude-sonnet-4-5",)) is None


def test_no_tokens_cost_nothing() -> None:
    assert Pricer().cost_nano_usd(TokenUsage(0, 0), models=("gpt-4o-mini",)) == 0


def test_newer_prices_that_the_service_loads_are_used() -> None:
    pricer = Pricer()
    old_cost = pricer.cost_nano_usd(TokenUsage(1000, 0), models=("gpt-4o-mini",), at=_AT)
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
        assert pricer.cost_nano_usd(TokenUsage(1000, 0), models=("gpt-4o-mini",), at=_AT) == 1_000_000_000
    finally:
        set_custom_snapshot(None)
    assert pricer.cost_nano_usd(TokenUsage(1000, 0), models=("gpt-4o-mini",), at=_AT) == old_cost


def test_thousands_of_made_up_models_do_not_pile_up() -> None:
    pricer = Pricer()
    for number in range(5000):
        pricer.cost_nano_usd(TokenUsage(1, 1), models=(f"made-up-{number}",))
    assert len(pricer._prices._models) <= 4096


def test_no_network_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    pricer = Pricer()
    assert pricer.cost_nano_usd(TokenUsage(10, 10), models=("gpt-4o-mini",)) is not None
    assert pricer.cost_nano_usd(TokenUsage(10, 10), models=("unheard-of",)) is None
