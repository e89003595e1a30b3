"""Relative effects, the treatment's ratio over the control's less one, with intervals for all looks."""

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.e_process import MIXTURE
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import ArmRatio

_STEPS = 40
"""At most so many rounds; the critical value hardly depends on the bound, so five suffice."""


def relative_confidence_sequence(
    treatment: ArmRatio, control: ArmRatio, *, mde: FloatArray | float, alpha: float = 0.05
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of R_T / R_C - 1, valid at every look at once.

    The relative effects r not refuted: for each, R_T - (1 + r) R_C has mean 0 and its own standard error, and
    a two-sided e-value. No linearisation, so large effects are covered too.

    Args:
        treatment: The arm under test, fields of shape (...,).
        control: The other, same shape; its ratio should be positive.
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
    lower = _bound(treatment, control, mde, alpha, side=-1.0)
    upper = _bound(treatment, control, mde, alpha, side=1.0)
    open_ended = ~(np.isfinite(lower) & np.isfinite(upper))
    return np.where(open_ended, -np.inf, lower - 1.0), np.where(open_ended, np.inf, upper - 1.0)


def scaled_control(control: ArmRatio, factor: FloatArray) -> ArmRatio:
    """The control arm as if each of its y were `factor` times as large."""
    return ArmRatio(
        control.ratio * factor, control.sum_x, control.residual_ss * np.square(factor), control.clusters
    )


def _bound(
    treatment: ArmRatio, control: ArmRatio, mde: FloatArray | float, alpha: float, *, side: float
) -> FloatArray:
    """The ratio at which |R_T - ratio R_C| equals its half-width, on one side; NaN where there is none."""
    r_t, r_c = treatment.ratio, control.ratio
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = r_t / r_c
        for _ in range(_STEPS):
            contrast = difference(treatment, scaled_control(control, ratio))
            usable = contrast.usable
            se = np.where(usable, contrast.standard_error, 1.0)
            z = critical_z(
                se, np.where(usable, contrast.degrees_of_freedom, 1.0), mde=mde, alpha=alpha, mixture=MIXTURE
            )
            # The standard error squared is p + q ratio^2, whichever of the two variances is the larger.
            p, q = _parts(treatment, control, contrast, ratio)
            z2 = np.where(usable, np.square(z), np.inf)
            lead = np.square(r_c) - z2 * q
            root = np.sqrt(z2 * (q * np.square(r_t) + p * lead))
            # Of the two roots the one on this side; where r_c < 0 the division swaps none of them.
            moved = np.where(lead > 0, (r_t * r_c + side * root) / lead, np.nan)
            settled = ~(np.abs(moved - ratio) > 1e-14 * np.abs(moved))
            ratio = moved
            if settled.all():
                break
    return np.asarray(ratio)


def _parts(
    treatment: ArmRatio, control: ArmRatio, contrast: Effect, ratio: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The p and q of the larger variance p + q ratio^2."""
    v_t, v_c = treatment.variance, control.variance
    unpooled = v_t + np.square(ratio) * v_c
    pooling = (1.0 / treatment.sum_x + 1.0 / control.sum_x) / (treatment.sum_x + control.sum_x)
    pooled = np.square(contrast.standard_error) > unpooled * (1.0 + 1e-15)
    return (
        np.where(pooled, pooling * treatment.residual_ss, v_t),
        np.where(pooled, pooling * control.residual_ss, v_c),
    )
