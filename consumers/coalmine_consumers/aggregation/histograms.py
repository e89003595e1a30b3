"""Histograms with logarithmic buckets: quantiles of merged data, each within 1 % of the true value.

Bucket i holds the values in (gamma^(i-1), gamma^i], gamma = (1 + e) / (1 - e) with e the relative error,
and answers with 2 gamma^i / (gamma + 1), which no value of the bucket misses by more than e. Values of
zero (and below, which our measures never are) have a bucket of their own. Histograms merge by adding
counts, so a quantile over a month costs no more than one over a minute.

References:
    Masson, Rim, Lee, "DDSketch", arXiv:1908.10693v1, section 2.1 (buckets) and proposition 3 (error).
"""

from collections.abc import Sequence

import numpy as np

from coalmine_consumers.arrays import FloatArray, Int32Array, IntArray

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
ZERO_BUCKET = -(2**31)
"""Sorts before every other bucket and fits an INTEGER column."""

LOG_GAMMA = float(np.log(GAMMA))
"""Width of a bucket, on the scale of natural logarithms."""


def bucket_of(values: FloatArray | IntArray) -> Int32Array:
    """The bucket of each value. Values must be finite."""
    positive = values > 0
    logarithms = np.log(values, out=np.zeros(len(values)), where=positive)
    return np.where(positive, np.ceil(logarithms / LOG_GAMMA), ZERO_BUCKET).astype(np.int32)


def value_of(buckets: Int32Array) -> FloatArray:
    """The value each bucket answers with."""
    logarithms = buckets * LOG_GAMMA + np.log(2 / (GAMMA + 1))
    # The topmost bucket reaches past the largest double by less than its width.
    values = np.exp(np.minimum(logarithms, np.log(np.finfo(np.float64).max)))
    return np.where(buckets == ZERO_BUCKET, 0.0, values)


def quantiles(buckets: Int32Array, counts: IntArray, at: Sequence[float]) -> list[float | None]:
    """Quantiles by linear interpolation between order statistics, as `numpy.quantile` has it.

    Args:
        buckets: Buckets in any order; one may occur several times.
        counts: How many values fell into each.
        at: Which quantiles, each in [0, 1].

    Returns:
        For each, a value within `RELATIVE_ERROR` of the exact quantile; None if there are no values.
    """
    order = np.argsort(buckets, kind="stable")
    values, reached = value_of(buckets[order]), np.cumsum(counts[order])
    total = int(reached[-1]) if len(reached) else 0
    if total == 0:
        return [None] * len(at)
    ranks = np.asarray(at, np.float64) * (total - 1)
    below = values[np.searchsorted(reached, np.floor(ranks), side="right")]
    above = values[np.searchsorted(reached, np.ceil(ranks), side="right")]
    share = ranks - np.floor(ranks)
    return [float(value) for value in below * (1 - share) + above * share]


def grouped_quantiles(
    starts: IntArray, buckets: Int32Array, counts: IntArray, at: Sequence[float]
) -> FloatArray:
    """Quantiles of many histograms at once, as `quantiles` has them of one.

    Args:
        starts: Where each histogram begins, and the end of the last, shape (G + 1,).
        buckets: Buckets of one histogram after the other, ascending in each.
        counts: How many values fell into each; every histogram has some.
        at: Which quantiles, each in [0, 1], shape (Q,).

    Returns:
        Shape (G, Q), each within `RELATIVE_ERROR` of the exact quantile.
    """
    values, reached = value_of(buckets), np.append(0, np.cumsum(counts))
    before, totals = reached[starts[:-1]], np.diff(reached[starts])
    ranks = np.multiply.outer(totals - 1, np.asarray(at, np.float64))
    floors = np.floor(ranks)
    below, above = (
        values[np.searchsorted(reached[1:], before[:, None] + rank.astype(np.int64), side="right")]
        for rank in (floors, np.ceil(ranks))
    )
    share = ranks - floors
    found: FloatArray = below * (1 - share) + above * share
    return found
