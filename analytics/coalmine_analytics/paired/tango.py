"""Tango's score interval for a difference of proportions in pairs: right where few pairs differ."""

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray

_HALVINGS = 48
"""Of an interval of length 2: what is left is as long as a rounding error."""


def tango_bounds(
    better: npt.ArrayLike, worse: npt.ArrayLike, cases: npt.ArrayLike, quantile: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Bounds of P(better) - P(worse), where the score statistic is +-quantile.

    Counts need not be whole: those of clustered cases are divided by their design effect.

    Args:
        better: Pairs in which only the new version is right, any shape.
        worse: Pairs in which only the old one is.
        cases: All pairs, > 0.
        quantile: Of the normal distribution, 1.645 for a chance of 5 % on each side; of t for clusters.

    Returns:
        Lower and upper bound within -1 and 1, of the shape of all arguments together.

    References:
        T. Tango, Statistics in Medicine 17 (1998), 891-908.
    """
    b, c, n, z = np.broadcast_arrays(
        *(np.asarray(each, np.float64) for each in (better, worse, cases, quantile))
    )
    estimate, end = (b - c) / n, np.ones(b.shape)
    return _where(z, -end, estimate, (b, c, n)), _where(-z, estimate, end, (b, c, n))


def _where(
    wanted: FloatArray, low: FloatArray, high: FloatArray, counts: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """The difference between two others at which the statistic, which falls as it grows, has a value."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        above = _score(middle, *counts) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray((low + high) / 2.0)


def _score(difference: FloatArray, b: FloatArray, c: FloatArray, n: FloatArray) -> FloatArray:
    """The estimate less a difference, in standard errors under that difference."""
    linear = (2.0 * n - b + c) * difference - b - c
    root = np.sqrt(np.maximum(np.square(linear) + 8.0 * n * c * difference * (1.0 - difference), 0.0))
    worse = (root - linear) / (4.0 * n)  # likeliest P(worse) under it
    variance = n * (2.0 * worse + difference * (1.0 - difference))
    return np.asarray((b - c - n * difference) / np.sqrt(np.maximum(variance, 1e-300)))
