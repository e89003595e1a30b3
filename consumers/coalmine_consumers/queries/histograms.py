"""Histograms of sets of requests, added up from rollups."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.histograms import ZERO_BUCKET, grouped_quantiles, quantiles
from coalmine_consumers.arrays import Int32Array, IntArray, numbers
from coalmine_consumers.sql import Source, statement

HistogramKey = tuple[datetime | None, str, str, str]
"""Bucket of time (None where it is not told apart), prompt, version, metric."""

_AT_ONCE: Final = 50_000
"""Rows of rollups."""
_MOST_CELLS: Final = 2**23
"""Counts are added in a table of groups by buckets, unless it had more cells."""
_SECOND_US: Final = 1_000_000


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
    source: Source,
    parameters: dict[str, Any],
    names: Sequence[tuple[str, str]],
    metrics: Sequence[str],
    *,
    bucket_s: int | None,
) -> Histograms:
    """Returns histograms of some versions that have values, by group and metric.

    Args:
        source: Where to look.
        parameters: Of `totals.sql`: which requests count.
        names: Prompts and versions.
        metrics: Names of metrics.
        bucket_s: Length of a bucket of time; None: time is not told apart.
    """
    given = {
        **parameters,
        "versions": [
            {"prompt": prompt, "version": version, "place": place}
            for place, (prompt, version) in enumerate(names)
        ],
        "metrics": list(metrics),
    }
    with closing(source.batches(statement("histograms", __package__), given, _AT_ONCE)) as tables:
        parts = [_of_rows(table, len(names), len(metrics), bucket_s) for table in tables]
    groups, buckets, counts = (np.concatenate(each) for each in zip(*parts, strict=True)) if parts else _NONE
    if len(parts) > 1:
        groups, buckets, counts = _added(*np.unique(groups, return_inverse=True), buckets, counts)
    first = np.flatnonzero(np.diff(groups, prepend=-1))
    keys = []
    for group in groups[first].tolist():
        rest, metric = divmod(group, len(metrics))
        moment, place = divmod(rest, len(names))
        bucket = None if bucket_s is None else datetime.fromtimestamp(moment * bucket_s, UTC)
        keys.append((bucket, *names[place], metrics[metric]))
    return Histograms(keys, np.append(first, len(groups)), buckets, counts)


_Counted = tuple[IntArray, Int32Array, IntArray]
"""Groups, buckets and counts."""
_NONE: Final[_Counted] = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))


def _of_rows(table: pa.Table, names: int, metrics: int, bucket_s: int | None) -> _Counted:
    """Counts of rows of rollups by group: a number of the bucket of time, the version and the metric."""
    place, metric = (numbers(table[name]).astype(np.int64) for name in ("place", "metric"))
    moment = np.zeros(table.num_rows, np.int64)
    if bucket_s is not None:
        moment = numbers(table["bucket"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()))
        moment = moment // (bucket_s * _SECOND_US)
    found, group = np.unique((moment * names + place) * metrics + metric, return_inverse=True)
    lists = [table[name].combine_chunks() for name in ("buckets", "counts")]
    lengths = numbers(lists[0].value_lengths())
    buckets, counts = (numbers(each.flatten()) for each in lists)
    return _added(found, np.repeat(group, lengths), buckets, counts)


def _added(numbers: IntArray, group: IntArray, buckets: Int32Array, counts: IntArray) -> _Counted:
    """Adds up the counts of each group and bucket, and sorts by both.

    Args:
        numbers: Of the groups, ascending.
        group: Place of its number, for each of the counts.
        buckets: Likewise.
        counts: What to add up.
    """
    if not len(group):
        return _NONE
    zero = buckets == ZERO_BUCKET
    # The bucket of zero lies far below the others: it takes the place before them.
    least = int(buckets[~zero].min()) if not zero.all() else 0
    place = np.where(zero, 0, buckets.astype(np.int64) - least + 1)
    width = int(place.max()) + 1
    cells = group * width + place
    if len(numbers) * width <= _MOST_CELLS:
        table = np.bincount(cells, counts, len(numbers) * width)
        found = np.flatnonzero(table)
        sums = table[found]
    else:
        found, at = np.unique(cells, return_inverse=True)
        sums = np.bincount(at, counts)
    group, place = np.divmod(found, width)
    values = np.where(place == 0, ZERO_BUCKET, place + least - 1).astype(np.int32)
    return numbers[group], values, sums.astype(np.int64)
