"""The kept sums of a watched version as arrays, and the models that answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.drift.hourly_sums import DAY_GROUPS, HOUR_S
from coalmine_consumers.drift.watched import KEY, LISTED_KEYS, VersionKey, Watched, lists_of
from coalmine_consumers.sql import Source, statement


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


def version_series(source: Source, versions: Sequence[Watched]) -> list[VersionSeries]:
    """What is kept of versions: together they are far cheaper than one by one."""
    if not versions:
        return []
    keys = [each.key for each in versions]
    hours = _by_key(source, "hour, groups, sum_x, sum_y, residual_ss FROM drift_hours", "hour", keys)
    days = _by_key(source, "day, x, y FROM drift_days", "day", keys)
    models = answering_models(source, keys)
    return [
        VersionSeries(
            each,
            {metric: _hours(part) for metric, part in hours.get(each.key, ())},
            {metric: _days(part) for metric, part in days.get(each.key, ())},
            models[each.key],
        )
        for each in versions
    ]


def answering_models(
    source: Source, keys: Sequence[VersionKey]
) -> dict[VersionKey, tuple[AnsweringModel, ...]]:
    """The models that answered requests of watched versions, by model asked for and first answer."""
    found: dict[VersionKey, list[AnsweringModel]] = {key: [] for key in keys}
    for row in source.rows(statement("answering_models", __package__), lists_of(keys)):
        key = VersionKey(*(row.pop(name) for name in KEY))
        found[key].append(AnsweringModel(**row))
    return {key: tuple(models) for key, models in found.items()}


def _by_key(
    source: Source, columns: str, order: str, keys: Sequence[VersionKey]
) -> dict[VersionKey, list[tuple[str, pa.Table]]]:
    """Rows of versions and metrics, each in the order of time."""
    query = (
        f"SELECT prompt, version, environment, metric, {columns} "
        f"JOIN ({LISTED_KEYS}) AS keys USING (prompt, version, environment) "
        f"ORDER BY prompt, version, environment, metric, {order}"
    )
    table = source.table(query, lists_of(keys)).combine_chunks()
    found: dict[VersionKey, list[tuple[str, pa.Table]]] = {}
    if not table.num_rows:
        return found
    names = [table[name].combine_chunks().dictionary_encode() for name in (*KEY, "metric")]
    places = np.stack([each.indices.to_numpy() for each in names])
    starts = np.flatnonzero(np.append(True, (np.diff(places) != 0).any(axis=0)))
    texts = [each.dictionary.to_pylist() for each in names]
    for start, end in pairwise([*starts.tolist(), table.num_rows]):
        *key, metric = (text[at] for text, at in zip(texts, places[:, start], strict=True))
        found.setdefault(VersionKey(*key), []).append((metric, table.slice(start, end - start)))
    return found


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
