"""From raw rows to the sums of hours: every metric means what it means in experiment cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.additive import MAGNITUDE_LIMIT
from coalmine_consumers.aggregation.cells import BUILT_IN
from coalmine_consumers.aggregation.rollup import REFUSALS
from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.drift.watched import KEY, Thresholds, VersionKey
from coalmine_consumers.experiments import UNIT_GROUPS
from coalmine_consumers.sql import fetch_rows, fetch_table, lent, statement

DAY_GROUPS = 64
"""Groups of units whose daily sums are kept apart."""
HOUR_S = 3600
SumsTable = Literal["drift_hours", "drift_days", "drift_models"]
HOURS_OF_DAY = 24
_IDS = """
SELECT min(request_id) AS least_id, max(request_id) AS greatest_id
FROM requests JOIN spans USING (prompt, version, environment)
WHERE event_time >= $since AND event_time < $until AND ingest_id <= $through
"""
_TIME = pa.timestamp("us", "UTC")
_SPANS = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.string()) for name in KEY),
        ("since", _TIME),
        ("until", _TIME),
        *((name, pa.float64()) for name in ("cost_cap", "latency_cap", "latency_tail", "first_token_tail")),
    ]
)


@dataclass(frozen=True, slots=True)
class Span:
    """Requests of one version in a period, and the thresholds of the measures that need them."""

    key: VersionKey
    since: datetime
    until: datetime
    thresholds: Thresholds

    def parameters(self) -> dict[str, Any]:
        """Returns a row for SQL."""
        thresholds = self.thresholds
        return {
            **self.key.parameters(),
            "since": self.since,
            "until": self.until,
            "cost_cap": thresholds.cost_cap,
            "latency_cap": thresholds.latency_cap,
            "latency_tail": thresholds.latency_tail,
            "first_token_tail": thresholds.time_to_first_token_tail,
        }


@dataclass(frozen=True, slots=True, eq=False)
class HourRows:
    """Rows of `drift_hours`, `drift_days` and `drift_models`."""

    hours: pa.Table
    days: pa.Table
    models: pa.Table

    def of(self, table: SumsTable) -> pa.Table:
        """Returns the rows of one of the tables."""
        return {"drift_hours": self.hours, "drift_days": self.days, "drift_models": self.models}[table]


def count_spans(
    cursor: duckdb.DuckDBPyConnection, spans: Sequence[Span], through_ingest_id: int
) -> list[HourRows]:
    """Sums up requests of versions, with the feedback and scores about them.

    Args:
        cursor: For reading.
        spans: Which, of versions that differ; whole UTC days.
        through_ingest_id: The last batch that counts.

    Returns:
        The rows of each span.
    """
    given = [{**each.parameters(), "number": number} for number, each in enumerate(spans)]
    parameters = {
        "since": min(each.since for each in spans),
        "until": max(each.until for each in spans),
        "through": through_ingest_id,
    }
    with lent(cursor, spans=pa.Table.from_pylist(given, schema=_SPANS)):
        requests = _fetch(cursor, "request_sums", {**parameters, "refusals": list(REFUSALS)}, len(spans))
        (ids,) = fetch_rows(cursor, _IDS, parameters)
        named = _fetch(cursor, "named_sums", {**parameters, **ids}, len(spans))
        feedback = _fetch(cursor, "feedback_sums", {**parameters, **ids}, len(spans))
        models = _fetch(cursor, "model_sums", parameters, len(spans))
    return [_rows(*each) for each in zip(spans, requests, named, feedback, models, strict=True)]


def _rows(span: Span, requests: pa.Table, named: pa.Table, feedback: pa.Table, models: pa.Table) -> HourRows:
    sums = [
        *_request_sums(requests, span.thresholds),
        *_feedback_sums(requests, feedback),
        *_named_sums(named),
    ]
    hours = [table for each in sums if (table := _hours(each)).num_rows]
    days = [table for each in sums if (table := _days(each)).num_rows]
    return HourRows(
        _keyed(pa.concat_tables(hours) if hours else None, span.key),
        _keyed(pa.concat_tables(days) if days else None, span.key),
        _keyed(models.drop_columns("number") if models.num_rows else None, span.key),
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


def _fetch(
    cursor: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any], spans: int
) -> list[pa.Table]:
    """The rows of each span."""
    found = fetch_table(cursor, statement(name, __package__), parameters).sort_by("number").combine_chunks()
    ends = np.searchsorted(found["number"].to_numpy(), np.arange(spans + 1))
    return [found.slice(begin, end - begin) for begin, end in pairwise(ends)]


def _numbers(table: pa.Table, name: str) -> IntArray:
    found: IntArray = table[name].to_numpy().astype(np.int64)
    return found


def _floats(table: pa.Table, name: str) -> FloatArray:
    """Values, 0 where a group knew none."""
    found: FloatArray = np.nan_to_num(table[name].to_numpy().astype(np.float64))
    return found


def _moments(hours: IntArray) -> pa.Array:
    return pa.array(hours * HOUR_S * 1_000_000, _TIME)
