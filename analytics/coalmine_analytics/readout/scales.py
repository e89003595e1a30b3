"""Sizes of changes: where a test is sharpest, fixed at the first look, and what is acceptable, as of now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.worsening import Worsening
from coalmine_analytics.metrics import Metric, Size
from coalmine_analytics.readout.strata import Strata
from coalmine_analytics.results.readout import Scales
from coalmine_analytics.results.verdicts import Direction

AUTO_MDE = 0.2
"""Minimum detectable effect in standard deviations between units, where neither mde nor margin gives one."""

LEAST_MDE = 0.02
"""Of one that comes of a margin relative to control's value, in standard deviations between units.

A score between -1 and 1 may be 0.001 in the mean. A test that is sharpest at 3 % of that takes very many
units to see a change of a whole standard deviation.
"""

BETTER: Mapping[Direction, float] = {"higher": 1.0, "lower": -1.0, "same": 0.0, "unknown": 1.0}
"""As `Worsening` takes it; what comes of `unknown` is not used."""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayScales:
    """`Scales` of M metrics and T arms: fields of shape (M, T), NaN where there is no look yet."""

    mde: FloatArray
    margin: FloatArray
    tolerance: FloatArray


def scales_of(
    metrics: Sequence[Metric], strata: Strata, before: Sequence[Sequence[Scales | None]]
) -> ArrayScales:
    """Return the sizes of changes at a look.

    Args:
        metrics: M of them.
        strata: The look.
        before: Sizes at an earlier look, by metric and arm: the mde stays.
    """
    known = np.array([[np.nan if each is None else each.mde for each in row] for row in before])
    effect, control = strata.effect, strata.contrast.ratios[1]
    mde = np.where(np.isfinite(known), known, first_mde(metrics, effect, control, strata.units))
    fixed = np.isfinite(mde)
    margin, tolerance = (
        np.where(fixed, worsening(metrics, size).absolute(strata.contrast), np.nan)
        for size in (lambda metric: metric.margin, lambda metric: metric.tolerance)
    )
    return ArrayScales(mde, margin, tolerance)


def worsening(metrics: Sequence[Metric], size_of: Callable[[Metric], Size]) -> Worsening:
    """A size of each metric, shape (M, 1)."""
    sizes = [size_of(metric) for metric in metrics]
    return Worsening(
        np.array([[BETTER[metric.direction]] for metric in metrics]),
        np.array([[size.value] for size in sizes]),
        np.array([[size.relative] for size in sizes], np.bool_),
    )


def first_mde(
    metrics: Sequence[Metric], effect: Effect, control: FloatArray, units: FloatArray | IntArray
) -> FloatArray:
    """Minimum detectable effects in the metrics' units, shape (M, T); NaN where there is no look yet.

    Args:
        metrics: M of them.
        effect: The look.
        control: Values of control.
        units: Units of both arms.
    """
    sizes = [metric.mde if metric.mde is not None else metric.margin for metric in metrics]
    value, relative = (np.array([[getattr(size, name)] for size in sizes]) for name in ("value", "relative"))
    mde = np.where(relative, value * np.abs(control), value)
    # With the units split as they are, the standard error shrinks with their number: n p (1 - p) se^2.
    spread = effect.standard_error * np.sqrt(units / 4.0)
    of_margin = np.array([[metric.mde is None and metric.margin.relative] for metric in metrics])
    mde = np.where(of_margin & (mde > 0), np.maximum(mde, LEAST_MDE * spread), mde)
    mde = np.where(mde > 0, mde, AUTO_MDE * spread)  # relative to a control value of 0
    return np.where((effect.usable | effect.identical) & (mde > 0), mde, np.nan)
