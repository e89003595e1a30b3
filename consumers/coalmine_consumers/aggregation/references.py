"""Frozen references: thresholds of heavy-tailed measures, fixed once for each experiment.

One request that costs a thousand times the usual outweighs all others, and a quantile is not a mean. So an
experiment counts costs and latencies capped at the 99.5th percentile, and how many latencies exceed the
95th. Both percentiles are taken from before the experiment: the week of the same prompts and environments
that ended with its first request. Where too little is known of that time, the experiment's own first
requests serve, of all arms together, and only later batches are counted: a threshold never depends on the
values compared with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.groups import codes_of
from coalmine_consumers.aggregation.histograms import quantiles
from coalmine_consumers.arrays import FloatArray, Int32Array, IntArray, microseconds
from coalmine_consumers.sql import fetch_table, lent, statement

CAP_QUANTILE = 0.995
"""Values above it count as much as it."""
TAIL_QUANTILE = 0.95
"""Values above it are counted."""
MIN_KNOWN = 1_000
"""References need at least this many values: five above the cap, fifty in the tail."""
_LAST_US = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000
HISTORY = timedelta(days=7)
"""How far back a reference looks: one of each hour of the week."""

REFERENCES: tuple[tuple[str, float], ...] = (
    ("cost_nano_usd", CAP_QUANTILE),
    ("latency_ms", CAP_QUANTILE),
    ("latency_ms", TAIL_QUANTILE),
    ("time_to_first_token_ms", TAIL_QUANTILE),
)
"""Measure and quantile of every reference an experiment has."""

Basis = Literal["before", "first requests"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One threshold of one experiment."""

    experiment: str
    metric: str
    """The measure."""
    quantile: float
    value: float | None
    """In the measure's unit; None while too few values are known."""
    known: int
    """Values it was taken from."""
    basis: Basis
    first_ingest_id: int
    since_ingest_id: int
    """Requests of later batches are counted by it."""
    frozen_at: datetime


class References:
    """All references of a store at one moment."""

    def __init__(self, references: Iterable[Reference] = ()) -> None:
        self._by_key: dict[tuple[str, float], dict[str, Reference]] = {}
        for each in references:
            self._by_key.setdefault((each.metric, each.quantile), {})[each.experiment] = each

    def thresholds(self, rows: pa.Table, metric: str, quantile: float) -> FloatArray | None:
        """Returns the threshold of each request: NaN where it has none, None if none has.

        Args:
            rows: Requests with `experiment` and `ingest_id`.
            metric: The measure.
            quantile: Which of its references.
        """
        known = {
            experiment: reference
            for experiment, reference in self._by_key.get((metric, quantile), {}).items()
            if reference.value is not None
        }
        if not known or "ingest_id" not in rows.column_names:
            return None
        column = rows["experiment"]
        names = _distinct(column)
        ingest_ids = rows["ingest_id"].to_numpy()
        if len(names) == 1 and not column.null_count:  # as in most batches
            reference = known.get(names[0])
            if reference is None or reference.value is None:
                return None
            return np.where(ingest_ids > reference.since_ingest_id, reference.value, np.nan)
        codes = codes_of(column)
        values = np.full(codes.size, np.nan)
        since = np.zeros(codes.size, np.int64)
        for code, name in enumerate(names):
            if (found := known.get(name)) is not None and found.value is not None:
                values[code], since[code] = found.value, found.since_ingest_id
        if np.isnan(values).all():
            return None
        return np.where(ingest_ids > since[codes.of_row], values[codes.of_row], np.nan)


