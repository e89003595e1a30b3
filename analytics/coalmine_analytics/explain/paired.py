"""The difference of two ratios over the same unit groups: users on both sides are not independent."""

import numpy as np
import numpy.typing as npt

from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import arm_ratio


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
