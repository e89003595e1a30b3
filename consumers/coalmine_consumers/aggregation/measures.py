"""Measures that rollups hold per group: counts, sums, moments, histograms and named values, all additive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.additive import ExactSums, Moments, add_counts
from coalmine_consumers.aggregation.groups import Codes, codes_of_numbers, group_by
from coalmine_consumers.aggregation.histograms import bucket_of
from coalmine_consumers.arrays import FloatArray, IntArray, Known, timestamps

_COUNT_COLUMN = {"cost": "cost_known"}
_LEAST = np.iinfo(np.int32).min


class Measured(Protocol):
    """Aggregates of some groups that fold into aggregates of coarser groups."""

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """Aggregates further.

        Args:
            of_group: For each present group, the coarser group it belongs to.
            groups: How many coarser groups there are.
        """
        ...

    def table(self, keys: pa.Table) -> pa.Table:
        """Rows to append, given one row of keys per group."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """One row per group: columns of the table `rollups`."""

    counts: Mapping[str, IntArray]
    sums: Mapping[str, ExactSums]
    moments: Mapping[str, Moments]
    """By prefix: "latency" fills latency_n, latency_mean and latency_m2."""
    spans: tuple[IntArray, IntArray] | None
    """First and last event time in microseconds, where the events are requests."""

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """See `Measured`."""
        return type(self)(
            {name: add_counts(of_group, groups, counts) for name, counts in self.counts.items()},
            {name: sums.folded(of_group, groups) for name, sums in self.sums.items()},
            {name: moments.folded(of_group, groups) for name, moments in self.moments.items()},
            None if self.spans is None else spans(of_group, groups, *self.spans),
        )

    def table(self, keys: pa.Table) -> pa.Table:
        """See `Measured`."""
        columns = {name: keys[name] for name in keys.column_names}
        columns |= {name: pa.array(counts) for name, counts in self.counts.items()}
        columns |= {name: sums.to_arrow() for name, sums in self.sums.items()}
        for prefix, moments in self.moments.items():
            none = moments.n == 0
            columns[_COUNT_COLUMN.get(prefix, f"{prefix}_n")] = pa.array(moments.n)
            columns[f"{prefix}_mean"] = pa.array(moments.mean, mask=none)
            columns[f"{prefix}_m2"] = pa.array(moments.m2, mask=none)
        if self.spans is not None:
            columns["first_event_time"], columns["last_event_time"] = map(timestamps, self.spans)
        return pa.table(columns)


def spans(of_row: IntArray, groups: int, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Least of `first` and greatest of `last` per group."""
    earliest = np.full(groups, np.iinfo(np.int64).max)
    latest = np.full(groups, np.iinfo(np.int64).min)
    np.minimum.at(earliest, of_row, first)
    np.maximum.at(latest, of_row, last)
    return earliest, latest


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """One row per group and metric, with its buckets as a list: rows of `rollup_histograms`."""

    metric: str
    of_entry: IntArray
    """Group of each entry, ascending; within a group, buckets ascend."""
    buckets: IntArray
    counts: IntArray

    @classmethod
    def of(cls, metric: str, of_row: IntArray, values: Known) -> Self:
        """Histograms per group of the values that are known."""
        exact = values.floats if values.integers is None else values.integers
        return cls._counted(metric, values.of(of_row), bucket_of(exact).astype(np.int64), None)

    @classmethod
    def _counted(cls, metric: str, of_row: IntArray, buckets: IntArray, counts: IntArray | None) -> Self:
        if not len(buckets):
            return cls(metric, of_row, buckets, buckets)
        groups = int(of_row.max()) + 1
        # The bucket for zero lies far from all others: move it next to them, or no table is dense.
        least = int(buckets.min(where=buckets > _LEAST, initial=np.iinfo(np.int32).max)) - 1
        cells = group_by(Codes(of_row, groups), codes_of_numbers(np.maximum(buckets, least)))
        ones = np.ones(len(buckets), np.int64) if counts is None else counts
        return cls(
            metric,
            of_row[cells.a_row],
            buckets[cells.a_row],
            add_counts(cells.of_row, cells.count, ones),
        )

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """See `Measured`."""
        if groups == len(of_group) and np.array_equal(of_group, np.arange(groups)):
            return self  # every group stayed what it was, as in a batch from within one hour
        return self._counted(self.metric, of_group[self.of_entry], self.buckets, self.counts)

    def table(self, keys: pa.Table) -> pa.Table:
        """See `Measured`. Groups without a value have no row."""
        present, starts = np.unique(self.of_entry, return_index=True)
        offsets = pa.array(np.append(starts, len(self.of_entry)).astype(np.int32))
        rows = keys.take(present)
        return pa.table(
            {
                **{name: rows[name] for name in rows.column_names},
                "metric": pa.array([self.metric] * len(present), pa.string()),
                "buckets": pa.ListArray.from_arrays(offsets, pa.array(self.buckets.astype(np.int32))),
                "counts": pa.ListArray.from_arrays(offsets, pa.array(self.counts)),
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class NamedMoments:
    """One row per group and name: rows of `rollup_metrics`."""

    names: pa.Array
    """Distinct names."""
    of_entry: IntArray
    """Group of each entry."""
    name_of_entry: IntArray
    moments: Moments

    @classmethod
    def of(cls, names: pa.Array, of_value: IntArray, name_of_value: IntArray, values: FloatArray) -> Self:
        """Moments per group and name.

        Args:
            names: Distinct names.
            of_value: Group of each value.
            name_of_value: Index of its name.
            values: The values.
        """
        groups = int(of_value.max()) + 1 if len(of_value) else 0
        cells = group_by(Codes(of_value, groups), Codes(name_of_value, len(names)))
        moments = Moments.of(cells.of_row, cells.count, values)
        return cls(names, of_value[cells.a_row], name_of_value[cells.a_row], moments)

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """See `Measured`."""
        coarse = of_group[self.of_entry]
        cells = group_by(Codes(coarse, groups), Codes(self.name_of_entry, len(self.names)))
        moments = self.moments.folded(cells.of_row, cells.count)
        return type(self)(self.names, coarse[cells.a_row], self.name_of_entry[cells.a_row], moments)

    def table(self, keys: pa.Table) -> pa.Table:
        """See `Measured`."""
        rows = keys.take(self.of_entry)
        return pa.table(
            {
                **{name: rows[name] for name in rows.column_names},
                "name": self.names.take(pa.array(self.name_of_entry)),
                "n": pa.array(self.moments.n),
                "mean": pa.array(self.moments.mean),
                "m2": pa.array(self.moments.m2),
            }
        )
