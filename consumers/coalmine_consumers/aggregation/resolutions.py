"""Resolutions: the periods that rollups are kept at, and the groups rows form at each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.groups import Codes, Groups, codes_of, codes_of_numbers, group_by
from coalmine_consumers.arrays import IntArray, microseconds, timestamps

Resolution = Literal["minute", "hour", "day"]

LENGTH_S: Mapping[Resolution, int] = MappingProxyType({"minute": 60, "hour": 3600, "day": 86400})
"""Finest first. Each divides the next, so coarser buckets are made of whole finer ones; all begin in UTC."""

SERIES = ("prompt", "version", "variant", "environment", "app", "model")
"""The dimensions of rollups beside time."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The groups of one resolution, made of the groups of the next finer one (of rows, for the finest)."""

    resolution: Resolution
    finer: IntArray
    """For each finer group (or row), the group it belongs to."""
    count: int
    keys: pa.Table
    """One row per group: resolution, bucket_start and the series."""


def levels(rows: pa.Table) -> Iterator[Level]:
    """Groups rows by minute and series, then those by hour and series, then by day.

    Args:
        rows: `event_time` (the request's) and the columns of `SERIES`.
    """
    series = group_by(*(codes_of(rows[name]) for name in SERIES))
    starts = microseconds(rows["event_time"])
    series_of, representatives = series.of_row, np.arange(rows.num_rows)
    for resolution, length_s in LENGTH_S.items():
        buckets = starts // (length_s * 1_000_000)  # rounds down before 1970, too
        groups: Groups = group_by(codes_of_numbers(buckets), Codes(series_of, series.count))
        representatives = representatives[groups.a_row]
        starts = buckets[groups.a_row] * (length_s * 1_000_000)
        series_of = series_of[groups.a_row]
        keys = _plain(rows.select(SERIES).take(representatives))
        keys = keys.add_column(0, "bucket_start", timestamps(starts))
        keys = keys.add_column(0, "resolution", pa.array([resolution] * groups.count, pa.string()))
        yield Level(resolution, groups.of_row, groups.count, keys)


def _plain(table: pa.Table) -> pa.Table:
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))
