"""What one arm is like by itself, whatever the others are: to be remembered, not to decide by."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.metrics import MetricOverride, metrics_in
from coalmine_analytics.results.readout import ArmReadout
from coalmine_consumers.experiments import ExperimentSums

ALPHA: Final = 0.05
"""Probability that the interval ever misses, at whatever look it is read."""


class OwnValue(NamedTuple):
    """A value of one arm over all epochs, in the metric's unit."""

    value: float
    lower: float | None
    """Ends of the 95 % confidence sequence; None while nothing is excluded."""
    upper: float | None


def own_values(
    sums: ExperimentSums, arm: ArmReadout, overrides: Mapping[str, MetricOverride]
) -> dict[str, OwnValue]:
    """Returns the values of an arm by metric, of all its units together.

    Metrics of units, such as `requests_per_unit`, are left out: a unit counts in each epoch.

    Args:
        sums: Of the experiment.
        arm: The arm as it was read out, which says how small a change matters.
        overrides: As in the plan.
    """
    at = sums.arms.index(arm.arm)
    mde = {each.metric: each.scales.mde for each in arm.metrics if each.scales is not None}
    found = {}
    for metric in metrics_in(set(sums.metrics), overrides):
        if metric.per_unit or metric.cells not in sums.metrics:
            continue
        row = sums.metrics.index(metric.cells)
        x, y = (each[row][:, at].sum(axis=0) for each in (sums.x, sums.y))
        ratio = arm_ratio(y * metric.scale, x)
        value, error = float(ratio.ratio), float(np.sqrt(ratio.variance))
        if not math.isfinite(value):
            continue
        within = math.inf
        if metric.name in mde and error > 0:
            scaled, df = np.array([error]), np.atleast_1d(ratio.clusters) - 1.0
            within = error * float(critical_z(scaled, df, mde=mde[metric.name], alpha=ALPHA)[0])
        lower, upper = (value - within, value + within) if math.isfinite(within) else (None, None)
        if lower is not None and (y >= 0).all():
            lower = max(lower, 0.0)  # the mean of what is never negative is not either
        found[metric.name] = OwnValue(value, lower, upper)
    return found
