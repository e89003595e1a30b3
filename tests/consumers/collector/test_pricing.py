"""Requests without a cost get the one the price table says, row by row, whatever else is in the batch."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from time import process_time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_consumers.collector.pricing import Pricer
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.prices import PriceTable, load_prices
from coalmine_schemas.usage import usage_of
from tests.support.campaign import size

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
    found = Pricer(own).price_requests(table).drop_columns("cost_uncached_nano_usd")
    assert found.schema == _SCHEMA
    rest = [name for name in _SCHEMA.names if name not in ("cost_nano_usd", "cost_source")]
    assert found.select(rest) == table.select(rest)
    return list(zip(found["cost_nano_usd"].to_pylist(), found["cost_source"].to_pylist(), strict=True))


def costs(calls: Sequence[dict[str, Any]]) -> list[int | None]:
    return [cost for cost, _ in priced(calls)]


_COUNTS = st.none() | st.sampled_from([0, 1, 10, 1000, 1001, 200_001, 2**40, 2**40 + 1, 2**62, 2**63 - 1])
_OTHER = st.dictionaries(
    st.sampled_from(
        ["web_searches", "audio_seconds", "cache_audio_read_tokens", "input_text_tokens", "input_tokens", "x"]
    ),
    st.sampled_from([0.0, 2.0, 0.5, 12.34, 1000.0, 2.0**40, 2.0**41, 1e300, -5.0]),
    max_size=2,
)
_CALLS = st.fixed_dictionaries(
    {
        "provider": st.sampled_from([None, None, "openai", "azure", "a-gateway"]),
        "request_model": st.sampled_from(
            ["gpt-4o-audio-preview", "claude-sonnet-4-5", "gpt-5", "groq/none", "gpt-realtime", "whisper-1",
             "gemini-2.5-pro", "deepseek-chat", "sonar-deep-research", "text-embedding-3-small", "dear",
             "thirds"]
        ),
        "response_model": st.sampled_from([None, None, "gpt-4o-mini"]),
        "service_tier": st.sampled_from([None, "flex", "batch", "default", "us", "unheard-of"]),
        "event_time": st.sampled_from(
            [NOON, datetime(2025, 4, 1, 20, tzinfo=UTC), datetime(2026, 11, 20, 3, tzinfo=UTC)]
        ),
        "cost": st.sampled_from([(None, "unknown"), (None, "unknown"), (5, "price_list"), (5, "gateway")]),
        "input_tokens": st.sampled_from([None, 0, 1000, 200_001]) | _COUNTS,
        "output_tokens": st.sampled_from([None, 0, 100]) | _COUNTS,
        "cached_input_tokens": _COUNTS,
        "cache_creation_input_tokens": _COUNTS,
        "cache_creation_1h_input_tokens": _COUNTS,
        "audio_input_tokens": _COUNTS,
        "audio_output_tokens": _COUNTS,
        "other_usage": _OTHER,
    }
)  # fmt: skip
_OWN_PRICES = [
    OwnPrice("dear", None, {"input_mtok": Decimal(10**9), "output_mtok": Decimal("0.123456789")}),
    OwnPrice("thirds", None, {"audio_hours": Decimal("0.1"), "input_mtok": Decimal("0.0005"),
                              "output_mtok": Decimal("0.0015"), "requests_kcount": Decimal("0.0000005")}),
    OwnPrice("gpt-5", None, {"input_mtok": Decimal(4), "output_mtok": Decimal(8)}, "flex"),
    OwnPrice("gpt-5", "azure", {"input_mtok": Decimal(3), "output_mtok": Decimal(9)}),
]  # fmt: skip


@given(
    kinds=st.lists(_CALLS, min_size=1, max_size=6),
    # Few calls of a price are priced in another way than many.
    picks=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 2, 20])), min_size=1, max_size=12),
    has_own=st.booleans(),
)
@settings(max_examples=size(60, 2_000), deadline=None)
def test_a_batch_costs_what_its_calls_cost_alone(
    kinds: list[dict[str, Any]], picks: list[tuple[int, int]], has_own: bool
) -> None:
    own = _OWN_PRICES if has_own else []
    alone = [_alone(kind, own) for kind in kinds]
    chosen = [index % len(kinds) for index, times in picks for _ in range(times)]
    assert priced([_row(kinds[index]) for index in chosen], *own) == [alone[index] for index in chosen]


def _row(kind: dict[str, Any]) -> dict[str, Any]:
    cost, source = kind["cost"]
    fields = {key: value for key, value in kind.items() if key != "cost"}
    fields["other_usage"] = [{"key": key, "value": value} for key, value in kind["other_usage"].items()]
    return call(**fields, cost_nano_usd=cost, cost_source=source)


def _alone(kind: dict[str, Any], own: list[OwnPrice]) -> tuple[int | None, str]:
    nano_usd, source = kind["cost"]
    if nano_usd is not None and (source != "price_list" or not own):
        return nano_usd, source
    found = PriceTable(own).cost(
        usage_of({**dict.fromkeys(_SCHEMA.names), **kind}),
        models=(kind["response_model"], kind["request_model"]),
        provider=kind["provider"],
        service_tier=kind["service_tier"],
        at_us=int(kind["event_time"].timestamp()) * 1_000_000,
        own_only=nano_usd is not None,
    )
    return (nano_usd, source) if found is None else (found.nano_usd, found.source)


def test_a_cost_half_way_between_is_even_alone_and_in_a_batch() -> None:
    own = OwnPrice("half", None, {"input_mtok": Decimal("0.0005"), "output_mtok": Decimal(0)})
    calls = [call(request_model="half", input_tokens=tokens, output_tokens=0) for tokens in range(8)]
    expected = [0, 0, 1, 2, 2, 2, 3, 4]
    assert [cost for cost, _ in priced(calls, own)] == expected
    assert [cost for cost, _ in priced(calls * 20, own)] == expected * 20


def test_pricing_ten_thousand_calls_of_fifty_models_takes_microseconds_each() -> None:
    models = _listed_models(50)
    calls = []
    for number in range(10_000):
        provider, model = models[number % 50]
        time = NOON + timedelta(seconds=number * 8)
        tokens = {"input_tokens": 100 + number, "output_tokens": number % 500, "cached_input_tokens": 50}
        calls.append(call(provider=provider, request_model=model, event_time=time, **tokens))
    table = pa.Table.from_pylist(calls, schema=_SCHEMA)
    pricer = Pricer()
    assert pricer.price_requests(table)["cost_nano_usd"].null_count == 0
    began_s = process_time()
    pricer.price_requests(table)
    assert process_time() - began_s < 10 * 10_000 * 3e-6


def _listed_models(number: int) -> list[tuple[str, str]]:
    table = PriceTable()
    usage = {"input_tokens": 100, "output_tokens": 10}
    found = (
        (provider.id, model.id)
        for provider in load_prices().providers
        if provider.id in ("openai", "anthropic", "google")
        for model in provider.models
        if table.cost(usage, models=(model.id,), provider=provider.id) is not None
    )
    return list(islice(found, number))


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
    assert Pricer().price_requests(_SCHEMA.empty_table()).num_rows == 0


def uncached(*calls: dict[str, Any]) -> list[int | None]:
    table = pa.Table.from_pylist(list(calls), schema=_SCHEMA)
    found: list[int | None] = Pricer().price_requests(table)["cost_uncached_nano_usd"].to_pylist()
    return found


@pytest.mark.parametrize("times", [1, 20])  # few calls of a price are priced in another way than many
def test_uncached_costs_are_at_the_full_price_of_every_input_token(times: int) -> None:
    half_price = call(cached_input_tokens=800)
    assert costs([half_price]) == [150_000]
    # A cost that somebody else stated is scaled by what prices say of the cache.
    stated = call(cached_input_tokens=800, cost_nano_usd=75_000, cost_source="gateway")
    written = call(provider="anthropic", request_model="claude-sonnet-4-5", cache_creation_input_tokens=900)
    plain = call(provider="anthropic", request_model="claude-sonnet-4-5")
    found = uncached(*[half_price, call(), stated, written] * times)
    assert found == [210_000, 210_000, 105_000, *costs([plain])] * times


def test_an_uncached_cost_is_unknown_where_prices_or_the_cost_are() -> None:
    nobodys: dict[str, Any] = {"request_model": "a-model-nobody-knows", "provider": None}
    stated: dict[str, Any] = {"cost_nano_usd": 7, "cost_source": "service", **nobodys}
    found = uncached(call(**nobodys), call(**stated), call(**stated, cached_input_tokens=5))
    assert found == [None, 7, None]
    free = call(cached_input_tokens=800, cost_nano_usd=0, cost_source="service")
    assert uncached(free) == [0]
