"""From raw rows to the sums of hours: every metric means what it means in experiment cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.additive import MAGNITUDE_LIMIT
from coalmine_consumers.aggregation.cells import BUILT_IN
from coalmine_consumers.aggregation.rollup import REFUSALS
from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.drift.watched import KEY, Thresholds, VersionKey
from coalmine_consumers.experiments import UNIT_GROUPS
from coalmine_consumers.sql import fetch_table, statement

DAY_GROUPS = 64
"""Groups of units whose daily sums are kept apart."""
HOUR_S = 3600
HOURS_OF_DAY = 24


@dataclass(frozen=True, slots=True)
class Span:
    """Requests of one version in a period, from batches up to one."""

    key: VersionKey
    since: datetime
    until: datetime
    through_ingest_id: int

    def parameters(self) -> dict[str, Any]:
        """Returns SQL parameters."""
        return {
            **self.key.parameters(),
            "since": self.since,
            "until": self.until,
            "through": self.through_ingest_id,
        }


@dataclass(frozen=True, slots=True, eq=False)
class HourRows:
    """Rows of `drift_hours`, `drift_days` and `drift_models`."""

    hours: pa.Table
    days: pa.Table
    models: pa.Table


def count_span(cursor: duckdb.DuckDBPyConnection, span: Span, thresholds: Thresholds) -> HourRows:
    """Sums up a version's requests, with the feedback and scores about them.

    Args:
        cursor: For reading.
        span: Which; whole UTC days.
        thresholds: For the measures that need them.
    """
    requests = _fetch(
        cursor,
        "request_sums",
        {
            **span.parameters(),
            "refusals": list(REFUSALS),
            "cost_cap": thresholds.cost_cap,
            "latency_cap": thresholds.latency_cap,
            "latency_tail": thresholds.latency_tail,
            "first_token_tail": thresholds.time_to_first_token_tail,
        },
    )
    named = _fetch(cursor, "named_sums", span.parameters())
    feedback = _fetch(cursor, "feedback_sums", span.parameters())
    models = _fetch(cursor, "model_sums", span.parameters())
    sums = [
        *_request_sums(requests, thresholds),
        *_feedback_sums(requests, feedback),
        *_named_sums(named),
    ]
    hours = [table for each in sums if (table := _hours(each)).num_rows]
    days = [table for each in sums if (table := _days(each)).num_rows]
    return HourRows(
        _keyed(pa.concat_tables(hours) if hours else None, span.key),
        _keyed(pa.concat_tables(days) if days else None, span.key),
        _keyed(models if models.num_rows else None, span.key),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """One metric: an entry per hour and unit group."""

    metric: str
    hour: IntArray
    group: IntArray
    x: FloatArray
    y: FloatArray


def _request_sums(table: pa.Table, thresholds: Thresholds) -> Iterator[_Sums]:
    hour, group = _numbers(table, "hour"), _numbers(table, "unit_group")
    pairs: list[tuple[str, str, str, float | None]] = [
        ("requests", "units", "requests", 1),
        ("errors", "requests", "errors", 1),
        ("refusals", "requests", "refusals", 1),
        ("cost_nano_usd.capped", "cost_n", "cost", thresholds.cost_cap),
        ("latency_ms.capped", "latency_n", "latency", thresholds.latency_cap),
        ("latency_ms.over_p95", "latency_n", "latency_over", thresholds.latency_tail),
        (
            "time_to_first_token_ms.over_p95",
            "first_token_n",
            "first_token_over",
            thresholds.time_to_first_token_tail,
        ),
        ("input_tokens", "input_tokens_n", "input_tokens", 1),
        ("output_tokens", "output_tokens_n", "output_tokens", 1),
    ]
    for metric, x, y, needed in pairs:
        if needed is not None:
            yield _Sums(metric, hour, group, _floats(table, x), _floats(table, y))


def _feedback_sums(requests: pa.Table, feedback: pa.Table) -> Iterator[_Sums]:
    """Rates of feedback are of requests, with feedback or without."""
    hour, group = _numbers(requests, "hour"), _numbers(requests, "unit_group")
    mine = hour * UNIT_GROUPS + group
    theirs = _numbers(feedback, "hour") * UNIT_GROUPS + _numbers(feedback, "unit_group")
    order = np.argsort(mine)
    at = order[np.searchsorted(mine, theirs, sorter=order)] if len(theirs) else np.zeros(0, np.int64)
    for metric in ("feedback", "corrections"):
        y = np.zeros(len(mine))
        y[at] = _floats(feedback, metric)
        yield _Sums(metric, hour, group, _floats(requests, "requests"), y)
    hour, group = _numbers(feedback, "hour"), _numbers(feedback, "unit_group")
    yield _Sums("thumbs_up", hour, group, _floats(feedback, "thumbs"), _floats(feedback, "thumbs_up"))
    yield _Sums("rating", hour, group, _floats(feedback, "ratings"), _floats(feedback, "rating"))


def _named_sums(table: pa.Table) -> Iterator[_Sums]:
    names = np.array(table["name"].to_pylist(), dtype=object)
    hour, group = _numbers(table, "hour"), _numbers(table, "unit_group")
    n, total = _floats(table, "n"), np.clip(_floats(table, "total"), -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)
    for name in sorted(set(names.tolist())):
        of_name = names == name
        metric = f"custom.{name}" if name in BUILT_IN else name
        yield _Sums(metric, hour[of_name], group[of_name], n[of_name], total[of_name])


def _hours(sums: _Sums) -> pa.Table:
    """Sums over groups, and what is left over of each group at the hour's ratio."""
    some = sums.x > 0
    hour, at = np.unique(sums.hour[some], return_inverse=True)
    x, y = sums.x[some], sums.y[some]
    sum_x, sum_y = (np.bincount(at, values, len(hour)) for values in (x, y))
    residual = y - (sum_y / sum_x)[at] * x
    return pa.table(
        {
            "metric": pa.repeat(pa.scalar(sums.metric), len(hour)),
            "hour": _moments(hour),
            "groups": pa.array(np.bincount(at, minlength=len(hour)).astype(np.int32)),
            "sum_x": sum_x.astype(np.float64),
            "sum_y": sum_y.astype(np.float64),
            "residual_ss": np.bincount(at, np.square(residual), len(hour)).astype(np.float64),
        }
    )


