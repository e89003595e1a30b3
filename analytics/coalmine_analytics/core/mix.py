"""Arms compared in one mix: cached calls with cached ones, one model's with that model's."""

import numpy as np

from coalmine_analytics.arrays import FloatArray

MIN_REQUESTS = 30
"""A part of the mix counts where every arm has at least this much of it."""


def same_mix(y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of arms as if each had the mix of all of them: direct standardisation.

    A part is weighted by its share of all arms together, so that an arm with, say, fewer cached calls is not
    slower for that. The weights are taken as given. A group of units may lie in several parts, so what it
    adds to each is added up before anything is squared.

    Args:
        y: Numerators, shape (..., P, A, K): P parts, A arms, K groups of units.
        x: Denominators, same shape.

    Returns:
        Numerators and denominators of shape (..., A, K), whose ratios and variances are those of the mix.
        Parts that some arm hardly has are left out, unless it hardly has anything; all 0 if none remains.
    """
    total = x.sum(axis=-1)  # (..., P, A)
    hardly_any = total.sum(axis=-2, keepdims=True) < MIN_REQUESTS
    counts = (hardly_any | (total >= MIN_REQUESTS)).all(axis=-1, keepdims=True)
    mine = np.where(counts, total, 0.0)
    of_all = mine.sum(axis=-1, keepdims=True)
    weight = np.divide(
        of_all, of_all.sum(axis=-2, keepdims=True), out=np.zeros(of_all.shape), where=counts & (of_all > 0)
    )
    size = mine.sum(axis=-2)  # (..., A)
    ratio = np.divide(y.sum(axis=-1), total, out=np.zeros(total.shape), where=mine > 0)
    share = np.divide(weight * size[..., None, :], total, out=np.zeros(total.shape), where=mine > 0)[
        ..., None
    ]
    standard = (weight * ratio).sum(axis=-2)
    x_mixed = (share * x).sum(axis=-3)
    residual = (share * (y - ratio[..., None] * x)).sum(axis=-3)
    return standard[..., None] * x_mixed + residual, x_mixed
