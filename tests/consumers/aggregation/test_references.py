"""Frozen references: from before an experiment, or from its own first requests, and then never moved."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_consumers.aggregation.bounds import FIRST_VALUES
from coalmine_consumers.aggregation.references import MIN_KNOWN, Reference, read_references
from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, many_requests, request
from tests.support.oracles.store_state import folded, query


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def references(store: Store) -> dict[tuple[str, float], Reference]:
    with store.cursor() as cursor:
        return {(each.metric, each.quantile): each for each in read_references(cursor)}


def before(count: int, start: int = 0) -> list[Row]:
    """Requests outside experiments, an hour early; latencies 1, 2, ... ms and costs of as many cents."""
    return [
        request(
            start + index,
            START - timedelta(hours=1),
            latency_ms=float(index + 1),
            cost_nano_usd=(index + 1) * 10_000_000,
            unit_id=f"user-{index}",
        )
        for index in range(count)
    ]


def inside(count: int, start: int, *, minutes: int = 0, **values: Any) -> list[Row]:
    return [
        request(
            start + index,
            START + timedelta(minutes=minutes),
            **{
                "experiment": "exp",
                "allocation_epoch": 1,
                "variant": ("control", "treatment")[index % 2],
                "unit_id": f"user-{index}",
                "latency_ms": 10_000.0,
                "cost_nano_usd": 100_000_000_000,
                **values,
            },
        )
        for index in range(count)
    ]


def sums(store: Store) -> dict[str, tuple[float, float]]:
    """Denominator and numerator of each metric."""
    rows = query(
        store, "SELECT metric, sum(sum_x) AS x, sum(sum_y) AS y FROM experiment_cells GROUP BY metric"
    )
    return {metric: (x, y) for metric, x, y in rows}


def test_references_come_from_before_the_experiment_and_count_from_its_first_batch(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(before(2_000)))
    store.commit(feed.batch(inside(10, 5_000)))
    found = references(store)
    cap, tail = found["latency_ms", 0.995], found["latency_ms", 0.95]
    assert (cap.basis, cap.known) == ("before", 2_000)
    assert cap.value == pytest.approx(1990, rel=0.01)
    assert tail.value == pytest.approx(1900, rel=0.01)
    assert found["cost_nano_usd", 0.995].value == pytest.approx(1990 * 10_000_000, rel=0.01)
    assert found["time_to_first_token_ms", 0.95].value is None
    cells = sums(store)
    assert cells["latency_ms"] == (10, 100_000)
    assert cells["latency_ms.capped"] == pytest.approx((10, 10 * (cap.value or 0)))
    assert cells["latency_ms.over_cap"] == cells["latency_ms.over_p95"] == (10, 10)
    assert "time_to_first_token_ms.over_p95" not in cells


def test_what_a_batch_brings_from_before_the_experiment_is_a_part_of_the_reference(store: Store) -> None:
    store.commit(Feed().batch([*before(2_000), *inside(10, 5_000)]))
    assert references(store)["latency_ms", 0.95].known == 2_000
    assert sums(store)["latency_ms.over_p95"] == (10, 10)


def test_latencies_count_apart_by_whether_the_cache_of_the_provider_helped(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(before(2_000)))
    store.commit(feed.batch(inside(3, 5_000, latency_ms=50.0, cached_input_tokens=10)))
    store.commit(feed.batch(inside(2, 6_000, latency_ms=500.0, cached_input_tokens=0)))
    store.commit(feed.batch(inside(1, 7_000, latency_ms=700.0)))  # not known: no provider with a cache
    cells = sums(store)
    assert cells["latency_ms.cached.capped"] == (3, 150)
    assert cells["latency_ms.cached.over_p95"] == (3, 0)
    assert cells["latency_ms.capped"] == (6, 1_850)


def test_references_never_move(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([*before(2_000), *inside(10, 5_000)]))
    frozen = references(store)["latency_ms", 0.95]
    for number in range(1, 6):
        store.commit(feed.batch(inside(2_000, 10_000 * number, minutes=number, latency_ms=1e6)))
    assert references(store)["latency_ms", 0.95] == frozen


def test_without_a_past_the_first_requests_serve_and_only_later_batches_are_counted(store: Store) -> None:
    feed = Feed()
    for number in range(4):
        store.commit(feed.batch(inside(600, 10_000 * number, minutes=number, latency_ms=100.0)))
    found = references(store)["latency_ms", 0.95]
    assert (found.basis, found.first_ingest_id, found.since_ingest_id) == ("first requests", 1, 2)
    assert found.known >= MIN_KNOWN
    assert found.value == pytest.approx(100, rel=0.01)
    assert sums(store)["latency_ms.over_p95"][0] == 1_200
    assert sums(store)["latency_ms"][0] == 2_400


def test_looking_for_values_that_never_come_costs_ever_less(store: Store) -> None:
    feed = Feed()
    tried = []
    for number in range(17):
        store.commit(feed.batch(inside(1, 100 * number, minutes=number)))
        tried.append(references(store)["time_to_first_token_ms", 0.95].since_ingest_id)
    assert sorted(set(tried)) == [1, 2, 4, 8, 16]


def test_a_rebuild_holds_requests_against_the_same_references(store: Store) -> None:
    feed = Feed()
    for seed in range(4):
        store.commit(feed.batch(many_requests(1_500, seed=seed, start=START + timedelta(days=seed))))
    cells = folded(store, "experiment_cells")
    assert any(key[3] == "latency_ms.over_p95" for key in cells)
    rebuild(store)
    again = folded(store, "experiment_cells")
    assert again.keys() == cells.keys()
    for key, values in cells.items():
        np.testing.assert_allclose(np.array(again[key], float), np.array(values, float), rtol=1e-9)


def test_a_custom_metric_of_the_same_name_is_kept_apart(store: Store) -> None:
    feed = Feed()
    named: dict[str, Any] = {"metrics": [{"key": "latency_ms.capped", "value": 7.0}]}
    store.commit(feed.batch(inside(FIRST_VALUES, 0, **named)))
    store.commit(feed.batch(inside(4, 1_000, **named)))
    assert sums(store)["custom.latency_ms.capped"] == (4, 28)


def test_each_experiment_of_a_batch_has_its_own_references(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(before(2_000)))
    store.commit(feed.batch(inside(10, 5_000)))
    mixed = [
        *inside(10, 6_000, minutes=1),
        *inside(20, 7_000, minutes=1, experiment="new", prompt="unheard of"),
        *before(5, 8_000),
    ]
    store.commit(feed.batch(mixed))
    rows = query(
        store,
        "SELECT experiment, metric, sum(sum_x) AS x FROM experiment_cells "
        "WHERE metric LIKE 'latency_ms%' GROUP BY ALL ORDER BY ALL",
    )
    assert rows == [
        ("exp", "latency_ms", 20),
        ("exp", "latency_ms.capped", 20),
        ("exp", "latency_ms.over_cap", 20),
        ("exp", "latency_ms.over_p95", 20),
        ("new", "latency_ms", 20),
    ]
