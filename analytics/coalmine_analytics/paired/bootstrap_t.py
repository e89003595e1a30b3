"""The bootstrap-t over clusters: an interval that leans to where the differences are skewed."""

from functools import lru_cache

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.paired.clusters import Clustered

DRAWS = 2_000
SEED = 20_240_229
"""The same data has the same interval, whoever computes it."""


def bootstrap_t(of: Clustered, alpha: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One-sided bounds of the mean, each missing it with a chance of about `alpha`, and a p-value.

    Whole clusters are drawn with replacement. Where a draw has no spread its t is infinite, so bounds
    from few different clusters are wide rather than wrong. Needs a standard error above 0.

    Args:
        of: At least 2 clusters; sums of shape (..., C).
        alpha: Chance of error of each bound.

    Returns:
        Lower and upper bound within -1 and 1, and the one-sided p-value of "the mean is not below 0".

    References:
        Efron, Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.
    """
    mean, se, studentised = of.mean, of.se, _studentised(of)
    place = min(int(np.ceil((1.0 - alpha) * DRAWS)), DRAWS - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = mean - studentised[..., place] * se
        upper = mean - studentised[..., DRAWS - 1 - place] * se
        below = (studentised <= (mean / se)[..., None]).sum(axis=-1)
    return np.fmax(lower, -1.0), np.fmin(upper, 1.0), np.asarray((below + 1.0) / (DRAWS + 1.0))


def _studentised(of: Clustered) -> FloatArray:
    """T of each draw against the mean of all, sorted, shape (..., DRAWS)."""
    drawn = _draws(of.clusters).T
    cases = of.sizes @ drawn
    means = (of.sums @ drawn) / cases
    # Sum of (sum - mean * size)^2 over the clusters of a draw, without an array of all three axes.
    square = np.square(of.sums) @ drawn - 2.0 * means * ((of.sums * of.sizes) @ drawn)
    square += np.square(means) * (np.square(of.sizes) @ drawn)
    se = np.sqrt(np.maximum(square, 0.0)) / cases * (of.clusters / (of.clusters - 1)) ** 0.5
    away = means - of.mean[..., None]
    flat = se < 1e-9 * of.se[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(flat, np.where(np.abs(away) < 1e-12, 0.0, np.copysign(np.inf, away)), away / se)
    return np.sort(t, axis=-1)


@lru_cache(maxsize=8)
def _draws(clusters: int) -> FloatArray:
    """How often each cluster is in each draw, shape (DRAWS, C)."""
    rng = np.random.default_rng([SEED, clusters])
    return rng.multinomial(clusters, np.full(clusters, 1.0 / clusters), DRAWS).astype(np.float64)
