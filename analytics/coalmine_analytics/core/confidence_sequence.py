"""Intervals for an effect that hold at all looks together: the effects not yet refuted at alpha."""

import math

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.e_process import MIXTURE, NORMAL_DF, Alternative, information, mixture_log_e
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.roots import rising_root
from coalmine_analytics.errors import check_alpha

_STEPS = 60
"""At most so many steps of a root finder; four to eight suffice."""
_ENOUGH = 1e-12
"""How exactly the e-value at the bound must reach 1/alpha, in its logarithm."""


def critical_z(
    standard_error: FloatArray,
    df: FloatArray,
    *,
    mde: FloatArray | float,
    alpha: float,
    one_sided: bool = False,
    mixture: tuple[float, ...] = MIXTURE,
) -> FloatArray:
    """The |z| at which the mixture e-value reaches 1/alpha.

    Args:
        standard_error: Shape (...,), > 0, metric's own unit.
        df: Degrees of freedom, shape (...,), > 0; may be infinite.
        mde: As for `log_e_value`; broadcasts.
        alpha: In (0, 1).
        one_sided: For the one-sided e-value.
        mixture: As for `log_e_value`.

    Returns:
        Shape (...,); infinite where no z suffices (too few clusters, or far too little information).

    Raises:
        InvalidParameter: alpha, mde or mixture out of range.
    """
    check_alpha(alpha)
    target = -math.log(alpha)
    a = information(np.asarray(standard_error, np.float64), mde, mixture)
    nu = np.broadcast_to(np.minimum(np.asarray(df, np.float64), NORMAL_DF), a.shape[1:])
    s = _two_sided_root(a, nu, target)
    if one_sided:
        s = _one_sided_root(a, nu, target, upper=s)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(s < 1.0, np.sqrt(nu * s / (1.0 - s)), np.inf))


def _two_sided_root(a: FloatArray, nu: FloatArray, target: float) -> FloatArray:
    """The root in s = z^2 / (nu + z^2), 1 where there is none below it.

    In s each width's log E is -1/2 log(1+a) - (nu+1)/2 log(1 - s a/(1+a)): convex and rising, and so is the
    logarithm of their mean. Newton's method from above therefore falls to the root without a bracket.
    """
    shrink = a / (1.0 + a)
    base = -0.5 * np.log1p(a)
    half = 0.5 * (nu + 1.0)
    # One width alone at its weight needs at least as much: its own root, in closed form, is an upper bound.
    alone = -np.expm1((base - (target + math.log(len(a)))) / half) / shrink
    s = np.minimum(alone.min(axis=0), 1.0)
    for _ in range(_STEPS):
        scaled = shrink * s
        each = base - half * np.log1p(-scaled)
        top = each.max(axis=0)
        share = np.exp(each - top)
        total = share.sum(axis=0)
        excess = top + np.log(total / len(a)) - target
        slope = half * (share * shrink / (1.0 - scaled)).sum(axis=0) / total
        # Below the root only where rounding ends, or where s = 1 is still too little.
        active = excess > _ENOUGH
        if not active.any():
            break
        s = np.where(active, s - excess / slope, s)
    return np.asarray(s)


def _one_sided_root(a: FloatArray, nu: FloatArray, target: float, *, upper: FloatArray) -> FloatArray:
    """The same for the one-sided e-value, which is one to two times the two-sided one where z > 0."""

    def excess(s: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", over="ignore"):
            z = np.sqrt(nu * s / (1.0 - s))
            largest = -0.5 * np.log1p(a) - 0.5 * (nu + 1.0) * np.log1p(-(a / (1.0 + a)) * s)
        finite = mixture_log_e(np.minimum(z, 1e150), a, nu, "greater")
        return np.where(s < 1.0, finite, _at_infinity(largest)) - target

    low = _two_sided_root(a, nu, max(target - math.log(2.0), 1e-3 * target))
    low = np.where(target > math.log(2.0), np.minimum(low, upper), 0.0)
    f_upper = excess(upper)
    root = rising_root(excess, low, upper, f_high=f_upper, enough=_ENOUGH)
    return np.where(f_upper < 0, 1.0, root)


def _at_infinity(log_e: FloatArray) -> FloatArray:
    """The one-sided mixture at infinite z, where the side's factor has reached 2."""
    top = log_e.max(axis=0)
    return np.asarray(top + np.log(np.exp(log_e - top).mean(axis=0)) + math.log(2.0))


def confidence_sequence(
    effect: Effect,
    *,
    mde: FloatArray | float,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    mixture: tuple[float, ...] = MIXTURE,
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of the effect, valid at every look at once.

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        alpha: Chance of ever excluding the true effect, in (0, 1).
        alternative: "greater" gives a lower bound only, "less" an upper bound only.
        mixture: As for `log_e_value`.

    Returns:
        Two arrays of shape (...,), metric's own unit; infinite where nothing can be excluded.

    Raises:
        InvalidParameter: alpha, mde or mixture out of range.

    References:
        Waudby-Smith et al., arXiv:2103.06476v7, section 2: the interval is the set of effects whose
        e-value is below 1/alpha.
    """
    usable = effect.usable
    se = np.where(usable, effect.standard_error, 1.0)
    df = np.where(usable, effect.degrees_of_freedom, 1.0)
    critical = critical_z(se, df, mde=mde, alpha=alpha, one_sided=alternative != "two-sided", mixture=mixture)
    half = np.where(usable, se * critical, np.inf)
    centre = np.where(usable, effect.estimate, 0.0)
    lower = centre - half if alternative != "less" else np.full_like(centre, -np.inf)
    upper = centre + half if alternative != "greater" else np.full_like(centre, np.inf)
    return lower, upper
