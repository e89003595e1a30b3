"""Bounds of named values: an experiment's own, fixed once.

A service may report any number under any name, and one value of 1e15 would outweigh all others. A name with a
declared range has that for bounds (values beyond it never get here). Any other has the 0.5th and 99.5th
percentile of its first values in the experiment, of all arms together, which themselves do not count: bounds
never depend on the values they are applied to. Values beyond count as much as the bound.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.groups import Codes, codes_of, distinct, group_by
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.arrays import BoolArray, FloatArray, IntArray
from coalmine_consumers.sql import append_rows, fetch_rows, fetch_table, lent, replace_rows
from coalmine_schemas.ranges import Range

LOW_QUANTILE, HIGH_QUANTILE = 0.005, 0.995
FIRST_VALUES = 200
"""Bounds need this many values: the most extreme one on either side is then left out."""

Basis = Literal["declared", "first values"]
Key: TypeAlias = tuple[str, str]
"""An experiment and a metric."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Bounds of one name in one experiment."""

    experiment: str
    metric: str
    """As in the cells."""
    low: float | None
    """None while too few values are known."""
    high: float | None
    basis: Basis
    since_ingest_id: int
    """Values that later batches bring are counted."""
    frozen_at: datetime


def read_bounds(
    connection: duckdb.DuckDBPyConnection, experiments: Iterable[str] | None = None
) -> list[Bound]:
    """Stored bounds of these experiments, or of all."""
    rows = fetch_rows(
        connection,
        "SELECT * FROM experiment_bounds "
        "WHERE $experiments IS NULL OR experiment IN (SELECT unnest($experiments::VARCHAR[]))",
        {"experiments": None if experiments is None else list(experiments)},
    )
    return [Bound(**row) for row in rows]


def bounds_for(
    connection: duckdb.DuckDBPyConnection,
    experiments: pa.ChunkedArray,
    named: NamedValues,
    declared: Mapping[str, Range],
    *,
    ingest_id: int,
    now: datetime,
) -> list[Bound]:
    """Bounds for the values of a batch; those that are new are fixed and stored.

    Args:
        connection: Inside the batch's transaction.
        experiments: Of each event.
        named: The events' values, with names as in the cells.
        declared: Ranges by name as in the cells.
        ingest_id: The batch.
        now: When it is committed.
    """
    codes, names = codes_of(experiments), codes_of(named.names)
    found, metrics = distinct(experiments), named.names.unique().to_pylist()
    groups = group_by(Codes(codes.of_row[named.row], codes.size), Codes(names.of_row[named.name], names.size))
    if not groups.count:
        return []
    keys = [
        (found[experiment], metrics[metric])
        for experiment, metric in zip(
            codes.of_row[named.row[groups.a_row]].tolist(),
            names.of_row[named.name[groups.a_row]].tolist(),
            strict=True,
        )
    ]
    stored = {(each.experiment, each.metric): each for each in read_bounds(connection, found)}
    is_open = np.array([key not in stored or stored[key].low is None for key in keys])
    values = _by_key(keys, groups.of_row, named.values, is_open)
    first = _first_values(connection, [key for key in values if key[1] not in declared])
    fresh: dict[Key, Bound] = {}
    kept: dict[Key, FloatArray] = {}
    for key, mine in values.items():
        if (limits := declared.get(key[1])) is not None:
            fresh[key] = Bound(*key, *limits, "declared", ingest_id - 1, now)
        elif len(mine) + len(first.get(key, ())) < FIRST_VALUES:
            kept[key] = mine
            fresh[key] = Bound(*key, None, None, "first values", ingest_id, now)
        else:
            together = np.concatenate([first.get(key, mine[:0]), mine])
            fresh[key] = Bound(*key, *_frozen(together), "first values", ingest_id, now)
    _keep(connection, kept)
    _forget(connection, first.keys() - kept.keys())
    _store(connection, [*fresh.values()])
    return [*(stored | fresh).values()]


def _by_key(
    keys: list[Key], of_value: IntArray, values: FloatArray, is_open: BoolArray
) -> dict[Key, FloatArray]:
    """The values of each key that is open."""
    mine = np.flatnonzero(is_open[of_value])  # none, in nearly every batch
    if not len(mine):
        return {}
    mine = mine[np.argsort(of_value[mine], kind="stable")]
    opened, starts = np.unique(of_value[mine], return_index=True)
    parts = np.split(values[mine], starts[1:])
    return {keys[group]: part for group, part in zip(opened.tolist(), parts, strict=True)}


def _frozen(values: FloatArray) -> tuple[float, float]:
    low, middle, high = np.quantile(values, [LOW_QUANTILE, 0.5, HIGH_QUANTILE], method="nearest")
    ordered = np.sort(values)
    low, high = max(low, ordered[1]), min(high, ordered[-2])
    # What nearly always has the same value has percentiles that leave nothing else: 0 of 0 and rare 1.
    if low == middle:
        low = ordered[1]
    if high == middle:
        high = ordered[-2]
    if low == high:
        room = max(abs(low), 1.0)
        low, high = low - room, high + room
    if ordered[0] >= 0 and ordered[-1] <= 1:
        low, high = 0.0, 1.0
    return float(low), float(high)


def _first_values(connection: duckdb.DuckDBPyConnection, keys: list[Key]) -> dict[Key, list[float]]:
    """The first values of those keys that have some."""
    first: dict[Key, list[float]] = {}
    if not keys:
        return first
    with lent(connection, asked=_table(keys)):
        found = fetch_table(
            connection,
            "SELECT experiment, metric, value FROM experiment_first_values "
            "SEMI JOIN asked USING (experiment, metric)",
        )
    for experiment, metric, value in zip(*(column.to_pylist() for column in found.columns), strict=True):
        first.setdefault((experiment, metric), []).append(value)
    return first


def _keep(connection: duckdb.DuckDBPyConnection, values: Mapping[Key, FloatArray]) -> None:
    """Adds to first values."""
    if not values:
        return
    at = np.repeat(np.arange(len(values)), [len(each) for each in values.values()])
    rows = _table(values).take(at).append_column("value", pa.array(np.concatenate([*values.values()])))
    append_rows(connection, "experiment_first_values", rows)


def _forget(connection: duckdb.DuckDBPyConnection, keys: Collection[Key]) -> None:
    """Removes first values."""
    if not keys:
        return
    with lent(connection, asked=_table(keys)):
        connection.execute(
            "DELETE FROM experiment_first_values "
            "WHERE (experiment, metric) IN (SELECT (experiment, metric) FROM asked)"
        ).fetchall()


def _table(keys: Iterable[Key]) -> pa.Table:
    experiments, metrics = zip(*keys, strict=True)
    return pa.table(
        {"experiment": pa.array(experiments, pa.string()), "metric": pa.array(metrics, pa.string())}
    )


def _store(connection: duckdb.DuckDBPyConnection, fresh: list[Bound]) -> None:
    if not fresh:
        return
    rows = pa.table(
        {
            "experiment": [each.experiment for each in fresh],
            "metric": [each.metric for each in fresh],
            "low": pa.array([each.low for each in fresh], pa.float64()),
            "high": pa.array([each.high for each in fresh], pa.float64()),
            "basis": [each.basis for each in fresh],
            "since_ingest_id": [each.since_ingest_id for each in fresh],
            "frozen_at": pa.array([each.frozen_at for each in fresh], pa.timestamp("us", "UTC")),
        }
    )
    replace_rows(connection, "experiment_bounds", ("experiment", "metric"), rows)
