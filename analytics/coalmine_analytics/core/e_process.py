"""Evidence against "the effect is theta0" that may be looked at after every event.

An e-process starts near 1 and, while the hypothesis holds, exceeds 1/alpha at any look ever with a chance
of at most alpha. Here it is a likelihood ratio of a mixture of effects around theta0 against theta0,
in Student's form so that few clusters are not mistaken for many.
"""

import math
from typing import Literal

import numpy as np
from scipy.special import log_ndtr

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.errors import invalid

Alternative = Literal["two-sided", "greater", "less"]
"""What the evidence is for: effect != theta0, effect > theta0, or effect < theta0."""

MIXTURE = (1.0, 4.0)
"""Mixture widths in MDE, weighted alike; the wide one finds severe regressions early."""

_BELOW_ONE = math.nextafter(1.0, 0.0)

NORMAL_DF = 1e15
"""Stands for infinity: from so many degrees of freedom on Student's form is the normal form."""


def log_e_value(
    effect: Effect,
    *,
    mde: FloatArray | float,
    theta0: FloatArray | float = 0.0,
    alternative: Alternative = "two-sided",
    mixture: tuple[float, ...] = MIXTURE,
) -> FloatArray:
    """Natural logarithm of the e-value against the hypothesis that the effect is `theta0`.

    For "greater" the hypothesis is effect <= theta0, for "less" effect >= theta0. The bound
    P(ever exceeding 1/alpha) <= alpha is asymptotic; `coalmine_analytics.calibration` shows where it holds
    with rare, skewed, clustered and unequally split data, and where it ends.

    Args:
        effect: Differences, fields of shape (...,).
        mde: Minimum detectable effect, > 0, metric's own unit; broadcasts to (...,). Fix it before
            looking at the data; it decides where the test is sharpest, never whether it is valid.
        theta0: Effect under the hypothesis, metric's own unit; broadcasts.
        alternative: Side of the evidence.
        mixture: Widths of the mixture, in mde, weighted alike.

    Returns:
        Shape (...,); NaN where the effect is not usable: no look was taken there.

    Raises:
        InvalidParameter: An mde or a width is not positive and finite.

    References:
        Normal mixture: Johari et al., arXiv:1512.04922v3, section 4 (mSPRT); Waudby-Smith et al.,
        arXiv:2103.06476v7, section 2. Student's form: Wang and Ramdas, arXiv:2310.03722, as a plug-in.
    """
    usable = effect.usable
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = (effect.estimate - theta0) / effect.standard_error
        a = information(effect.standard_error, mde, mixture)
        total = mixture_log_e(z, a, effect.degrees_of_freedom, alternative)
    return np.where(usable, total, np.nan)


def information(
    standard_error: FloatArray, mde: FloatArray | float, mixture: tuple[float, ...] = MIXTURE
) -> FloatArray:
    """The mixture's variances in units of the data's, a = tau^2 / se^2: one more axis in front, per width.

    Raises:
        InvalidParameter: An mde or a width is not positive and finite.
    """
    widths = np.asarray(mde, dtype=np.float64)
    odd = widths[~(np.isfinite(widths) & (widths > 0))]
    if odd.size:
        raise invalid("mde", float(odd[0]), "give a positive effect size in the metric's own unit")
    if not mixture or not all(math.isfinite(factor) and factor > 0 for factor in mixture):
        raise invalid("mixture", mixture, "give at least one positive width, in minimum detectable effects")
    scaled = np.square(widths / standard_error)
    return np.stack([factor * factor * scaled for factor in mixture])


def mixture_log_e(z: FloatArray, a: FloatArray, df: FloatArray, alternative: Alternative) -> FloatArray:
    """Logarithm of the mean e-value over the widths, for standardised differences.

    Args:
        z: Standardised differences, shape (...,).
        a: From `information`, shape (W, ...).
        df: Degrees of freedom, shape (...,), > 0; may be infinite.
        alternative: Side of the evidence.
    """
    shrink = a / (1.0 + a)
    z2 = np.square(z)
    nu = np.minimum(df, NORMAL_DF)
    # log(1 + z2/nu) - log(1 + z2/(nu (1+a))), in one logarithm and without cancellation.
    # Where both factors round to 1 the product stays below it: E is then huge, and finite.
    share = np.minimum(shrink * (z2 / (nu + z2)), _BELOW_ONE)
    log_e = -0.5 * np.log1p(a) - 0.5 * (nu + 1.0) * np.log1p(-share)
    if alternative != "two-sided":
        sign = 1.0 if alternative == "greater" else -1.0
        log_e = log_e + (math.log(2.0) + log_ndtr(sign * z * np.sqrt(shrink)))
    return log_mean_exp(log_e)


def log_mean_exp(values: FloatArray) -> FloatArray:
    """Logarithm of the mean of exp(values) over the first axis, without overflow."""
    return np.asarray(np.logaddexp.reduce(values, axis=0) - math.log(len(values)))
