"""How a prompt's sums, their variance and its units grow with time, from windows of its own traffic.

A unit that returns makes the variance of a sum grow faster than the sum, and the number of units more slowly.
Both are measured: over one window, two, four, up to all of them.
"""

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.ratio import ArmRatio, arm_ratio
from coalmine_consumers.experiments import UNIT_GROUPS, PromptTraffic


class TrafficGrowth:
    """Traffic of any length, of M metrics.

    Args:
        traffic: As it was.
        x: Denominators of the metrics, shape (M, W, 256).
        y: Numerators, in the metrics' units.
    """

    def __init__(self, traffic: PromptTraffic, x: FloatArray, y: FloatArray) -> None:
        windows = x.shape[1]
        self._hours = traffic.lengths.astype(np.float64) * traffic.window_h
        self._units = traffic.units
        self.ratio = arm_ratio(y.sum(axis=1), x.sum(axis=1)).ratio
        """Value of each metric, shape (M,)."""
        self._x_per_h = x.sum(axis=(1, 2)) / (windows * traffic.window_h)
        self._spread = np.stack([_spread(x, y, length) for length in traffic.lengths.tolist()], axis=-1)

    def units(self, hours: FloatArray) -> FloatArray:
        """Different units in so many hours, on average."""
        return _grown(hours, self._hours, self._units, before=1.0)

    def arm(self, hours: FloatArray, share: float) -> ArmRatio:
        """An arm with a share of the units after some times, fields of shape (M, T)."""
        sum_x = self._x_per_h[:, None] * hours * share
        squares = np.stack([_grown(hours, self._hours, row, before=0.0) for row in self._spread])
        groups = UNIT_GROUPS * -np.expm1(-np.minimum(self.units(hours) * share, sum_x) / UNIT_GROUPS)
        clusters = np.maximum(groups, 2.0)
        residual_ss = squares * sum_x * (clusters - 1.0) / clusters
        return ArmRatio(np.broadcast_to(self.ratio[:, None], sum_x.shape), sum_x, residual_ss, clusters)


def _spread(x: FloatArray, y: FloatArray, length: int) -> FloatArray:
    """Variance of a sum over so many windows, per unit of its denominator; shape (M,)."""
    blocks = x.shape[1] // length
    xs, ys = (
        each[:, : blocks * length].reshape(len(each), blocks, length, UNIT_GROUPS).sum(axis=2)
        for each in (x, y)
    )
    arm = arm_ratio(ys, xs)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = arm.residual_ss * arm.clusters / (arm.clusters - 1.0)
    counts = arm.clusters >= 2
    known = np.where(counts, arm.sum_x, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts, squares, 0.0).sum(axis=1) / known)


def _grown(hours: FloatArray, known_h: FloatArray, values: FloatArray, *, before: float) -> FloatArray:
    """A quantity at some times: powers of time between those that are known, and beyond the last.

    Args:
        hours: The times.
        known_h: Ascending.
        values: At these; may be NaN.
        before: The power of time before the first of them.
    """
    known = values > 0
    if not known.any():
        return np.where(hours > 0, np.nan, 0.0) if np.isnan(values).any() else np.zeros_like(hours)
    at, level = np.log(known_h[known]), np.log(values[known])
    time = np.log(np.maximum(hours, 1e-9))
    beyond = 0.0
    if len(at) > 1:
        beyond = float(np.clip((level[-1] - level[-2]) / (at[-1] - at[-2]), 0.0, 1.0))
    found = np.interp(time, at, level)
    found += before * np.minimum(time - at[0], 0.0) + beyond * np.maximum(time - at[-1], 0.0)
    return np.asarray(np.exp(found))
