"""Histograms of many groups are those of each group, added up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from coalmine_consumers.aggregation.histograms import ZERO_BUCKET
from coalmine_consumers.aggregation.histograms import quantiles as of_one
from coalmine_consumers.queries import histograms as module
from coalmine_consumers.queries.cover import Piece
from coalmine_consumers.queries.histograms import HistogramKey, Histograms, histograms
from coalmine_consumers.queries.measures import piece_rows
from coalmine_consumers.store import Store

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAMES = [("p", "1"), ("p", "2")]
METRICS = ("latency_ms", "cost_nano_usd")
ROWS = [
    # minute, version, app, metric, buckets, counts
    (0, "1", "a", "latency_ms", [1, 5], [2, 3]),
    (0, "1", "b", "latency_ms", [5, 7], [1, 1]),
    (1, "1", "a", "latency_ms", [ZERO_BUCKET, 5], [4, 1]),
    (1, "1", "a", "cost_nano_usd", [-30], [9]),
    (1, "2", "a", "latency_ms", [], []),
    (2, "2", "a", "latency_ms", [ZERO_BUCKET], [2]),
    (9, "1", "a", "latency_ms", [99], [99]),
]


def found(
    folder: Path,
    bucket_s: int | None,
    names: list[tuple[str, str]] = NAMES,
    keys: tuple[str, ...] = ("prompt", "version"),
) -> Histograms:
    store = Store.open(folder / "store")
    with store.transaction() as connection:
        for minute, version, app, metric, buckets, counts in ROWS:
            connection.execute(
                "INSERT INTO rollup_histograms BY NAME SELECT 'minute' AS resolution, $at AS bucket_start, "
                "'p' AS prompt, $version AS version, 'prod' AS environment, $app AS app, 'm' AS model, "
                "$metric AS metric, $buckets::INTEGER[] AS buckets, $counts::BIGINT[] AS counts",
                {"at": HOUR + minute * MINUTE, "version": version, "app": app, "metric": metric}
                | {"buckets": buckets, "counts": counts},
            ).fetchall()
    piece = Piece("minute", HOUR, HOUR + 5 * MINUTE)
    versions = [{"prompt": prompt, "version": version} for prompt, version in names]
    parameters = {"pieces": piece_rows([piece]), "bucket_s": bucket_s, "versions": versions}
    parameters |= dict.fromkeys(("environment", "app", "model", "preferred"))
    try:
        return histograms(store.reader(), parameters, keys, METRICS)
    finally:
        store.close()


def counted(histograms: Histograms) -> dict[HistogramKey, dict[int, int]]:
    return {
        key: dict(zip(each.buckets.tolist(), each.counts.tolist(), strict=True))
        for key, each in histograms.each()
    }


WHOLE = {
    (None, "p", "1", "latency_ms"): {ZERO_BUCKET: 4, 1: 2, 5: 5, 7: 1},
    (None, "p", "1", "cost_nano_usd"): {-30: 9},
    (None, "p", "2", "latency_ms"): {ZERO_BUCKET: 2},
}


def test_rows_of_all_times_and_apps_are_added_up(tmp_path: Path) -> None:
    assert counted(found(tmp_path, None)) == WHOLE


def test_time_is_told_apart_by_buckets(tmp_path: Path) -> None:
    assert counted(found(tmp_path, 120)) == {
        (HOUR, "p", "1", "latency_ms"): {ZERO_BUCKET: 4, 1: 2, 5: 5, 7: 1},
        (HOUR, "p", "1", "cost_nano_usd"): {-30: 9},
        (HOUR + 2 * MINUTE, "p", "2", "latency_ms"): {ZERO_BUCKET: 2},
    }


def test_only_versions_that_are_named_count(tmp_path: Path) -> None:
    key = (None, "p", "2", "latency_ms")
    assert counted(found(tmp_path, None, [("p", "2")])) == {key: WHOLE[key]}
    assert counted(found(tmp_path, None, [("p", "3")])) == {}


def test_any_columns_tell_groups_apart(tmp_path: Path) -> None:
    assert counted(found(tmp_path, None, keys=("version", "app = 'a' AS own"))) == {
        (None, "1", True, "latency_ms"): {ZERO_BUCKET: 4, 1: 2, 5: 4},
        (None, "1", False, "latency_ms"): {5: 1, 7: 1},
        (None, "1", True, "cost_nano_usd"): {-30: 9},
        (None, "2", True, "latency_ms"): {ZERO_BUCKET: 2},
    }


@pytest.mark.parametrize(("name", "value"), [("_AT_ONCE", 2), ("_MOST_HELD", 1), ("_MOST_CELLS", 1)])
def test_few_rows_at_once_and_many_buckets_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    assert counted(found(tmp_path, None)) == WHOLE


def test_quantiles_of_many_are_those_of_each(tmp_path: Path) -> None:
    shares = (0.0, 0.25, 0.5, 0.95, 1.0)
    random = np.random.default_rng(1)
    sizes = random.integers(1, 30, 200)
    buckets = [np.sort(random.choice(400, size, replace=False) - 100).astype(np.int32) for size in sizes]
    counts = [random.integers(1, 50, size) for size in sizes]
    keys = [(None, "p", str(number), "latency_ms") for number in range(len(sizes))]
    many = Histograms(
        keys, np.append(0, np.cumsum(sizes)), np.concatenate(buckets), np.concatenate(counts)
    ).quantiles(shares)
    for key, of_key, number in zip(keys, buckets, counts, strict=True):
        assert many[key] == of_one(of_key, number, shares)
    assert found(tmp_path, None, [("p", "3")]).quantiles(shares) == {}
