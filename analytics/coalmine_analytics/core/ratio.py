"""Ratios of sums over clusters of units, with their uncertainty.

The unit of analysis is the randomisation unit, or a fixed hash group of units: one unit's requests are
correlated, so requests are never treated as independent. Every mean, rate and ratio has this one form:
a mean per request has x = 1 per request, a thumbs-up rate has y = thumbs up and x = thumbs given.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray, Index
from coalmine_analytics.errors import invalid

ROUNDING = 1e-12
"""Relative to the values: what differs by no more than this differs by rounding, so not at all."""

BLOCK_ROWS = 256
"""Comparisons handled together: 256 of 256 groups are 512 KiB per array, within the cache of one core."""


@dataclass(frozen=True)  # without slots, for what is kept once it was asked for
class ArmRatio:
    """A ratio R = sum(y) / sum(x) of one arm; all fields share one shape, that of the comparisons."""

    ratio: FloatArray
    """sum(y) / sum(x), in the metric's own unit; NaN where sum(x) is 0."""
    sum_x: FloatArray
    """Denominator: requests, ratings, ... over all clusters."""
    residual_ss: FloatArray
    """sum over clusters of (y - R x)^2."""
    clusters: FloatArray
    """Clusters with a non-zero denominator."""

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of `ratio`: n/(n-1) * residual_ss / sum_x^2; NaN below two clusters."""
        with np.errstate(divide="ignore", invalid="ignore"):
            n = self.clusters
            v = n / (n - 1.0) * self.residual_ss / np.square(self.sum_x)
        return np.where(n >= 2, v, np.nan)

    def at(self, index: Index) -> "ArmRatio":
        """The comparisons at an index of numpy's."""
        arm = ArmRatio(*(field[index] for field in self.fields))
        if "variance" in self.__dict__:  # need not be computed again
            arm.__dict__["variance"] = self.variance[index]
        return arm

    def scaled(self, factor: FloatArray) -> "ArmRatio":
        """The arm as if each of its y were `factor` times as large."""
        squared = np.square(factor)
        arm = ArmRatio(self.ratio * factor, self.sum_x, self.residual_ss * squared, self.clusters)
        arm.__dict__["variance"] = self.variance * squared
        return arm

    @property
    def fields(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """All four, in their order."""
        return self.ratio, self.sum_x, self.residual_ss, self.clusters


def arm_ratio(y: npt.ArrayLike, x: npt.ArrayLike, *, residual: FloatArray | None = None) -> ArmRatio:
    """Ratio of one arm from the sums of its clusters.

    Args:
        y: Numerator sums, shape (..., K): K clusters on the last axis, metric's own unit.
        x: Denominator sums, same shape, each >= 0. A cluster with x = 0 is absent.
        residual: Filled with y - ratio x, of the same shape and contiguous; NaN where there is no ratio.

    Returns:
        Fields of shape (...,).

    Raises:
        InvalidParameter: Shapes differ, or a denominator is negative or not finite.

    References:
        Linearised (Taylor) variance of a ratio of cluster totals; W. G. Cochran, Sampling Techniques,
        3rd ed., section 2.11. Equals the CR0 cluster-robust variance of a regression through the
        denominator, times n/(n-1).
    """
    ys, xs = np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if ys.shape != xs.shape:
        raise invalid("y and x", f"{ys.shape} and {xs.shape}", "give both one shape (..., K)")
    if xs.ndim == 0:
        raise invalid("y and x", "one number each", "give clusters on the last axis")
    shape = xs.shape[:-1]
    rows = math.prod(shape)
    flat_y, flat_x = ys.reshape(rows, xs.shape[-1]), xs.reshape(rows, xs.shape[-1])
    ratio, sum_x, residual_ss, clusters = (np.empty(rows) for _ in range(4))
    kept = None if residual is None else residual.reshape(rows, xs.shape[-1])
    for start in range(0, rows, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        _block(
            flat_y[block],
            flat_x[block],
            np.empty_like(flat_x[block]) if kept is None else kept[block],
            ratio[block],
            sum_x[block],
            residual_ss[block],
            clusters[block],
        )
    with np.errstate(invalid="ignore", over="ignore"):
        residual_ss[residual_ss <= np.square(ROUNDING * ratio * sum_x)] = 0.0
    return ArmRatio(*(field.reshape(shape) for field in (ratio, sum_x, residual_ss, clusters)))


def _block(  # noqa: PLR0917 - what goes in, then what is filled
    y: FloatArray,
    x: FloatArray,
    residual: FloatArray,
    ratio: FloatArray,
    sum_x: FloatArray,
    residual_ss: FloatArray,
    clusters: FloatArray,
) -> None:
    """Fill the last five arrays for some rows, which stay in the processor's cache."""
    x.sum(axis=1, out=sum_x)
    least = x.min(initial=np.inf)
    if not (least >= 0 and np.isfinite(sum_x).all()):  # a NaN among them makes both NaN
        odd = x[~(np.isfinite(x) & (x >= 0))]
        raise invalid(
            "x", float(odd[0]) if odd.size else "too large to add", "denominators are finite and >= 0"
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        np.divide(y.sum(axis=1), sum_x, out=ratio)
        np.multiply(x, ratio[:, None], out=residual)
        np.subtract(y, residual, out=residual)
        np.einsum("ij,ij->i", residual, residual, out=residual_ss)
    clusters[:] = x.shape[1] if least > 0 else np.count_nonzero(x > 0, axis=1)


def arm_mean(count: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike) -> ArmRatio:
    """The same for independent observations of which only count, mean and variance are known.

    Args:
        count: Observations, shape (...,), each >= 0.
        mean: Their mean.
        variance: Their sample variance (divisor n - 1), >= 0; ignored where count < 2.

    Returns:
        Fields of shape (...,), as `arm_ratio` of `count` clusters with x = 1 would give.

    Raises:
        InvalidParameter: A count or a variance is negative, or a count is not finite.
    """
    n, m, v = np.broadcast_arrays(
        np.asarray(count, np.float64), np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    )
    if not np.all(np.isfinite(n) & (n >= 0)):
        raise invalid("count", n[~(np.isfinite(n) & (n >= 0))][0].item(), "counts are finite and >= 0")
    if np.any(v[n >= 2] < 0):
        raise invalid("variance", float(np.nanmin(v[n >= 2])), "variances are >= 0")
    return ArmRatio(m, n, np.where(n >= 2, v * (n - 1.0), 0.0), n)