def _days(sums: _Sums) -> pa.Table:
    """Sums of days by part of the unit groups."""
    some = sums.x > 0
    day, at = np.unique(sums.hour[some] // HOURS_OF_DAY, return_inverse=True)
    place = at * DAY_GROUPS + sums.group[some] % DAY_GROUPS
    length = len(day) * DAY_GROUPS
    offsets = pa.array(np.arange(0, length + 1, DAY_GROUPS, dtype=np.int32))
    x, y = (
        pa.ListArray.from_arrays(offsets, pa.array(np.bincount(place, values, length).astype(np.float64)))
        for values in (sums.x[some], sums.y[some])
    )
    metric = pa.repeat(pa.scalar(sums.metric), len(day))
    return pa.table({"metric": metric, "day": _moments(day * HOURS_OF_DAY), "x": x, "y": y})


def _keyed(table: pa.Table | None, key: VersionKey) -> pa.Table:
    if table is None:
        return pa.table({})
    values = {name: pa.repeat(pa.scalar(value), table.num_rows) for name, value in key.parameters().items()}
    assert tuple(values) == KEY
    return pa.table({**values, **{name: table[name] for name in table.column_names}})


def _fetch(cursor: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any]) -> pa.Table:
    return fetch_table(cursor, statement(name, __package__), parameters).combine_chunks()


def _numbers(table: pa.Table, name: str) -> IntArray:
    found: IntArray = table[name].to_numpy().astype(np.int64)
    return found


def _floats(table: pa.Table, name: str) -> FloatArray:
    """Values, 0 where a group knew none."""
    found: FloatArray = np.nan_to_num(table[name].to_numpy().astype(np.float64))
    return found


def _moments(hours: IntArray) -> pa.Array:
    return pa.array(hours * HOUR_S * 1_000_000, pa.timestamp("us", tz="UTC"))
