"""Relative effects, as shares of the size of control's ratio, with intervals for all looks."""

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.e_process import MIXTURE

_STEPS = 40
"""At most so many rounds; six suffice."""
_ENOUGH = 1e-12
"""How little a bound moves, relative to itself, when it is found: rounds go on for a tenth of that."""
_SIDES = np.array([-1.0, 1.0])


def relative_confidence_sequence(
    contrast: Contrast, *, mde: FloatArray | float, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of (R_T - R_C) / |R_C|, valid at every look at once.

    The relative effects r not refuted: for each, R_T - (1 + r) R_C has mean 0 and its own standard error, and
    a two-sided e-value. No linearisation, so large effects are covered too.

    Args:
        contrast: The arms, shape (...,); control's ratio should be positive.
        mde: Minimum detectable effect, *absolute*, metric's own unit; broadcasts.
        alpha: Chance of ever excluding the true relative effect, in (0, 1).

    Returns:
        Two arrays of shape (...,), 0.1 for 10 per cent; both infinite where the control's ratio may be 0.

    Raises:
        InvalidParameter: alpha or mde out of range.

    References:
        E. C. Fieller, Journal of the Royal Statistical Society B 16 (1954), with the critical value of the
        e-process in place of a quantile.
    """
    lower, upper = _bounds(contrast, mde, alpha)
    open_ended = ~(np.isfinite(lower) & np.isfinite(upper))
    below, above = lower - 1.0, upper - 1.0
    negative = contrast.ratios[1] < 0  # more of what is below 0 is less
    below, above = np.where(negative, -above, below), np.where(negative, -below, above)
    return np.where(open_ended, -np.inf, below), np.where(open_ended, np.inf, above)


def _bounds(contrast: Contrast, mde: FloatArray | float, alpha: float) -> FloatArray:
    """The ratios at which |R_T - ratio R_C| is its half-width, shape (2, ...); NaN where there is none.

    Fixed points of `_moved`, found by secants through the last two rounds (Wegstein, Communications of the
    ACM 1, 1958), each at most twice as long as the round's own step.
    """
    r_t, r_c = contrast.ratios
    usable = contrast.difference.usable
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.where(usable, r_t / r_c, np.nan) * np.ones((2, *(1,) * r_t.ndim))
    widths: FloatArray = np.broadcast_to(np.asarray(mde, np.float64), r_t.shape)
    at = np.nonzero(np.isfinite(bounds))
    here, ratio = contrast.at(at[1:]), bounds[at]
    before, step_before = ratio, np.full_like(ratio, np.nan)
    for _ in range(_STEPS):
        if not at[0].size:
            break
        moved = _moved(here, ratio, _SIDES[at[0]], widths[at[1:]], alpha)
        bounds[at] = moved
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = moved - ratio
            further = step * (before - ratio) / (step - step_before) - step
            further = np.where(np.abs(further) <= np.abs(step), moved + further, moved)
            open_ = np.abs(step) > _ENOUGH * np.abs(moved)
        before, step_before, ratio = ratio, step, further
        if not open_.all():
            at = tuple(axis[open_] for axis in at)
            here = contrast.at(at[1:])
            before, step_before, ratio = before[open_], step_before[open_], ratio[open_]
    return bounds


def _moved(
    contrast: Contrast, ratio: FloatArray, side: FloatArray, mde: FloatArray, alpha: float
) -> FloatArray:
    """The bounds with the critical values at some ratios, shape (N,), each on its side, -1 or 1."""
    r_t, r_c = contrast.ratios
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        effect = contrast.effect(ratio)
        usable = effect.usable
        se = np.where(usable, effect.standard_error, 1.0)
        df = np.where(usable, effect.degrees_of_freedom, 1.0)
        z = critical_z(se, df, mde=mde, alpha=alpha, mixture=MIXTURE)
        z2 = np.where(usable, np.square(z), np.inf)
        p, h, q = contrast.variance_parts(ratio)
        lead = np.square(r_c) - z2 * q
        root = np.sqrt(z2 * (q * np.square(r_t) + p * lead - h * (2.0 * r_t * r_c - z2 * h)))
        # Of the two roots the one on this side; where r_c < 0 the division swaps none of them.
        return np.asarray(np.where(lead > 0, (r_t * r_c - z2 * h + side * root) / lead, np.nan))
