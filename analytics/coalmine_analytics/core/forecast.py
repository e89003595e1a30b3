"""Forecast of the units still needed for a decision."""

import math

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.e_process import Alternative, information, mixture_log_e
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.roots import rising_root
from coalmine_analytics.errors import check_alpha

_FURTHEST = 40
"""The search ends at 2^40 times the data seen so far: never, in practice."""
_ENOUGH = 1e-8
"""An excess over 1/alpha, relative, that is none."""
_WITHIN = _FURTHEST / 2.0**27
"""Doublings: one unit in five million."""


def units_needed(
    effect: Effect,
    units: npt.ArrayLike,
    *,
    mde: FloatArray | float,
    theta0: FloatArray | float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> FloatArray:
    """Further units until the e-value reaches 1/alpha, if the effect stays as estimated, without chance.

    A median, not a promise: about half of the runs take longer. The split, the variance per unit and the
    degrees of freedom are assumed constant.

    Args:
        effect: Differences now, fields of shape (...,).
        units: Units seen so far, both arms together, shape (...,).
        mde: As for `log_e_value`.
        theta0: As for `log_e_value`.
        alternative: As for `log_e_value`.
        alpha: In (0, 1).

    Returns:
        Shape (...,), whole numbers; 0 if the data now suffice, infinite if that effect never will, NaN where
        the effect is not usable.

    Raises:
        InvalidParameter: alpha or mde out of range.
    """
    check_alpha(alpha)
    target = -math.log(alpha)
    usable = effect.usable
    se = np.where(usable, effect.standard_error, 1.0)
    df = np.where(usable, effect.degrees_of_freedom, 1.0)
    shift = np.where(usable, effect.estimate - np.asarray(theta0), 0.0)
    a = information(se, mde)

    def excess(doublings: FloatArray) -> FloatArray:
        times = np.exp2(doublings)
        over = mixture_log_e(shift / se * np.sqrt(times), a * times, df, alternative) - target
        return np.asarray(over / (target + np.abs(over)))  # of the same sign, and never huge

    low, high = np.zeros(shift.shape), np.full(shift.shape, float(_FURTHEST))
    now, f_high = excess(low) >= 0, excess(high)
    ever = f_high >= 0
    # The evidence for an exact effect rises with the data once it exceeds 1.
    high = rising_root(excess, low, high, f_high=f_high, enough=_ENOUGH, within=_WITHIN)
    more = np.ceil(np.asarray(units, np.float64) * (np.exp2(high) - 1.0))
    return np.where(usable, np.where(now, 0.0, np.where(ever, more, np.inf)), np.nan)
