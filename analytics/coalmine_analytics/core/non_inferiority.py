"""Guardrails: evidence of harm beyond a tolerance, and evidence of its absence within a margin.

`better` says which way is better: 1 for higher, -1 for lower, 0 where any change is harm. It broadcasts to
the shape of the effects.
"""

import math

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.errors import invalid


def harm_log_e(
    effect: Effect, *, mde: FloatArray | float, better: npt.ArrayLike, tolerance: FloatArray | float = 0.0
) -> FloatArray:
    """Evidence that the treatment is worse by more than `tolerance`: what a rollback needs.

    Correct over guardrails by Holm on the running p. Where any change is harm this is the mean of the
    e-values of both sides, which is an e-value itself.

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        better: Which way is better.
        tolerance: Worsening that is still accepted, >= 0, metric's own unit; broadcasts.

    Returns:
        log E, shape (...,); NaN where the effect is not usable.

    Raises:
        InvalidParameter: mde or tolerance out of range.
    """
    size, upward = _checked(tolerance), turned(effect, better)
    harm = log_e_value(upward, mde=mde, theta0=-size, alternative="less")
    more = log_e_value(upward, mde=mde, theta0=size, alternative="greater")
    with np.errstate(invalid="ignore"):  # NaN where there is no look
        return np.where(_any_change(better), np.logaddexp(harm, more) - math.log(2.0), harm)


def non_inferior_log_e(
    effect: Effect, *, mde: FloatArray | float, better: npt.ArrayLike, margin: FloatArray | float
) -> FloatArray:
    """Evidence that the treatment is worse by less than `margin`: what a promotion needs on every guardrail.

    Each at alpha without correction: all must succeed (intersection-union, Berger 1982). Where any change is
    harm both sides must succeed. With a margin of 0 this is superiority: correct over goals by Holm.

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        better: Which way is better.
        margin: Worsening that would not be accepted, >= 0, metric's own unit; broadcasts.

    Returns:
        log E, shape (...,); NaN where the effect is not usable.

    Raises:
        InvalidParameter: mde or margin out of range.
    """
    size, upward = _checked(margin), turned(effect, better)
    acceptable = log_e_value(upward, mde=mde, theta0=-size, alternative="greater")
    less = log_e_value(upward, mde=mde, theta0=size, alternative="less")
    return np.where(_any_change(better), np.minimum(acceptable, less), acceptable)


def units_to_non_inferior(
    effect: Effect,
    units: npt.ArrayLike,
    *,
    mde: FloatArray | float,
    better: npt.ArrayLike,
    margin: FloatArray | float,
    alpha: float,
) -> FloatArray:
    """Further units until `non_inferior_log_e` reaches 1/alpha; see `units_needed`."""
    size, upward = _checked(margin), turned(effect, better)
    acceptable = units_needed(upward, units, mde=mde, theta0=-size, alternative="greater", alpha=alpha)
    within = units_needed(upward, units, mde=mde, theta0=size, alternative="less", alpha=alpha)
    return np.where(_any_change(better), np.fmax(acceptable, within), acceptable)


def turned(effect: Effect, better: npt.ArrayLike) -> Effect:
    """The effect with the sign at which higher is better, so that every question is asked on one side."""
    sign = np.where(np.asarray(better) < 0, -1.0, 1.0)
    return Effect(effect.estimate * sign, effect.standard_error, effect.degrees_of_freedom)


def _any_change(better: npt.ArrayLike) -> BoolArray:
    return np.asarray(np.asarray(better) == 0)


def _checked(margin: FloatArray | float) -> FloatArray:
    size = np.asarray(margin, dtype=np.float64)
    odd = size[~(np.isfinite(size) & (size >= 0))]
    if odd.size:
        raise invalid("margin", float(odd[0]), "give how much worse is acceptable, as a number >= 0")
    return size
