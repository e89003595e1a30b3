"""Evidence for harm, its absence, improvement and any difference, with forecasts of the units needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.core.acceptance import Seen, acceptable_log_e, superior_log_e, units_to_acceptable
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.harm import lasting_harm_log_e
from coalmine_analytics.core.worsening import Worsening
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
    forecasts: "Forecasts"


class Forecasts:
    """Further units until each question is answered, shape (M, T); infinite: never.

    Computed when asked for: hardly a readout shows them all.

    Args:
        contrast: The look.
        margin: Worsening that is not acceptable.
        seen: Of the look.
        units: Units of both arms.
        mde: As for `weigh`.
        alpha: Likewise.
    """

    def __init__(
        self,
        contrast: Contrast,
        margin: Worsening,
        seen: Seen,
        units: IntArray,
        *,
        mde: FloatArray,
        alpha: float,
    ) -> None:
        self._contrast, self._margin, self._seen, self._units = contrast, margin, seen, units
        self._mde, self._alpha = mde, alpha

    @cached_property
    def difference(self) -> FloatArray:
        """Until a difference is shown."""
        return units_needed(self._contrast.difference, self._units, mde=self._mde, alpha=self._alpha)

    @cached_property
    def acceptable(self) -> FloatArray:
        """Until it is shown that the arm is worse by less than the margin."""
        return units_to_acceptable(
            self._contrast, self._margin, self._seen, self._units, mde=self._mde, alpha=self._alpha
        )

    @cached_property
    def better(self) -> FloatArray:
        """Until a gain is shown."""
        side = self._margin.side
        gain = Effect(
            side * self._contrast.difference.estimate,
            self._contrast.difference.standard_error,
            self._contrast.difference.degrees_of_freedom,
        )
        return units_needed(gain, self._units, mde=self._mde, alternative="greater", alpha=self._alpha)


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
    return Weighed(
        difference=np.where(effect.identical, 0.0, log_e_value(effect, mde=mde)),
        harm=np.where(unknown, np.nan, harm),
        acceptable=np.where(unknown, np.nan, acceptable_log_e(contrast, margin, seen, mde=mde)),
        better=np.where(no_side, np.nan, superior_log_e(contrast, nothing, mde=mde)),
        lower=bounds.lower,
        upper=bounds.upper,
        relative_lower=bounds.relative_lower,
        relative_upper=bounds.relative_upper,
        forecasts=Forecasts(contrast, margin, seen, strata.units, mde=mde, alpha=alpha),
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