def _distinct(column: pa.ChunkedArray) -> list[str]:
    """The values that the codes of `codes_of` stand for, in their order; null, if there is one, is last."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return []
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    names: list[str] = array.dictionary.to_pylist()
    return names


def read_references(connection: duckdb.DuckDBPyConnection, experiment: str | None = None) -> list[Reference]:
    """References of all experiments, or of one."""
    rows = fetch_table(
        connection,
        "SELECT * FROM experiment_references WHERE $experiment IS NULL OR experiment = $experiment "
        "ORDER BY experiment, metric, quantile",
        {"experiment": experiment},
    )
    return [Reference(**row) for row in rows.to_pylist()]


def references_for(
    connection: duckdb.DuckDBPyConnection, requests: pa.Table, ingest_id: int, now: datetime
) -> References:
    """References for the requests of a batch; those of new experiments are taken and stored.

    Args:
        connection: Inside the batch's transaction, after its rollups were appended.
        requests: The batch's new requests.
        ingest_id: The batch.
        now: When it is committed.
    """
    if requests["experiment"].null_count == requests.num_rows:
        return References()
    stored = read_references(connection)
    by_experiment: dict[str, list[Reference]] = {}
    for reference in stored:
        by_experiment.setdefault(reference.experiment, []).append(reference)
    fresh: list[Reference] = []
    for experiment in sorted(set(_distinct(requests["experiment"]))):
        mine = by_experiment.get(experiment, [])
        if not _is_due(mine, ingest_id):
            continue
        rows = requests.filter(pc.equal(requests["experiment"], experiment))
        if rows.num_rows:
            fresh += _taken(connection, experiment, rows, mine, ingest_id=ingest_id, now=now)
    if fresh:
        _store(connection, fresh)
    replaced = {(each.experiment, each.metric, each.quantile) for each in fresh}
    kept = [each for each in stored if (each.experiment, each.metric, each.quantile) not in replaced]
    return References([*kept, *fresh])


def _is_due(mine: Sequence[Reference], ingest_id: int) -> bool:
    """True at the first batch and, while values are missing, after 1, 2, 4, ... further batches."""
    if not mine:
        return True
    open_ones = [each for each in mine if each.value is None]
    return any(
        ingest_id - each.first_ingest_id >= 2 * (each.since_ingest_id - each.first_ingest_id) + 1
        for each in open_ones
    )


def _taken(
    connection: duckdb.DuckDBPyConnection,
    experiment: str,
    rows: pa.Table,
    mine: Sequence[Reference],
    *,
    ingest_id: int,
    now: datetime,
) -> list[Reference]:
    """References that can be taken now, and for the others a note of when that was tried."""
    times = microseconds(rows["event_time"])
    basis: Basis
    if mine:
        first, basis = mine[0].first_ingest_id, "first requests"
        end = datetime.fromtimestamp(min(int(times.max()), _LAST_US) / 1e6, UTC) + timedelta(minutes=1)
    else:
        first, basis = ingest_id, "before"
        end = datetime.fromtimestamp(int(times.min()) / 1e6, UTC)
    wanted = [
        (metric, quantile)
        for metric, quantile in REFERENCES
        if not any(
            (each.metric, each.quantile) == (metric, quantile) and each.value is not None for each in mine
        )
    ]
    found = _histograms(connection, rows, {metric for metric, _ in wanted}, end)
    references = []
    for metric, quantile in wanted:
        buckets, counts = found.get(metric, (np.array([], np.int32), np.array([], np.int64)))
        known = int(counts.sum())
        value = quantiles(buckets, counts, [quantile])[0] if known >= MIN_KNOWN else None
        # Taken from before the experiment it holds for this batch at once; else from the next one on.
        since = ingest_id - 1 if basis == "before" and value is not None else ingest_id
        references.append(Reference(experiment, metric, quantile, value, known, basis, first, since, now))
    return references


def _histograms(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, metrics: set[str], end: datetime
) -> Mapping[str, tuple[Int32Array, IntArray]]:
    """Buckets and counts by measure of the rows' prompts and environments, in the week before `end`."""
    pairs = (
        pa.table({name: rows[name].cast(pa.string()) for name in ("prompt", "environment")})
        .group_by(["prompt", "environment"])
        .aggregate([])
    )
    until = end.replace(second=0, microsecond=0)
    hour = until.replace(minute=0)
    parameters: dict[str, Any] = {
        "prompts": pairs["prompt"].to_pylist(),
        "environments": pairs["environment"].to_pylist(),
        "metrics": sorted(metrics),
        "since": hour - HISTORY,
        "hour": hour,
        "until": until,
    }
    table = fetch_table(connection, statement("reference_histograms", __package__), parameters)
    names = np.array(table["metric"].to_pylist(), dtype=object)
    buckets, counts = table["bucket"].to_numpy(), table["n"].to_numpy()
    return {metric: (buckets[names == metric], counts[names == metric]) for metric in metrics}


def _store(connection: duckdb.DuckDBPyConnection, fresh: Sequence[Reference]) -> None:
    rows = pa.table(
        {
            "experiment": [each.experiment for each in fresh],
            "metric": [each.metric for each in fresh],
            "quantile": [each.quantile for each in fresh],
            "value": pa.array([each.value for each in fresh], pa.float64()),
            "known": [each.known for each in fresh],
            "basis": [each.basis for each in fresh],
            "first_ingest_id": [each.first_ingest_id for each in fresh],
            "since_ingest_id": [each.since_ingest_id for each in fresh],
            "frozen_at": pa.array([each.frozen_at for each in fresh], pa.timestamp("us", "UTC")),
        }
    )
    with lent(connection, fresh=rows):
        connection.execute(
            "DELETE FROM experiment_references "
            "WHERE (experiment, metric, quantile) IN (SELECT (experiment, metric, quantile) FROM fresh)"
        ).fetchall()
        connection.execute("INSERT INTO experiment_references BY NAME SELECT * FROM fresh").fetchall()
