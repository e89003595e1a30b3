"""Additive aggregates: computed per group, folded into coarser groups, exact where exactness is possible."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import BoolArray, FloatArray, IntArray

MAGNITUDE_LIMIT = 1e140
"""Larger values count as this much in moments, so that one absurd value cannot make a sum infinite."""

_HALF = 32


def count_rows(of_row: IntArray, groups: int, where: BoolArray | None = None) -> IntArray:
    """Rows per group, of those where the mask holds."""
    return np.bincount(of_row if where is None else of_row[where], minlength=groups).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ExactSums:
    """Sums of 64-bit integers that may need more than 64 bits: total = high * 2^32 + low.

    Both halves stay far below 2^53 for batches of a million rows, so adding them as doubles is exact.
    """

    high: IntArray
    low: IntArray

    @classmethod
    def of(cls, of_row: IntArray, groups: int, values: IntArray) -> Self:
        """Sum per group. Unknown values must be zero."""
        return cls(_add(of_row, groups, values >> _HALF), _add(of_row, groups, values & (2**_HALF - 1)))

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """Sums of coarser groups."""
        return type(self)(_add(of_group, groups, self.high), _add(of_group, groups, self.low))

    def to_arrow(self) -> pa.Array:
        """As int64 where all fit, else as decimal."""
        if not len(self.high) or int(np.abs(self.high).max()) < 2**30:
            return pa.array((self.high << _HALF) + self.low)
        totals = [int(high) * 2**_HALF + int(low) for high, low in zip(self.high, self.low, strict=True)]
        return pa.array(totals, pa.decimal128(38))


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations per group: mergeable without cancellation.

    References:
        Chan, Golub, LeVeque (1979), "Updating formulae and a pairwise algorithm", eq. 2.1.
    """

    n: IntArray
    mean: FloatArray
    """Zero where n is."""
    m2: FloatArray

    @classmethod
    def of(cls, of_row: IntArray, groups: int, values: FloatArray) -> Self:
        """Moments per group of values that are all known."""
        n = count_rows(of_row, groups)
        values = np.clip(values, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)
        mean = total(of_row, groups, values) / np.maximum(n, 1)
        deviation = values - mean[of_row]
        return cls(n, mean, total(of_row, groups, deviation * deviation))

    def folded(self, of_group: IntArray, groups: int) -> Self:
        """Moments of coarser groups, by the exact formula for merging."""
        n = _add(of_group, groups, self.n)
        mean = total(of_group, groups, self.n * self.mean) / np.maximum(n, 1)
        between = self.n * (self.mean - mean[of_group]) ** 2
        return type(self)(n, mean, total(of_group, groups, self.m2 + between))


def total(of_row: IntArray, groups: int, values: FloatArray) -> FloatArray:
    """Sums per group."""
    return np.bincount(of_row, weights=values, minlength=groups).astype(np.float64, copy=False)


def _add(of_row: IntArray, groups: int, values: IntArray) -> IntArray:
    return np.bincount(of_row, weights=values, minlength=groups).astype(np.int64)


def add_counts(of_group: IntArray, groups: int, counts: IntArray) -> IntArray:
    """Counts of coarser groups."""
    return _add(of_group, groups, counts)
