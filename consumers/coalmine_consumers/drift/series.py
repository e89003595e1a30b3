"""The kept sums of a watched version as arrays, and the models that answered."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.drift.hourly_sums import DAY_GROUPS, HOUR_S
from coalmine_consumers.drift.watched import KEY, VersionKey, Watched
from coalmine_consumers.sql import Source, statement

_MATCHES = " AND ".join(f"{name} = ${name}" for name in KEY)


@dataclass(frozen=True, slots=True, eq=False)
class HourSeries:
    """One metric by hour; fields of shape (T,), in the order of time, hours without data left out."""

    hour: IntArray
    """Since 1970."""
    groups: IntArray
    """Unit groups with x > 0."""
    x: FloatArray
    """Denominators."""
    y: FloatArray
    """Numerators."""
    residual_ss: FloatArray
    """sum over unit groups of (y - R x)^2 at the hour's own ratio R."""


@dataclass(frozen=True, slots=True, eq=False)
class DaySeries:
    """One metric by day and part of the unit groups, shapes (D,) and (D, 64)."""

    day: IntArray
    """Since 1970."""
    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, slots=True)
class AnsweringModel:
    """A model that answered, for one that was asked for."""

    request_model: str
    response_model: str
    first_event_time: datetime
    """Of its first answer since the version is watched."""
    last_hour: datetime
    """Of its last answer."""
    requests: int
    share_lately: float
    """Of the answers to that request model in the last 24 hours that had any, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class VersionSeries:
    """All that is kept of a watched version."""

    watched: Watched
    hours: dict[str, HourSeries]
    """By metric, as in experiment cells; `requests` has x units and y requests."""
    days: dict[str, DaySeries]
    models: tuple[AnsweringModel, ...]


def version_series(source: Source, watched: Watched) -> VersionSeries:
    """What is kept of a version."""
    parameters = watched.key.parameters()
    hours = source.table(
        "SELECT metric, hour, groups, sum_x, sum_y, residual_ss FROM drift_hours "  # noqa: S608
        f"WHERE {_MATCHES} ORDER BY metric, hour",
        parameters,
    )
    days = source.table(
        f"SELECT metric, day, x, y FROM drift_days WHERE {_MATCHES} ORDER BY metric, day",  # noqa: S608
        parameters,
    )
    return VersionSeries(
        watched,
        {metric: _hours(part) for metric, part in _by_metric(hours)},
        {metric: _days(part) for metric, part in _by_metric(days)},
        answering_models(source, watched.key),
    )


def answering_models(source: Source, key: VersionKey) -> tuple[AnsweringModel, ...]:
    """The models that answered a watched version's requests, by model asked for and first answer."""
    rows = source.rows(statement("answering_models", __package__), key.parameters())
    return tuple(AnsweringModel(**row) for row in rows)


def _by_metric(table: pa.Table) -> list[tuple[str, pa.Table]]:
    """Parts of a table that is sorted by metric."""
    table = table.combine_chunks()
    if not table.num_rows:
        return []
    names = table["metric"].combine_chunks().dictionary_encode()  # in the order in which they come
    starts = np.flatnonzero(np.diff(names.indices.to_numpy(), prepend=-1))
    ends = np.append(starts[1:], table.num_rows)
    return [
        (name, table.slice(start, end - start))
        for name, start, end in zip(names.dictionary.to_pylist(), starts, ends, strict=True)
    ]


def _hours(part: pa.Table) -> HourSeries:
    x, y, residual = (part[name].to_numpy() for name in ("sum_x", "sum_y", "residual_ss"))
    groups = part["groups"].to_numpy().astype(np.int64)
    return HourSeries(_since_1970(part["hour"], HOUR_S), groups, x, y, residual)


def _days(part: pa.Table) -> DaySeries:
    x, y = (
        np.asarray(part[name].combine_chunks().flatten().to_numpy()).reshape(-1, DAY_GROUPS)
        for name in ("x", "y")
    )
    return DaySeries(_since_1970(part["day"], 24 * HOUR_S), x, y)


def _since_1970(column: pa.ChunkedArray, length_s: int) -> IntArray:
    found: IntArray = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // (
        length_s * 1_000_000
    )
    return found
