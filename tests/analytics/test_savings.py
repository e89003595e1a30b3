"""What a change would have saved: of versions by what they cost, of models by their prices."""

from dataclasses import replace

import pytest

from coalmine_analytics.savings import savings_of, unpriced
from coalmine_consumers.results import CostRow
from coalmine_schemas.prices import PriceTable

OLD = CostRow(
    name="1.0.0",
    prompt="refund",
    requests=1_100,
    errors=0,
    priced_requests=1_000,
    models=["gpt-4o"],
    input_tokens_per_request=1_000.0,
    cached_input_tokens_per_request=None,
    output_tokens_per_request=100.0,
    cost_usd=3.5,
    cost_nano_usd=3_500_000_000,
    cost_usd_per_request=0.0035,
    cost_usd_per_request_sd=0.001,
)
NEW = replace(OLD, name="1.1.0", priced_requests=250, cost_usd=0.5, cost_usd_per_request=0.002)


def test_a_version_is_compared_by_what_it_cost() -> None:
    first, second = savings_of([OLD, NEW], [], PriceTable())
    assert (first.version, first.to, first.basis) == ("1.0.0", "1.1.0", "measured")
    assert (first.requests, first.to_requests) == (1_000, 250)
    assert first.saved_usd == pytest.approx(1.5)
    # 1,000 calls times 1.96 times the error of a difference of means: 0.001 * sqrt(1 / 1,000 + 1 / 250)
    assert first.saved_lower_usd == pytest.approx(1.5 - 1.96 * 0.0707, abs=1e-4)
    assert first.saved_upper_usd == pytest.approx(1.5 + 1.96 * 0.0707, abs=1e-4)
    assert (second.version, second.to) == ("1.1.0", "1.0.0")
    assert second.saved_usd == pytest.approx(-0.375)


def test_a_model_is_priced_for_the_same_tokens() -> None:
    (found,) = savings_of([OLD], ["gpt-4o-mini", "gpt-4o", "no-such-model", "gpt-4o-mini"], PriceTable())
    # 1,000 tokens at 0.15 and 100 at 0.60 dollars a million.
    assert (found.to, found.basis, found.to_requests) == ("gpt-4o-mini", "price_list", None)
    assert found.to_cost_usd_per_request == pytest.approx(0.00021)
    assert found.saved_usd == pytest.approx(3.5 - 0.21)
    assert (found.saved_lower_usd, found.saved_upper_usd) == (None, None)


def test_cached_tokens_are_priced_as_cached() -> None:
    cached = replace(OLD, cached_input_tokens_per_request=500.0)
    (found,) = savings_of([cached], ["gpt-4o-mini"], PriceTable())
    assert found.to_cost_usd_per_request == pytest.approx(0.00021 - 500 * 0.075e-6)


def test_what_says_too_little_is_left_out() -> None:
    few = replace(NEW, priced_requests=99)
    silent = replace(OLD, input_tokens_per_request=None)
    other = replace(NEW, prompt="greet")
    assert savings_of([OLD, few, other], [], PriceTable()) == []
    assert savings_of([silent], ["gpt-4o-mini"], PriceTable()) == []
    assert savings_of([], ["gpt-4o-mini"], PriceTable()) == []


def test_models_without_a_price_are_named() -> None:
    assert unpriced(["gpt-4o-mini", "no-such-model", "no-such-model"], PriceTable()) == ["no-such-model"]
