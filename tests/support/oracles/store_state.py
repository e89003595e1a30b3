"""What a store holds, in a form that two stores or two moments can be compared by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.store import ID_COLUMN, Store

ADDITIVE = (
    "rollups",
    "rollup_histograms",
    "rollup_metrics",
    "experiment_cells",
    "experiment_segment_cells",
    "experiment_units",
)


def raw_rows(store: Store, event: IngestedEvent) -> list[dict[str, Any]]:
    """All rows of an event, by id."""
    found = store.reader().table(f"SELECT * FROM {event} ORDER BY {ID_COLUMN[event]}")
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def all_raw_rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All rows of all events."""
    return {event: raw_rows(store, event) for event in INGESTED_EVENTS}


def count(store: Store, table: str) -> int:
    """Rows of a table or view."""
    return int(store.reader().table(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def query(store: Store, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a statement."""
    return [tuple(row.values()) for row in store.reader().table(sql).to_pylist()]


def by_hand(store: Store, sql: str) -> None:
    """Change a store behind its back."""
    with store.transaction() as connection:
        connection.execute(sql).fetchall()


def freeze_windows(store: Store, experiment: str, hours: float = 1.0) -> None:
    """Let an experiment count what is said within so many hours of the request, from its first batch on."""
    rows = ", ".join(
        f"('{experiment}', '{delay}', 0.95, {hours * 3_600_000}, 50, 'before', 0, 0, now())"
        for delay in ("feedback_delay_ms", "score_delay_ms")
    )
    by_hand(store, f"INSERT INTO experiment_references VALUES {rows}")


def folded(store: Store, table: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The answers of an additive table: one entry per key, computed in Python without our own code."""
    rows = store.reader().table(f"SELECT * FROM {table}")
    return fold_rows(table, rows)


_KEYS = {
    "rollups": 8,
    "rollup_histograms": 9,
    "rollup_metrics": 9,
    "experiment_cells": 5,
    "experiment_segment_cells": 7,
    "experiment_units": 5,
}
_MOMENTS = {
    "rollups": {"cost": "cost_known", "latency": "latency_n", "ttft": "ttft_n", "rating": "rating_n"},
    "rollup_metrics": {"": "n"},
}


def fold_rows(table: str, rows: pa.Table) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """See `folded`."""
    keys, names = _KEYS[table], rows.column_names
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        groups.setdefault(row[:keys], []).append(row[keys:])
    fold = _fold_of(table, names[keys:])
    count_at = names.index("n") - keys if "n" in names else None
    return {key: fold(parts) for key, parts in groups.items() if not _is_taken_back(parts, count_at)}


def _is_taken_back(parts: Sequence[tuple[Any, ...]], count_at: int | None) -> bool:
    """Whether nothing is left of what was added."""
    if count_at is None:
        return False
    counts: list[int] = [part[count_at] for part in parts]
    return sum(counts) == 0 and min(counts) < 0


def _fold_of(table: str, names: Sequence[str]) -> Callable[[Sequence[tuple[Any, ...]]], tuple[Any, ...]]:
    """Folds the parts of one key, which have these columns."""
    if table == "rollup_histograms":
        return _counts
    moments = _MOMENTS.get(table, {})
    special = {f"{prefix}_{part}".strip("_") for prefix in moments for part in ("mean", "m2")}
    special |= {"first_event_time", "last_event_time", "matures_at"}
    summed = [at for at, name in enumerate(names) if name not in special]
    at_of = {name: at for at, name in enumerate(names)}
    of_moments = [
        (at_of[of], at_of[f"{prefix}_mean".strip("_")], at_of[f"{prefix}_m2".strip("_")])
        for prefix, of in moments.items()
    ]
    has_times = "first_event_time" in at_of

    def fold(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        columns = list(zip(*parts, strict=True))
        answers: list[Any] = [sum(columns[at]) for at in summed]
        for n_at, mean_at, m2_at in of_moments:
            answers += _moments(list(zip(columns[n_at], columns[mean_at], columns[m2_at], strict=True)))
        if has_times:
            answers.append(min(filter(None, columns[at_of["first_event_time"]]), default=None))
            answers.append(max(filter(None, columns[at_of["last_event_time"]]), default=None))
        return tuple(answers)

    return fold


def _counts(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Buckets and counts of histograms, as one entry."""
    counts: dict[int, int] = {}
    for buckets, found in parts:
        for bucket, count in zip(buckets, found, strict=True):
            counts[bucket] = counts.get(bucket, 0) + count
    return (tuple(sorted(counts.items())),)


def _moments(parts: Sequence[tuple[int, float | None, float | None]]) -> list[float | None]:
    """Merge by the pairwise formula, one after another."""
    total, mean, m2 = 0, 0.0, 0.0
    for n, other, other_m2 in parts:
        if n:
            assert other is not None and other_m2 is not None
            delta = other - mean
            m2 += other_m2 + delta * delta * total * n / (total + n)
            mean += delta * n / (total + n)
            total += n
    return [mean, m2] if total else [None, None]


def assert_same(
    found: dict[tuple[Any, ...], tuple[Any, ...]], expected: dict[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    """Integers exactly; floats to 1e-12 of the larger, or of the square of the mean for what sums squares."""
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        if found[key] == values:
            continue
        for one, other in zip(found[key], values, strict=True):
            if isinstance(other, float) and isinstance(one, float):
                scale = max(abs(one), abs(other), *(abs(v) ** 2 for v in values if isinstance(v, float)))
                assert abs(one - other) <= 1e-12 * scale, (key, one, other)
            else:
                assert one == other, (key, one, other)


def rows_in_file(path: str) -> int:
    """Rows of a Parquet file by its footer."""
    return pq.read_metadata(path).num_rows  # type: ignore[no-any-return]


def delete_from_file(path: Path, condition: str) -> None:
    """Delete rows of a Parquet file by hand; the condition may ask the table `rows`."""
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT * FROM read_parquet('{path}')").to_arrow_table()
        connection.register("rows", rows)
        kept = connection.sql(f"SELECT * FROM rows WHERE NOT ({condition})").to_arrow_table()
    pq.write_table(kept, path)
