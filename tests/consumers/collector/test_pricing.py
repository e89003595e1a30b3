"""Vectorised pricing says what genai-prices says, to the nano-dollar, for every model it knows."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pyarrow as pa
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from coalmine.pricing import Pricer as ClientPricer
from coalmine.pricing import TokenUsage
from coalmine_consumers.collector.pricing import Pricer

SCHEMA = pa.schema(
    {
        "provider": pa.string(),
        "request_model": pa.string(),
        "response_model": pa.string(),
        "event_time": pa.timestamp("us", tz="UTC"),
        "input_tokens": pa.int64(),
        "cached_input_tokens": pa.int64(),
        "output_tokens": pa.int64(),
        "cost_nano_usd": pa.int64(),
    }
)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def call(**fields: Any) -> dict[str, Any]:
    return {
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": None,
        "event_time": NOON,
        "input_tokens": 1000,
        "cached_input_tokens": None,
        "output_tokens": 100,
        "cost_nano_usd": None,
        **fields,
    }


def costs(calls: Sequence[dict[str, Any]]) -> list[int | None]:
    table = pa.Table.from_pylist(list(calls), schema=SCHEMA)
    priced = Pricer().price_requests(table)
    assert priced.schema == SCHEMA
    assert priced.drop_columns("cost_nano_usd") == table.drop_columns("cost_nano_usd")
    found: list[int | None] = priced.column("cost_nano_usd").to_pylist()
    return found


def test_every_known_model_costs_what_the_library_says() -> None:
    rng = random.Random(7)
    calls: list[dict[str, Any]] = []
    expected: list[int] = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = (
                [model.prices] if isinstance(model.prices, ModelPrice) else [c.prices for c in model.prices]
            )
            if not all(price.input_mtok is not None and price.output_mtok is not None for price in prices):
                continue
            edges = [
                tier.start
                for price in prices
                for value in vars(price).values()
                if isinstance(value, TieredPrices)
                for tier in value.tiers
            ]
            for tokens in {rng.randrange(1, 1_000_000), *edges[:2], *(edge + 1 for edge in edges[:2])}:
                cached = rng.choice([0, rng.randrange(0, tokens + 1)])
                usage = Usage(
                    input_tokens=tokens, cache_read_tokens=cached, output_tokens=rng.randrange(0, 50_000)
                )
                at = NOON - timedelta(minutes=rng.randrange(0, 3 * 365 * 24 * 60))
                try:
                    price = calc_price(
                        usage, model.id, provider_id=provider.id, genai_request_timestamp=at
                    ).total_price
                except (LookupError, ValueError):
                    continue
                calls.append(
                    call(
                        provider=provider.id,
                        request_model=model.id,
                        event_time=at,
                        input_tokens=tokens,
                        cached_input_tokens=cached,
                        output_tokens=usage.output_tokens,
                    )
                )
                expected.append(int((price * Decimal(10**9)).to_integral_value(ROUND_HALF_EVEN)))
    assert len(calls) > 1500
    assert costs(calls) == expected


def test_the_client_and_the_consumer_agree() -> None:
    rng = random.Random(8)
    client = ClientPricer()
    models = [(p.id, m.id) for p in get_snapshot().providers for m in p.models]
    calls = []
    for provider, model in rng.sample(models, 300):
        tokens = rng.randrange(0, 400_000)
        calls.append(
            call(
                provider=rng.choice([provider, None, "some-gateway"]),
                request_model=model,
                response_model=rng.choice([None, "a-model-nobody-knows"]),
                input_tokens=tokens,
                cached_input_tokens=rng.randrange(0, tokens + 1),
                output_tokens=rng.randrange(0, 5000),
            )
        )
    expected = [
        client.cost_nano_usd(
            TokenUsage(each["input_tokens"], each["output_tokens"], each["cached_input_tokens"]),
            models=(each["response_model"], each["request_model"]),
            provider=each["provider"],
            at=NOON,
        )
        for each in calls
    ]
    assert costs(calls) == expected
    assert sum(cost is not None for cost in expected) > 100


def test_the_model_that_answered_is_priced_before_the_one_asked_for() -> None:
    asked, answered = costs([call(), call(request_model="gpt-4o", response_model="gpt-4o-mini")])
    assert asked == answered == 210_000  # 1000 * 150 + 100 * 600 nano-dollars


def test_a_price_of_the_time_of_the_call_is_used() -> None:
    day, night = costs(
        [
            call(
                provider="deepseek",
                request_model="deepseek-chat",
                event_time=datetime(2025, 4, 1, hour, tzinfo=UTC),
            )
            for hour in (12, 20)
        ]
    )
    assert day is not None
    assert night is not None
    assert day != night


@pytest.mark.parametrize(
    "unknown",
    [
        {"request_model": "a-model-nobody-knows", "provider": None},
        {"input_tokens": None},
        {"output_tokens": None},
        {"cached_input_tokens": 1001},
        {"input_tokens": 2**62, "output_tokens": 2**62},
    ],
)
def test_what_is_not_known_stays_unknown_and_is_never_zero(unknown: dict[str, Any]) -> None:
    assert costs([call(**unknown), call()]) == [None, 210_000]


def test_a_cost_that_is_there_is_kept() -> None:
    assert costs([call(cost_nano_usd=7), call(), call(cost_nano_usd=0)]) == [7, 210_000, 0]


def test_event_times_beyond_all_calendars_are_priced() -> None:
    table = pa.Table.from_pylist([call(), call()], schema=SCHEMA)
    far = pa.array([2**62, -(2**62)], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    table = table.set_column(3, SCHEMA.field("event_time"), far)
    assert Pricer().price_requests(table).column("cost_nano_usd").to_pylist() == [210_000, 210_000]


def test_a_table_in_several_chunks_and_an_empty_one_are_priced() -> None:
    one = pa.Table.from_pylist([call()], schema=SCHEMA)
    assert Pricer().price_requests(pa.concat_tables([one, one]))["cost_nano_usd"].to_pylist() == [210_000] * 2
    assert Pricer().price_requests(SCHEMA.empty_table()) == SCHEMA.empty_table()
