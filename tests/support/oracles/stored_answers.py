"""What the additive tables of a store say, summed per key, to be compared with `rollup_oracle`."""

import math
from collections import Counter
from typing import Any

import pyarrow as pa

from coalmine_consumers.store import Store
from tests.support.oracles.rollup_oracle import Answers, Expected

_SERIES = ("prompt", "version", "variant", "environment", "app", "model")
KEYS = {
    "rollups": ("resolution", "bucket_start", *_SERIES),
    "rollup_histograms": ("resolution", "bucket_start", *_SERIES, "metric"),
    "rollup_metrics": ("resolution", "bucket_start", *_SERIES, "name"),
    "experiment_cells": ("experiment", "allocation_epoch", "variant", "metric", "unit_group"),
    "experiment_units": ("experiment", "allocation_epoch", "variant", "unit_group", "unit_id"),
}
_MOMENTS = {
    "rollups": {"cost": "cost_known", "latency": "latency_n", "ttft": "ttft_n", "rating": "rating_n"},
    "rollup_metrics": {"": "n"},
}


def answers(store: Store, table: str) -> Answers:
    """Sums over all rows of each key."""
    return summed(table, store.reader().table(f"SELECT * FROM {table}"))


def summed(table: str, rows: pa.Table) -> Answers:
    """Sums over rows of each key."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        groups.setdefault(tuple(row[name] for name in KEYS[table]), []).append(row)
    return {key: _sum(table, mine) for key, mine in groups.items()}


def _sum(table: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    if table == "rollup_histograms":
        counts: Counter[int] = Counter()
        for row in rows:
            assert row["buckets"] == sorted(set(row["buckets"]))
            counts.update(dict(zip(row["buckets"], row["counts"], strict=True)))
        return {"histogram": dict(counts)}
    answer: dict[str, Any] = {}
    for prefix, count in _MOMENTS.get(table, {}).items():
        mean_name, m2_name = (f"{prefix}_{part}".strip("_") for part in ("mean", "m2"))
        known = [row for row in rows if row[count]]
        n = sum(row[count] for row in known)
        mean = math.fsum(row[count] * row[mean_name] for row in known) / n if n else None
        between = math.fsum(row[count] * (row[mean_name] - mean) ** 2 for row in known) if n else None
        answer[mean_name] = mean
        answer[m2_name] = None if between is None else between + math.fsum(row[m2_name] for row in known)
    for name in rows[0]:
        if name in KEYS[table] or name in answer or name == "matures_at":
            continue
        values = [row[name] for row in rows if row[name] is not None]
        if name == "first_event_time":
            answer[name] = min(values, default=None)
        elif name == "last_event_time":
            answer[name] = max(values, default=None)
        else:
            answer[name] = sum(values)
    return answer


def assert_holds(store: Store, expected: Expected) -> None:
    """Everything additive in the store is what the oracle says, and so are the pending events."""
    for table in KEYS:
        assert_same(answers(store, table), getattr(expected, table), table)
    for reaction, count in expected.unattributed.items():
        found = store.reader().table(f"SELECT count(*) AS n FROM pending_{reaction}")["n"][0].as_py()
        assert found == count, reaction


def assert_same(found: Answers, expected: Answers, what: str) -> None:
    """Whole numbers and times exactly; floats to rounding, sums of squares to that of what was squared."""
    assert found.keys() == expected.keys(), what
    for key, wanted in expected.items():
        mine = found[key]
        assert mine.keys() == wanted.keys(), (what, key)
        for name, value in wanted.items():
            if isinstance(value, float) and mine[name] is not None:
                mean = wanted.get(name.replace("m2", "mean")) or 0.0
                scale = max(abs(value), mean * mean * 100, 1e-300)
                assert abs(mine[name] - value) <= 1e-9 * scale, (what, key, name, mine[name], value)
            else:
                assert mine[name] == value, (what, key, name)
