"""Requests without a cost get the one the price table says, row by row, whatever else is in the batch."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from coalmine_consumers.collector.pricing import Pricer
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.usage import usage_of
from tests.support.data.usages import USAGES

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_OWN = OwnPrice("gpt-4o-mini", None, {"input_mtok": Decimal(1), "output_mtok": Decimal(2)})
_DEFAULTS = {"request_id": "", "app": "a", "environment": "e", "prompt": "p", "version": "1", "unit_group": 0,
             "resolution": "live", "unit_id": "u", "latency_ms": 1.0, "outcome": "ok", "metrics": [],
             "segments": [], "request_parameters": []}  # fmt: skip
_SCHEMA = arrow_schema("requests")


def call(**fields: Any) -> dict[str, Any]:
    return {
        **_DEFAULTS,
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "event_time": NOON,
        "input_tokens": 1000,
        "output_tokens": 100,
        "other_usage": [],
        "cost_source": "unknown",
        **fields,
    }


def priced(calls: Sequence[dict[str, Any]], *own: OwnPrice) -> list[tuple[int | None, str]]:
    table = pa.Table.from_pylist(list(calls), schema=_SCHEMA)
    found = Pricer(own).price_requests(table)
    assert found.schema == _SCHEMA
    rest = [name for name in _SCHEMA.names if name not in ("cost_nano_usd", "cost_source")]
    assert found.select(rest) == table.select(rest)
    return list(zip(found["cost_nano_usd"].to_pylist(), found["cost_source"].to_pylist(), strict=True))


def costs(calls: Sequence[dict[str, Any]]) -> list[int | None]:
    return [cost for cost, _ in priced(calls)]


def test_a_batch_costs_what_its_calls_cost_alone() -> None:
    rng = random.Random(8)
    calls = []
    for number in range(400):
        counts = rng.choice(USAGES).counts
        fields: dict[str, Any] = {
            "input_tokens": counts.get("input_tokens"),
            "cached_input_tokens": counts.get("cache_read_tokens"),
            "cache_creation_input_tokens": counts.get("cache_write_tokens"),
            "cache_creation_1h_input_tokens": counts.get("cache_write_1h_tokens"),
            "audio_input_tokens": counts.get("input_audio_tokens"),
            "output_tokens": counts.get("output_tokens", 0),
            "audio_output_tokens": counts.get("output_audio_tokens"),
            "other_usage": [{"key": "web_searches", "value": 2.0}] if number % 3 else [],
        }
        model = rng.choice(
            ["gpt-4o-audio-preview", "claude-sonnet-4-5", "gpt-5", "groq/none", "gpt-realtime"]
        )
        tier = rng.choice([None, "flex", "batch"])
        calls.append(call(request_model=model, provider=None, service_tier=tier, **fields))
    table = PriceTable()
    expected = []
    for each in calls:
        record = {**dict.fromkeys(_SCHEMA.names), **each}
        record["other_usage"] = [(item["key"], item["value"]) for item in each["other_usage"]]
        cost = table.cost(
            usage_of(record),
            models=(None, each["request_model"]),
            service_tier=each["service_tier"],
            at_us=int(NOON.timestamp()) * 1_000_000,
        )
        expected.append(None if cost is None else cost.nano_usd)
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
        {"audio_input_tokens": 1001, "request_model": "gpt-4o-audio-preview"},
        {"input_tokens": 2**62, "output_tokens": 2**62},
        {"other_usage": [{"key": "web_searches", "value": 1e300}]},
        {"other_usage": [{"key": "web_searches", "value": -5.0}]},
    ],
)
def test_what_is_not_known_stays_unknown_and_is_never_zero(unknown: dict[str, Any]) -> None:
    assert costs([call(**unknown), call()]) == [None, 210_000]


def test_a_cost_that_is_there_is_kept() -> None:
    stated = [call(cost_nano_usd=7, cost_source=source) for source in ("gateway", "service", "unknown")]
    calls = [*stated, call(), call(cost_nano_usd=0, cost_source="price_list")]
    expected = [(7, "gateway"), (7, "service"), (7, "unknown"), (210_000, "price_list"), (0, "price_list")]
    assert priced(calls) == expected


def test_an_own_price_wins_over_the_lists_and_over_nobody_elses() -> None:
    own = 1000 * 1000 + 100 * 2000
    stated = [call(cost_nano_usd=7, cost_source=source) for source in ("gateway", "service", "unknown")]
    calls = [*stated, call(), call(cost_nano_usd=9, cost_source="price_list")]
    other = call(request_model="gpt-4o", cost_nano_usd=9, cost_source="price_list")
    expected = [(7, "gateway"), (7, "service"), (7, "unknown"), (own, "own_prices"), (own, "own_prices")]
    assert priced([*calls, other], _OWN) == [*expected, (9, "price_list")]


def test_event_times_beyond_all_calendars_are_priced() -> None:
    table = pa.Table.from_pylist([call(), call()], schema=_SCHEMA)
    far = pa.array([2**62, -(2**62)], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    table = table.set_column(1, _SCHEMA.field("event_time"), far)
    assert Pricer().price_requests(table).column("cost_nano_usd").to_pylist() == [210_000, 210_000]


def test_a_table_in_several_chunks_and_an_empty_one_are_priced() -> None:
    one = pa.Table.from_pylist([call()], schema=_SCHEMA)
    assert Pricer().price_requests(pa.concat_tables([one, one]))["cost_nano_usd"].to_pylist() == [210_000] * 2
    assert Pricer().price_requests(_SCHEMA.empty_table()) == _SCHEMA.empty_table()
