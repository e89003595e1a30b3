from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_consumers.maintenance.compact import (
    ADDITIVE_TABLES,
    BUCKET_KEYS,
    CompactionState,
    compact,
    fold,
    is_due,
    table_rows,
)
from coalmine_consumers.maintenance.policy import CompactionPolicy
from coalmine_consumers.sql import fetch_rows, statement
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, many_requests, reactions_to, request
from tests.support.oracles.store_state import assert_same, count, folded, query

Answers = dict[str, dict[tuple[object, ...], tuple[object, ...]]]


def answers(store: Store) -> Answers:
    return {table: folded(store, table) for table in ADDITIVE_TABLES}


def fold_everything(store: Store, rows_at_once: int = 10_000) -> None:
    for table in ADDITIVE_TABLES:
        fold(store, table, rows_at_once=rows_at_once)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def test_folding_leaves_one_row_a_key_and_changes_no_answer(store: Store) -> None:
    feed = Feed()
    for seed in range(3):
        requests = many_requests(150, seed, hours=1.5)
        store.commit(feed.batch(requests, *reactions_to(requests, seed)))
    before = answers(store)
    fold_everything(store, rows_at_once=60)
    for table in ADDITIVE_TABLES:
        assert_same(folded(store, table), before[table])
        assert count(store, table) == len(before[table])


def test_folding_again_changes_nothing(store: Store) -> None:
    feed = Feed()
    for seed in range(2):
        store.commit(feed.batch(many_requests(100, seed, hours=0.5)))
    fold_everything(store)
    exactly = {table: query(store, f"SELECT * FROM {table} ORDER BY ALL") for table in BUCKET_KEYS}
    for table in BUCKET_KEYS:
        assert fold(store, table, rows_at_once=10_000).rows_before == 0
    assert {table: query(store, f"SELECT * FROM {table} ORDER BY ALL") for table in BUCKET_KEYS} == exactly


def test_one_transaction_folds_a_few_buckets_oldest_first(store: Store) -> None:
    feed = Feed()
    for _ in range(2):
        store.commit(feed.batch([request(feed.offset + n, START + timedelta(minutes=n)) for n in range(6)]))
    first = fold(store, "rollups", rows_at_once=5, most_slices=1)
    assert (first.rows_before, first.rows_after) == (6, 3)  # a day, an hour and the first minute
    oldest = query(
        store,
        "SELECT bucket_start, count(*) FROM rollups WHERE resolution = 'minute' GROUP BY ALL ORDER BY ALL",
    )
    assert oldest[0][1] == 1
    assert oldest[-1][1] == 2


PARTS = st.lists(
    st.tuples(
        st.integers(1, 10**6),
        st.floats(-1e140, 1e140) | st.sampled_from([1e9, 1e9 + 1, 1e9 + 2, 0.0]),
        st.floats(0, 1e100),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(PARTS)
def test_any_moments_fold_to_the_moments_of_all_of_them(parts: list[tuple[int, float, float]]) -> None:
    total = sum(n for n, _, _ in parts)
    exact_mean = sum((n * Fraction(mean) for n, mean, _ in parts), Fraction()) / total
    exact_m2 = Fraction()
    for n, mean, m2 in parts:
        exact_m2 += Fraction(m2) + n * (Fraction(mean) - exact_mean) ** 2
    (found,) = fold_in_memory(
        "rollup_metrics", [{**NAMED, "n": n, "mean": mean, "m2": m2} for n, mean, m2 in parts]
    )
    largest = max(abs(Fraction(mean)) for _, mean, _ in parts)
    assert found["n"] == total
    assert abs(Fraction(found["mean"]) - exact_mean) <= largest * Fraction(1e-12)
    rounding = exact_m2 + total * largest**2 * Fraction(1e-14)  # of means that are nearly the same
    assert abs(Fraction(found["m2"]) - exact_m2) <= rounding * Fraction(1e-12)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(-5, 5) | st.just(-(2**31)), st.integers(1, 2**40)), min_size=1))
def test_any_histograms_fold_to_the_histogram_of_all_values(parts: list[dict[int, int]]) -> None:
    parts = [part or {0: 1} for part in parts]
    rows = [
        {**BUCKET, "metric": "latency_ms", "buckets": sorted(part), "counts": [part[b] for b in sorted(part)]}
        for part in parts
    ]
    (found,) = fold_in_memory("rollup_histograms", rows)
    expected: Counter[int] = Counter()
    for part in parts:
        expected.update(part)
    assert list(zip(found["buckets"], found["counts"], strict=True)) == sorted(expected.items())


SERIES = {"prompt": "p", "version": "1", "variant": None, "environment": "prod", "app": "a", "model": "m"}
BUCKET = {"resolution": "day", "bucket_start": START, **SERIES}
NAMED = {**BUCKET, "name": "quality"}


MEMORY = duckdb.connect()


def fold_in_memory(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    MEMORY.register("parts", pa.Table.from_pylist(rows))
    return fetch_rows(
        MEMORY, statement(f"fold_{table}", "coalmine_consumers.maintenance").format(source="parts")
    )


def test_a_table_is_due_once_enough_was_appended_in_proportion() -> None:
    policy = CompactionPolicy(min_rows=100)
    assert not is_due(99, 0, policy)
    assert is_due(100, 0, policy)
    assert not is_due(1_499, 1_000, policy)
    assert is_due(1_500, 1_000, policy)


def test_compaction_does_what_is_due_and_rests_until_rows_were_appended(store: Store) -> None:
    feed = Feed()
    policy, state = CompactionPolicy(min_rows=50, rows_at_once=100), CompactionState()
    for round_ in range(3):
        for seed in range(3):
            store.commit(feed.batch(many_requests(40, 10 * round_ + seed, hours=0.3)))
        before = answers(store)
        assert {each.table for each in compact(store, policy, state)} >= set(BUCKET_KEYS)
        assert compact(store, policy, state) == []
        for table in ADDITIVE_TABLES:
            assert_same(folded(store, table), before[table])
    left = table_rows(store)
    assert left["rollups"] < len(folded(store, "rollups")) + 50
