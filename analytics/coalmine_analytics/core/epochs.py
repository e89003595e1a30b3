"""Allocation epochs: each change of weights starts one, and they combine, never pool.

While a ramp goes from 5 to 50 per cent and the base rate drifts, pooled sums compare different times: every
such comparison ends in a false alarm (Simpson's paradox). Within an epoch the split is constant.
"""

import numpy as np

from coalmine_analytics.arrays import BoolArray
from coalmine_analytics.core.effect import Effect


def combine_epochs(effect: Effect, *, enough: BoolArray | None = None) -> Effect:
    """One effect from the effects of the epochs, weighted by inverse variance.

    Args:
        effect: Fields of shape (..., T): T epochs on the last axis, each from that epoch's sums alone.
        enough: Same shape; False leaves an epoch out, such as one with fewer than `MIN_UNITS` units in an
            arm, whose standard error says little. An epoch that is not usable is left out anyway.

    Returns:
        Fields of shape (...,); NaN where no epoch can be used.

    References:
        Cochran, Biometrics 10 (1954), for the weights; Satterthwaite, Biometrics 2 (1946), for the degrees
        of freedom of a sum of variances.
    """
    included = effect.usable if enough is None else effect.usable & enough
    precision = np.zeros(included.shape)
    np.divide(1.0, np.square(effect.standard_error), out=precision, where=included)
    total = precision.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = precision / total[..., None]
        estimate = (weight * np.where(included, effect.estimate, 0.0)).sum(axis=-1)
        df = 1.0 / (np.square(weight) / np.where(included, effect.degrees_of_freedom, 1.0)).sum(axis=-1)
        return Effect(estimate, np.where(total > 0, 1.0 / np.sqrt(total), np.nan), df)
