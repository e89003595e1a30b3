"""The difference of two arms or two sides, with the standard error the sequential tests use."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import BoolArray, FloatArray, Index
from coalmine_analytics.core.ratio import ROUNDING, ArmRatio, arm_ratio


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimated difference treatment - control; all fields share one shape, that of the comparisons."""

    estimate: FloatArray
    """Treatment minus control, in the metric's own unit."""
    standard_error: FloatArray
    """Its standard error, same unit; NaN where the data cannot tell, 0 where both arms have one value."""
    degrees_of_freedom: FloatArray
    """Welch's degrees of freedom; NaN where the data cannot tell, infinite for the normal form."""

    @property
    def usable(self) -> BoolArray:
        """Where estimate, standard error and degrees of freedom can carry a test."""
        return (
            np.isfinite(self.estimate)
            & np.isfinite(self.standard_error)
            & (self.standard_error > 0)
            & (self.degrees_of_freedom > 0)
        )

    @property
    def identical(self) -> BoolArray:
        """Where every value of both arms is the same: an answer, unlike too little data."""
        return np.asarray((self.estimate == 0) & (self.standard_error == 0) & (self.degrees_of_freedom > 0))

    def at(self, index: Index) -> "Effect":
        """The comparisons at an index of numpy's."""
        return Effect(self.estimate[index], self.standard_error[index], self.degrees_of_freedom[index])

    def only_where(self, enough: BoolArray) -> "Effect":
        """The same, not usable elsewhere; `enough` has the shape of the fields."""
        estimate = np.where(enough, self.estimate, np.nan)
        return Effect(estimate, self.standard_error, self.degrees_of_freedom)


def difference(treatment: ArmRatio, control: ArmRatio, *, pooled: bool = True) -> Effect:
    """Difference of two ratios, with the larger of the unpooled and the pooled variance.

    With an unequal split the small arm's own variance is often far too small (it has not met a rare
    event or a large value yet), always on the side where it looks better. The pooled variance knows the
    large arm's shape; where the shapes differ the unpooled one is right; the larger of the two holds in both.

    Where each arm has one value only there is no variance within them. If the two differ, it is taken around
    their common mean, as if there were no effect: groups that by chance alone fell apart like that.

    Args:
        treatment: The arm under test, fields of shape (...,).
        control: The other, same shape.
        pooled: False leaves the pooled variance out: textbook Welch, for comparison with other engines.

    Returns:
        Fields of shape (...,).

    References:
        B. L. Welch, Biometrika 34 (1947), for the degrees of freedom. The larger-variance rule is a
        heuristic, not a theorem; its proof is the grid of `coalmine_analytics.calibration`.
    """
    v_t, v_c = treatment.variance, control.variance
    df_t, df_c = treatment.clusters - 1.0, control.clusters - 1.0
    unpooled = v_t + v_c
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        estimate = treatment.ratio - control.ratio
        largest = np.maximum(np.abs(treatment.ratio), np.abs(control.ratio))
        estimate = np.where(np.abs(estimate) <= ROUNDING * largest, 0.0, estimate)
        welch = np.square(unpooled) / (np.square(v_t) / df_t + np.square(v_c) / df_c)
        squared = unpooled
        if pooled:
            per_x = (treatment.residual_ss + control.residual_ss) / (treatment.sum_x + control.sum_x)
            squared = np.maximum(unpooled, per_x / treatment.sum_x + per_x / control.sum_x)
        constant = squared == 0
        if constant.any():
            share = treatment.sum_x / (treatment.sum_x + control.sum_x)
            around_mean = share * (1.0 - share) * np.square(estimate) * (1.0 / df_t + 1.0 / df_c)
            squared = np.where(constant, around_mean, squared)
            welch = np.where(constant, df_t + df_c, welch)
    return Effect(estimate, np.sqrt(squared), welch)


def paired_difference(y: npt.ArrayLike, x: npt.ArrayLike) -> Effect:
    """Side b minus side a, with the core's standard error less what the sides share.

    Between two times most users are the same, and a user who rates low before rates low after. The variance
    of a difference is then that of independent sides, the larger of unpooled and pooled, minus twice their
    covariance.

    Args:
        y: Numerators, shape (..., 2, K): side a before side b, K unit groups.
        x: Denominators, same shape, each >= 0.

    Returns:
        Fields of shape (...,).

    Raises:
        InvalidParameter: Shapes differ, or a denominator is negative or not finite.
    """
    ys, xs = np.asarray(y, np.float64), np.asarray(x, np.float64)
    a, b = (arm_ratio(ys[..., side, :], xs[..., side, :]) for side in range(2))
    independent = difference(b, a)
    ratio, total = np.stack([a.ratio, b.ratio], axis=-1), np.stack([a.sum_x, b.sum_x], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (ys - ratio[..., None] * xs) / total[..., None]
        n = (xs > 0).any(axis=-2).sum(axis=-1).astype(np.float64)
        scale = n / (n - 1.0)
        shared = scale * (residual[..., 0, :] * residual[..., 1, :]).sum(axis=-1)
        paired = scale * np.square(residual[..., 1, :] - residual[..., 0, :]).sum(axis=-1)
        squared = np.maximum(np.square(independent.standard_error) - 2.0 * shared, paired)
        df = np.minimum(independent.degrees_of_freedom, np.maximum(a.clusters, b.clusters) - 1.0)
    return Effect(independent.estimate, np.sqrt(squared), df)
