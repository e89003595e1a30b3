"""Guardrails: evidence of harm beyond a tolerance, and evidence of its absence within a margin."""

import numpy as np

from coalmine_analytics.core.e_process import Alternative, log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.ratio import FloatArray
from coalmine_analytics.errors import invalid


def harm_log_e(
    effect: Effect, *, mde: FloatArray | float, higher_is_better: bool, tolerance: FloatArray | float = 0.0
) -> FloatArray:
    """Evidence that the treatment is worse by more than `tolerance`: what a rollback needs.

    Correct over guardrails by Holm on the running p.

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        higher_is_better: Direction of the metric.
        tolerance: Worsening that is still accepted, >= 0, metric's own unit; broadcasts.

    Returns:
        log E, shape (...,); NaN where the effect is not usable.

    Raises:
        InvalidParameter: mde or tolerance out of range.
    """
    worse: Alternative = "less" if higher_is_better else "greater"
    return log_e_value(effect, mde=mde, theta0=_signed(tolerance, higher_is_better), alternative=worse)


def non_inferior_log_e(
    effect: Effect, *, mde: FloatArray | float, higher_is_better: bool, margin: FloatArray | float
) -> FloatArray:
    """Evidence that the treatment is worse by less than `margin`: what a promotion needs on every guardrail.

    Each at alpha without correction: all must succeed (intersection-union, Berger 1982).

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        higher_is_better: Direction of the metric.
        margin: Worsening that would not be accepted, >= 0, metric's own unit; broadcasts. With 0 this is
            superiority.

    Returns:
        log E, shape (...,); NaN where the effect is not usable.

    Raises:
        InvalidParameter: mde or margin out of range.
    """
    better: Alternative = "greater" if higher_is_better else "less"
    return log_e_value(effect, mde=mde, theta0=_signed(margin, higher_is_better), alternative=better)


def _signed(margin: FloatArray | float, higher_is_better: bool) -> FloatArray:
    """The effect at the edge of what is accepted."""
    size = np.asarray(margin, dtype=np.float64)
    odd = size[~(np.isfinite(size) & (size >= 0))]
    if odd.size:
        raise invalid("margin", float(odd[0]), "give how much worse is acceptable, as a number >= 0")
    return -size if higher_is_better else size
