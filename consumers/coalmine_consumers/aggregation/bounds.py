"""Bounds of named values: an experiment's own, fixed once.

A service may report any number under any name, and one value of 1e15 would outweigh all others. A name with a
declared range has that for bounds (values beyond it never get here). Any other has the 0.5th and 99.5th
percentile of its first values in the experiment, of all arms together, which themselves do not count: bounds
never depend on the values they are applied to. Values beyond count as much as the bound.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.groups import codes_of, distinct
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.arrays import FloatArray
from coalmine_consumers.sql import fetch_rows, fetch_table, lent, replace_rows
from coalmine_schemas.ranges import Range

LOW_QUANTILE, HIGH_QUANTILE = 0.005, 0.995
FIRST_VALUES = 200
"""Bounds need this many values: the most extreme one on either side is then left out."""

Basis = Literal["declared", "first values"]


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
    if not len(named.names):
        return []
    codes = codes_of(experiments)
    found = distinct(experiments)
    stored = {(each.experiment, each.metric): each for each in read_bounds(connection, found)}
    fresh: dict[tuple[str, str], Bound] = {}
    of_value = codes.of_row[named.row]
    for metric_code, metric in enumerate(named.names.to_pylist()):
        for code, experiment in enumerate(found):
            key = experiment, metric
            if (known := fresh.get(key) or stored.get(key)) is not None and known.low is not None:
                continue
            mine = named.values[(named.name == metric_code) & (of_value == code)]
            if len(mine):
                fresh[key] = _bound(connection, key, mine, declared.get(metric), ingest_id=ingest_id, now=now)
    _store(connection, [*fresh.values()])
    return [*(stored | fresh).values()]


def _bound(
    connection: duckdb.DuckDBPyConnection,
    key: tuple[str, str],
    values: FloatArray,
    limits: Range | None,
    *,
    ingest_id: int,
    now: datetime,
) -> Bound:
    if limits is not None:
        return Bound(*key, *limits, "declared", ingest_id - 1, now)
    first = np.concatenate([_first_values(connection, key), values])
    if len(first) < FIRST_VALUES:
        _keep(connection, key, values)
        return Bound(*key, None, None, "first values", ingest_id, now)
    _keep(connection, key, None)
    return Bound(*key, *_frozen(first), "first values", ingest_id, now)


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


def _first_values(connection: duckdb.DuckDBPyConnection, key: tuple[str, str]) -> FloatArray:
    found = fetch_table(
        connection,
        "SELECT value FROM experiment_first_values WHERE experiment = $experiment AND metric = $metric",
        {"experiment": key[0], "metric": key[1]},
    )
    values: FloatArray = found["value"].to_numpy()
    return values


def _keep(connection: duckdb.DuckDBPyConnection, key: tuple[str, str], values: FloatArray | None) -> None:
    """Adds to the first values of a name, or forgets them."""
    named = {"experiment": key[0], "metric": key[1]}
    if values is None:
        forget = "DELETE FROM experiment_first_values WHERE experiment = $experiment AND metric = $metric"
        connection.execute(forget, named).fetchall()
        return
    with lent(connection, first_values=pa.table({"value": values})):
        connection.execute(
            "INSERT INTO experiment_first_values SELECT $experiment, $metric, value FROM first_values", named
        ).fetchall()


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
