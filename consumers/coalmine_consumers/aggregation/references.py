"""Frozen references: thresholds of heavy-tailed measures, fixed once for each experiment.

One request that costs a thousand times the usual outweighs all others, and a quantile is not a mean. So an
experiment counts costs and latencies capped at the 99.5th percentile, and how many latencies exceed the
95th. Both percentiles are taken from before the experiment: the week of the same prompts and environments
that ended with its first request. Where too little is known of that time, the experiment's own first
requests serve, of all arms together, and only later batches are counted: a threshold never depends on the
values compared with it.

The delay of nearly all reactions is such a reference, too (see `late.py`): of the last four weeks, or, where
too little is known of these, of the experiment's own first reactions. It must be short beside the time they
come from: of requests of the last hour one knows the quick reactions only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.bounds import Bound
from coalmine_consumers.aggregation.groups import codes_of, distinct
from coalmine_consumers.aggregation.histograms import RELATIVE_ERROR, quantiles
from coalmine_consumers.aggregation.segments import Segments
from coalmine_consumers.arrays import FloatArray, Int32Array, IntArray
from coalmine_consumers.sql import fetch_table, lent, replace_rows, statement

CAP_QUANTILE = 0.995
"""Values above it count as much as it."""
TAIL_QUANTILE = 0.95
"""Values above it are counted."""
MIN_KNOWN = 1_000
"""References need at least this many values: five above the cap, fifty in the tail."""
MOST_AT_ONCE = 200
"""Experiments whose references one commit takes; further ones have their turn with their next batch."""
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_POPULATION = ("experiment", "prompt", "environment")
HISTORY = timedelta(days=7)
"""How far back a reference looks: one of each hour of the week."""
LATE_QUANTILE = 0.95
"""Reactions with longer delays do not count."""
LATE_HISTORY = timedelta(days=28)
"""How far back a delay looks."""
LATE_KNOWN = 50
"""Delays need at least this many reactions,"""
LATE_SPAN = 4.0
"""and requests over this many times their length."""
LEAST_WINDOW_MS = 60_000.0
"""Clocks of services differ."""
DELAYS = MappingProxyType({"feedback": "feedback_delay_ms", "scores": "score_delay_ms"})
"""Measures of delays, by what came late."""

REFERENCES: tuple[tuple[str, float], ...] = (
    ("cost_nano_usd", CAP_QUANTILE),
    ("cost_uncached_nano_usd", CAP_QUANTILE),
    ("latency_ms", CAP_QUANTILE),
    ("latency_ms", TAIL_QUANTILE),
    ("time_to_first_token_ms", TAIL_QUANTILE),
    *((delay, LATE_QUANTILE) for delay in DELAYS.values()),
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


class _Histogram(NamedTuple):
    """What is known of a measure before a reference is frozen."""

    buckets: Int32Array = np.array([], np.int32)
    counts: IntArray = np.array([], np.int64)
    span_ms: float = 0.0
    """How long before the end the oldest requests were."""

    def reference(self, metric: str, quantile: float) -> float | None:
        """The threshold; None while too little is known."""
        late = metric in DELAYS.values()
        if int(self.counts.sum()) < (LATE_KNOWN if late else MIN_KNOWN):
            return None
        value = quantiles(self.buckets, self.counts, [quantile])[0]
        if not late or value is None:
            return value
        # The end of the bucket: reactions that all take equally long are all within it.
        window_ms = max(value / (1 - RELATIVE_ERROR), LEAST_WINDOW_MS)
        return window_ms if LATE_SPAN * window_ms <= self.span_ms else None


class References:
    """What the cells of some experiments are counted by, at one moment.

    Args:
        references: Thresholds of measures.
        bounds: Of named values.
        segments: Declared segments.
        as_they_are: True where named values count without bounds, and reactions whenever they came.
    """

    def __init__(
        self,
        references: Iterable[Reference] = (),
        bounds: Iterable[Bound] = (),
        segments: Segments | None = None,
        *,
        as_they_are: bool = False,
    ) -> None:
        self.as_they_are = as_they_are
        self.segments = segments or Segments()
        self.bounds = {(each.experiment, each.metric): each for each in bounds}
        self._by_key: dict[tuple[str, float], dict[str, Reference]] = {}
        for each in references:
            self._by_key.setdefault((each.metric, each.quantile), {})[each.experiment] = each

    def values(self, metric: str, quantile: float) -> list[Reference]:
        """The references to one quantile of a measure that have a value."""
        found = self._by_key.get((metric, quantile), {}).values()
        return [reference for reference in found if reference.value is not None]

    def thresholds(self, rows: pa.Table, metric: str, quantile: float) -> FloatArray | None:
        """Returns the threshold of each request: NaN where it has none, None if none has.

        Args:
            rows: Requests with `experiment` and `ingest_id`.
            metric: The measure.
            quantile: Which of its references.
        """
        known = {reference.experiment: reference for reference in self.values(metric, quantile)}
        if not known or "ingest_id" not in rows.column_names:
            return None
        column = rows["experiment"]
        names = distinct(column)
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


def read_references(
    connection: duckdb.DuckDBPyConnection, experiments: Sequence[str] | None = None
) -> list[Reference]:
    """References of all experiments, or of some."""
    if experiments is not None and not experiments:
        return []
    rows = fetch_table(
        connection,
        "SELECT * FROM experiment_references "
        "WHERE $experiments IS NULL OR experiment IN (SELECT unnest($experiments::VARCHAR[])) "
        "ORDER BY experiment, metric, quantile",
        {"experiments": None if experiments is None else list(experiments)},
    )
    return [Reference(**row) for row in rows.to_pylist()]


def references_for(
    connection: duckdb.DuckDBPyConnection, requests: pa.Table, ingest_id: int, now: datetime
) -> list[Reference]:
    """References for the requests of a batch; those of new experiments are taken and stored.

    Args:
        connection: Inside the batch's transaction, after its rollups were appended.
        requests: The batch's new requests.
        ingest_id: The batch.
        now: When it is committed.
    """
    if requests["experiment"].null_count == requests.num_rows:
        return []
    names = sorted(set(distinct(requests["experiment"].drop_null())))
    stored = read_references(connection, names)
    by_experiment: dict[str, list[Reference]] = {}
    for reference in stored:
        by_experiment.setdefault(reference.experiment, []).append(reference)
    due = [name for name in names if _is_due(by_experiment.get(name, []), ingest_id)][:MOST_AT_ONCE]
    fresh = _taken(connection, requests, {name: by_experiment.get(name, []) for name in due}, ingest_id, now)
    if fresh:
        _store(connection, fresh)
    replaced = {(each.experiment, each.metric, each.quantile) for each in fresh}
    kept = [each for each in stored if (each.experiment, each.metric, each.quantile) not in replaced]
    return [*kept, *fresh]


def _is_due(mine: Sequence[Reference], ingest_id: int) -> bool:
    """True at the first batch and, while values are missing, after 1, 2, 4, ... further batches."""
    if not mine:
        return True
    open_ones = [each for each in mine if each.value is None]
    return len(mine) < len(REFERENCES) or any(
        ingest_id - each.first_ingest_id >= 2 * (each.since_ingest_id - each.first_ingest_id) + 1
        for each in open_ones
    )


def _taken(
    connection: duckdb.DuckDBPyConnection,
    requests: pa.Table,
    due: Mapping[str, Sequence[Reference]],
    ingest_id: int,
    now: datetime,
) -> list[Reference]:
    """References that can be taken now, and for the others a note of when that was tried."""
    if not due:
        return []
    taken = {
        name: {(each.metric, each.quantile) for each in mine if each.value is not None}
        for name, mine in due.items()
    }
    # Nearly always only delays are open still: what the others come from is large.
    wanted = {
        metric for mine in taken.values() for metric, quantile in REFERENCES if (metric, quantile) not in mine
    }
    found = _histograms(connection, _populations(requests, due), wanted)
    references = []
    for experiment, mine in due.items():
        basis: Basis = "first requests" if mine else "before"
        first = mine[0].first_ingest_id if mine else ingest_id
        for metric, quantile in REFERENCES:
            if (metric, quantile) in taken[experiment]:
                continue
            histogram = found.get((experiment, metric), _Histogram())
            value = histogram.reference(metric, quantile)
            # Taken from before the experiment it holds for this batch at once; else from the next one on.
            since = ingest_id - 1 if basis == "before" and value is not None else ingest_id
            known = int(histogram.counts.sum())
            references.append(Reference(experiment, metric, quantile, value, known, basis, first, since, now))
    return references


def _populations(requests: pa.Table, due: Mapping[str, Sequence[Reference]]) -> pa.Table:
    """Prompts and environments of experiments, and the times in which to look at them."""
    rows = pa.table({name: requests[name].cast(pa.string()) for name in _POPULATION})
    rows = rows.append_column("event_time", requests["event_time"])
    rows = rows.filter(pc.is_in(rows["experiment"], pa.array(due, pa.string())))
    pairs = rows.group_by(list(_POPULATION)).aggregate([])
    times = rows.group_by("experiment").aggregate([("event_time", "min"), ("event_time", "max")])
    ends = {}
    for row in times.to_pylist():
        begun = bool(due[row["experiment"]])
        end = min(row["event_time_max"], _LAST) + timedelta(minutes=1) if begun else row["event_time_min"]
        ends[row["experiment"]] = end.replace(second=0, microsecond=0)
    until = [ends[name] for name in pairs["experiment"].to_pylist()]
    moments = pa.timestamp("us", "UTC")
    hour = [end.replace(minute=0) for end in until]
    pairs = pairs.append_column("until", pa.array(until, moments))
    pairs = pairs.append_column("hour", pa.array(hour, moments))
    for name, history in (("since", HISTORY), ("late_since", LATE_HISTORY)):
        pairs = pairs.append_column(name, pa.array([each - history for each in hour], moments))
    return pairs


def _histograms(
    connection: duckdb.DuckDBPyConnection, populations: pa.Table, metrics: Iterable[str]
) -> Mapping[tuple[str, str], _Histogram]:
    """By experiment and measure."""
    with lent(connection, populations=populations):
        parameters = {"metrics": sorted(metrics), "late": list(DELAYS.values())}
        table = fetch_table(connection, statement("reference_histograms", __package__), parameters)
    if not table.num_rows:
        return {}
    keys = list(zip(table["experiment"].to_pylist(), table["metric"].to_pylist(), strict=True))
    starts = [0, *(at for at in range(1, len(keys)) if keys[at] != keys[at - 1]), len(keys)]
    buckets, counts, spans = (table[name].to_numpy() for name in ("bucket", "n", "span_ms"))
    return {
        keys[begin]: _Histogram(buckets[begin:end], counts[begin:end], float(spans[begin:end].max()))
        for begin, end in pairwise(starts)
    }


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
    replace_rows(connection, "experiment_references", ("experiment", "metric", "quantile"), rows)
