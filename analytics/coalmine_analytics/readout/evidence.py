"""Evidence for harm, its absence, improvement and any difference, with forecasts of the units needed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.non_inferiority import (
    harm_log_e,
    non_inferior_log_e,
    turned,
    units_to_non_inferior,
)
from coalmine_analytics.metrics import Metric, Size
from coalmine_analytics.readout.strata import Strata
from coalmine_analytics.results.readout import Scales
from coalmine_analytics.results.verdicts import Direction
from coalmine_analytics.sample_size import MIN_UNITS

AUTO_MDE = 0.2
"""Minimum detectable effect in standard deviations between units, where neither mde nor margin gives one."""

_CLEAN_STAKE = 0.1
_BETTER: Mapping[Direction, float] = {"higher": 1.0, "lower": -1.0, "same": 0.0, "unknown": 1.0}
"""As `core.non_inferiority` takes it; what comes of `unknown` is not used."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayScales:
    """`Scales` of M metrics and T arms: fields of shape (M, T), NaN where there is no look yet."""

    mde: FloatArray
    margin: FloatArray
    tolerance: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """Evidence at one look; fields of shape (M, T). Logarithms of e-values, NaN where none can be had."""

    difference: FloatArray
    harm: FloatArray
    acceptable: FloatArray
    better: FloatArray
    lower: FloatArray
    upper: FloatArray
    relative_lower: FloatArray
    relative_upper: FloatArray
    units_to_difference: FloatArray
    """Further units; infinite: never."""
    units_to_acceptable: FloatArray
    units_to_better: FloatArray


def fix_scales(
    metrics: Sequence[Metric], strata: Strata, before: Sequence[Sequence[Scales | None]]
) -> ArrayScales:
    """Return the sizes of changes, fixed at the first usable look and unchanged from then on.

    Args:
        metrics: M of them.
        strata: The look.
        before: Sizes that an earlier look fixed, by metric and arm.
    """
    shape = strata.effect.estimate.shape
    found = ArrayScales(*(np.full(shape, np.nan) for _ in range(3)))
    usable = strata.effect.usable
    for row, metric in enumerate(metrics):
        for column in range(shape[1]):
            scales = before[row][column]
            if scales is None and usable[row, column]:
                scales = _scales(metric, strata, row, column)
            if scales is not None:
                found.mde[row, column] = scales.mde
                found.margin[row, column] = scales.margin
                found.tolerance[row, column] = scales.tolerance
    return found


def _scales(metric: Metric, strata: Strata, row: int, column: int) -> Scales:
    baseline = abs(float(strata.contrast.ratios[1][row, column]))

    def absolute(size: Size) -> float:
        return size.value * baseline if size.relative else size.value

    margin = absolute(metric.margin)
    mde = absolute(metric.mde) if metric.mde is not None else margin
    if not mde > 0:  # relative to a control value of 0
        # With the units split as they are, the standard error shrinks with their number: n p (1 - p) se^2.
        spread = float(strata.effect.standard_error[row, column]) * math.sqrt(strata.units[row, column] / 4.0)
        mde = AUTO_MDE * spread
    return Scales(mde=mde, margin=margin, tolerance=absolute(metric.tolerance))


def weigh(metrics: Sequence[Metric], strata: Strata, scales: ArrayScales, *, alpha: float) -> Weighed:
    """Compute the evidence for each question, for all metrics and arms.

    Args:
        metrics: M of them.
        strata: The look.
        scales: Fixed at the first look.
        alpha: For intervals and forecasts.
    """
    better = np.array([[_BETTER[metric.direction]] for metric in metrics])
    unknown = np.array([[metric.direction == "unknown"] for metric in metrics])
    no_side = unknown | (better == 0)
    effect = strata.effect
    fixed = np.isfinite(scales.mde)
    mde = np.where(fixed, scales.mde, 1.0)  # where nothing is usable either, so no number comes of it
    margin, tolerance = np.where(fixed, scales.margin, 0.0), np.where(fixed, scales.tolerance, 0.0)

    harm = harm_log_e(effect, mde=mde, better=better, tolerance=tolerance)
    acceptable = non_inferior_log_e(effect, mde=mde, better=better, margin=margin)
    superior = non_inferior_log_e(effect, mde=mde, better=better, margin=0.0)
    clean = _clean(metrics, strata)
    lower, upper = confidence_sequence(effect, mde=mde, alpha=alpha)
    relative_lower, relative_upper = _relative(strata, mde, alpha)
    to_acceptable = units_to_non_inferior(
        effect, strata.units, mde=mde, better=better, margin=margin, alpha=alpha
    )
    spotless = np.isfinite(clean)  # there is no effect to speak of, and no harm
    return Weighed(
        difference=np.where(spotless, 0.0, log_e_value(effect, mde=mde)),
        harm=np.where(spotless, 0.0, np.where(unknown, np.nan, harm)),
        acceptable=np.where(spotless, clean, np.where(unknown, np.nan, acceptable)),
        better=np.where(spotless, 0.0, np.where(no_side, np.nan, superior)),
        lower=lower,
        upper=upper,
        relative_lower=relative_lower,
        relative_upper=relative_upper,
        units_to_difference=units_needed(effect, strata.units, mde=mde, alpha=alpha),
        units_to_acceptable=np.where(
            spotless, _more_clean_units(metrics, strata, clean, alpha), to_acceptable
        ),
        units_to_better=units_needed(
            turned(effect, better), strata.units, mde=mde, alternative="greater", alpha=alpha
        ),
    )


def _clean(metrics: Sequence[Metric], strata: Strata) -> FloatArray:
    """Evidence that a rate is within its margin where it never varied: log E, NaN where it did.

    Without an event in either arm there is no variance to go by. But if the arm were worse by the margin m,
    each unit had an event with a chance of m or more, and n units without one have a likelihood of at most
    (1 - m)^n. Such an E starts with a tenth of the stake, so beside the other one it adds at most a tenth of
    alpha to the chance of erring.
    """
    found = np.full(strata.effect.estimate.shape, np.nan)
    if strata.clean_units is None:
        return found
    for row, metric in enumerate(metrics):
        margin = metric.margin
        if not margin.relative and 0 < margin.value < 1:
            units = strata.clean_units[row]
            usable = ~strata.effect.usable[row] & (strata.most_units_treatment[row] >= MIN_UNITS)
            usable &= strata.most_units_control[row] >= MIN_UNITS
            found[row] = np.where(usable, -units * math.log1p(-margin.value) + math.log(_CLEAN_STAKE), np.nan)
    return found


def _more_clean_units(
    metrics: Sequence[Metric], strata: Strata, clean: FloatArray, alpha: float
) -> FloatArray:
    """Units of both arms until that evidence suffices, if no event comes."""
    per_unit = np.array([[-math.log1p(-min(metric.margin.value, 0.5))] for metric in metrics])
    missing = np.maximum(-math.log(alpha) - clean, 0.0) / np.maximum(per_unit, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = (strata.most_units_treatment + strata.most_units_control) / strata.most_units_treatment
        return np.asarray(np.ceil(missing * both))


def _relative(strata: Strata, mde: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Bounds of the relative effect; infinite where control's value may be 0 or there is no look."""
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = relative_confidence_sequence(strata.contrast, mde=mde, alpha=alpha)
    usable = strata.effect.usable
    return np.where(usable, lower, -np.inf), np.where(usable, upper, np.inf)
