"""Histograms of sets of requests, added up from rollups."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.histograms import ZERO_BUCKET, grouped_quantiles, quantiles
from coalmine_consumers.arrays import Int32Array, IntArray, numbers
from coalmine_consumers.sql import Source, as_values, statement

HistogramKey = tuple[Any, ...]
"""Bucket of time (None: not told apart), what tells groups apart, such as prompt and version, metric."""

_AT_ONCE: Final = 50_000
"""Rows of rollups."""
_MOST_HELD: Final = 2**20
"""Counts that wait to be added up."""
_MOST_CELLS: Final = 2**23
"""Counts are added in a table of groups by buckets, unless it had more cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """A histogram of one metric of one group."""

    buckets: Int32Array
    counts: IntArray

    @property
    def n(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    def quantiles(self, at: Sequence[float]) -> list[float | None]:
        """See `coalmine_consumers.aggregation.histograms.quantiles`."""
        return quantiles(self.buckets, self.counts, at)


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """Histograms of many groups, one after the other."""

    keys: Sequence[HistogramKey]
    starts: IntArray
    """Where each begins, and the end of the last."""
    buckets: Int32Array
    counts: IntArray

    def each(self) -> Iterator[tuple[HistogramKey, Histogram]]:
        """Returns them one by one."""
        for key, (start, end) in zip(self.keys, pairwise(self.starts.tolist()), strict=True):
            yield key, Histogram(self.buckets[start:end], self.counts[start:end])

    def quantiles(self, at: Sequence[float]) -> dict[HistogramKey, list[float]]:
        """Quantiles of each; see `coalmine_consumers.aggregation.histograms.quantiles`."""
        found = grouped_quantiles(self.starts, self.buckets, self.counts, at)
        return dict(zip(self.keys, found.tolist(), strict=True))


def histograms(
    source: Source, parameters: Mapping[str, Any], keys: Sequence[str], metrics: Sequence[str]
) -> Histograms:
    """Returns histograms of groups of requests that have values, by group and metric.

    Args:
        source: Where to look.
        parameters: Of `totals.sql`: which requests count.
        keys: Names of the columns that tell groups apart; one that is not there as it is, as
            `expression AS name`.
        metrics: Names of metrics.
    """
    text = statement("histograms", __package__).format(keys=", ".join(keys))
    columns = ["bucket", *names_of(keys), "metric"]
    known: dict[HistogramKey, int] = {}
    parts: list[_Counted] = []
    held, most = 0, _MOST_HELD
    with closing(source.batches(text, {**parameters, "metrics": list(metrics)}, _AT_ONCE)) as tables:
        for table in tables:
            parts.append(_of_rows(table, columns, known))
            held += len(parts[-1][0])
            if held > most:
                parts = [_added(len(known), parts)]
                held = len(parts[0][0])
                most = max(_MOST_HELD, 2 * held)
    groups, buckets, counts = _added(len(known), parts)
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    keys_of = [*known]
    found = [keys_of[number] for number in groups[first].tolist()]  # a group without counts is none
    return Histograms(found, np.append(first, len(groups)), buckets, counts)


def names_of(keys: Sequence[str]) -> list[str]:
    """Returns the names of columns, of which some are made as `expression AS name`."""
    return [key.rpartition(" AS ")[2] for key in keys]


def of_entries(table: pa.Table, keys: Sequence[str]) -> Histograms:
    """Returns histograms of rows of one bucket each, sorted by time, keys, metric and bucket.

    Args:
        table: The rows.
        keys: Names of the columns that tell groups apart.
    """
    known, place = _told_apart(table, ["bucket", *keys, "metric"])
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    return Histograms(
        [known[number] for number in place[starts].tolist()],
        np.append(starts, table.num_rows),
        numbers(table["histogram_bucket"]),
        numbers(table["n"]),
    )


_Counted = tuple[IntArray, Int32Array, IntArray]
"""Numbers of groups, buckets and counts."""
_NONE: Final[_Counted] = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))


def _of_rows(table: pa.Table, columns: Sequence[str], known: dict[HistogramKey, int]) -> _Counted:
    """Counts of rows of rollups by group.

    Args:
        table: The rows.
        columns: Those that tell groups apart.
        known: Numbers of the groups that are known; new ones are added.
    """
    keys, place = _told_apart(table, columns)
    number = np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
    lists = [table[name].combine_chunks() for name in ("buckets", "counts")]
    lengths = numbers(lists[0].value_lengths())
    buckets, counts = (numbers(each.flatten()) for each in lists)
    return np.repeat(number[place], lengths), buckets, counts


def _told_apart(table: pa.Table, columns: Sequence[str]) -> tuple[list[HistogramKey], IntArray]:
    """Returns what rows have in some columns, each once, and for each row the place of its own."""
    place = np.zeros(table.num_rows, np.int64)
    keys: list[HistogramKey] = [()]
    for name in columns:
        column = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
        values = as_values(column.dictionary)
        # Only what occurs together goes on, so that the numbers stay small.
        found, place = _renumbered(place * len(values) + numbers(column.indices), len(keys) * len(values))
        keys = [(*keys[at // len(values)], values[at % len(values)]) for at in found.tolist()]
    return keys, place


def _renumbered(places: IntArray, end: int) -> tuple[IntArray, IntArray]:
    """Returns the numbers that occur, ascending, and for each number its place among them."""
    if end > _MOST_CELLS:
        return np.unique(places, return_inverse=True)
    there = np.bincount(places, minlength=end) > 0  # sorts nothing
    return np.flatnonzero(there), (np.cumsum(there) - 1)[places]


def _added(groups: int, parts: Sequence[_Counted]) -> _Counted:
    """Adds up the counts of each group and bucket, and sorts by both.

    Args:
        groups: How many there are.
        parts: What to add up.
    """
    group, buckets, counts = (np.concatenate(each) for each in zip(*parts, strict=True)) if parts else _NONE
    if not len(group):
        return _NONE
    zero = buckets == ZERO_BUCKET
    # The bucket of zero lies far below the others: it takes the place before them.
    least = int(buckets[~zero].min()) if not zero.all() else 0
    place = np.where(zero, 0, buckets.astype(np.int64) - least + 1)
    width = int(place.max()) + 1
    cells = group * width + place
    if groups * width <= _MOST_CELLS:
        table = np.bincount(cells, counts, groups * width)
        found = np.flatnonzero(table != 0)
        sums = table[found]
    else:
        found, at = np.unique(cells, return_inverse=True)
        sums = np.bincount(at, counts)
    group, place = np.divmod(found, width)
    values = np.where(place == 0, ZERO_BUCKET, place + least - 1).astype(np.int32)
    return group, values, sums.astype(np.int64)
