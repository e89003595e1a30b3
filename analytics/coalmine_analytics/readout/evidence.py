"""Evidence for harm, its absence, improvement and any difference, with forecasts of the units needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.acceptance import acceptable_log_e, superior_log_e, units_to_acceptable
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.harm import lasting_harm_log_e
from coalmine_analytics.metrics import Metric, Size
from coalmine_analytics.readout.scales import BETTER, worsening
from coalmine_analytics.readout.strata import Strata


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Confidence sequences, fields of shape (...)."""

    lower: FloatArray
    upper: FloatArray
    relative_lower: FloatArray
    relative_upper: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Weighed(Bounds):
    """Evidence at one look; fields of shape (M, T). Logarithms of e-values, NaN where none can be had."""

    difference: FloatArray
    harm: FloatArray
    acceptable: FloatArray
    better: FloatArray
    units_to_difference: FloatArray
    """Further units; infinite: never."""
    units_to_acceptable: FloatArray
    units_to_better: FloatArray


def weigh(
    metrics: Sequence[Metric], strata: Strata, parts: Strata, mde: FloatArray, *, alpha: float
) -> Weighed:
    """Compute the evidence for each question, for all metrics and arms.

    Args:
        metrics: M of them.
        strata: The look.
        parts: The same, cut at each border from which harm is looked for anew.
        mde: Minimum detectable effects, fixed at the first look, shape (M, T); NaN where there was none.
        alpha: For intervals and forecasts.
    """
    better = np.array([[BETTER[metric.direction]] for metric in metrics])
    unknown = np.array([[metric.direction == "unknown"] for metric in metrics])
    no_side = unknown | (better == 0)
    margin = worsening(metrics, lambda metric: metric.margin)
    tolerance = worsening(metrics, lambda metric: metric.tolerance)
    contrast, effect, seen = strata.contrast, strata.effect, strata.seen
    mde = np.where(np.isfinite(mde), mde, 1.0)  # where nothing is usable either, so no number comes of it

    harm = lasting_harm_log_e(parts.compared, parts.weight, tolerance, mde=mde)
    bounds = intervals(contrast, effect, mde, alpha=alpha)
    nothing = worsening(metrics, lambda _metric: Size(0.0))
    gain = nothing.room(contrast, nothing.side)
    return Weighed(
        difference=np.where(effect.identical, 0.0, log_e_value(effect, mde=mde)),
        harm=np.where(unknown, np.nan, harm),
        acceptable=np.where(unknown, np.nan, acceptable_log_e(contrast, margin, seen, mde=mde)),
        better=np.where(no_side, np.nan, superior_log_e(contrast, nothing, mde=mde)),
        lower=bounds.lower,
        upper=bounds.upper,
        relative_lower=bounds.relative_lower,
        relative_upper=bounds.relative_upper,
        units_to_difference=units_needed(effect, strata.units, mde=mde, alpha=alpha),
        units_to_acceptable=units_to_acceptable(contrast, margin, seen, strata.units, mde=mde, alpha=alpha),
        units_to_better=units_needed(gain, strata.units, mde=mde, alternative="greater", alpha=alpha),
    )


def intervals(contrast: Contrast, effect: Effect, mde: FloatArray, *, alpha: float) -> Bounds:
    """Confidence sequences of the effect and of the relative effect; infinite where there is no look.

    Args:
        contrast: Shape (...).
        effect: Of the contrast, not usable where there are too few units.
        mde: Minimum detectable effects.
        alpha: In (0, 1).
    """
    lower, upper = confidence_sequence(effect, mde=mde, alpha=alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative_lower, relative_upper = relative_confidence_sequence(contrast, mde=mde, alpha=alpha)
    usable = effect.usable
    return Bounds(
        lower, upper, np.where(usable, relative_lower, -np.inf), np.where(usable, relative_upper, np.inf)
    )
