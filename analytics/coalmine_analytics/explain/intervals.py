"""Confidence sequences of a change and its parts, on jackknife standard errors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.effect import Effect, paired_difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.explain.decomposition import Cells, Decomposition
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.scales import first_mde
from coalmine_analytics.sample_size import MIN_UNITS, NotEnoughData
from coalmine_consumers.aggregation.additive import total
from coalmine_consumers.experiments import VersionSpan


@dataclass(frozen=True, slots=True)
class Certainty:
    """Certainty of a change and its parts."""

    effect: Effect
    """The change by the core statistic, fields of shape (1, 1)."""
    mde: float
    """Minimum detectable effect, metric's unit; NaN while there is too little data."""
    too_little: NotEnoughData | None
    widening: float
    """Standard errors of the parts are the jackknife's times this, >= 1."""
    alpha: float
    taken_apart: Decomposition

    def bounds(self, weights: npt.ArrayLike) -> tuple[float, float] | None:
        """The confidence sequence of a weighted sum of the parts, or None where too little is known.

        Args:
            weights: Shape (4,), in the order of the factors.
        """
        if self.too_little is not None:
            return None
        se = self.taken_apart.standard_error(weights) * self.widening
        estimate = float(self.taken_apart.parts @ np.asarray(weights, np.float64))
        if not np.isfinite(se) or se == 0:
            return None
        df = float(len(self.taken_apart.replicates) - 1)
        part = Effect(*(np.array([each]) for each in (estimate, se, df)))
        lower, upper = confidence_sequence(part, mde=self.mde, alpha=self.alpha)
        return float(lower[0]), float(upper[0])

    @property
    def change(self) -> tuple[float, float] | None:
        """The confidence sequence of the change, or None where too little is known."""
        if self.too_little is not None:
            return None
        lower, upper = confidence_sequence(self.effect, mde=self.mde, alpha=self.alpha)
        return float(lower[0, 0]), float(upper[0, 0])


def certainty(
    taken_apart: Decomposition,
    cells: Cells,
    metric: Metric,
    spans: tuple[VersionSpan, VersionSpan],
    *,
    alpha: float,
) -> Certainty:
    """Compute the certainty of a change and its parts.

    The parts' errors come from leaving out one unit group after the other. With few requests on one side
    these miss what that side has not met yet; the core statistic does not, so all are widened by as much as
    it has a larger error for the whole change.

    Args:
        taken_apart: The decomposed change.
        cells: The cells it comes from, in the metric's unit.
        metric: The metric.
        spans: Time spans of both sides.
        alpha: In (0, 1).
    """
    x, y = _by_group(cells)
    effect = paired_difference(y, x)  # (1, 1)
    a, b = (arm_ratio(y[..., side, :], x[..., side, :]) for side in range(2))
    units_a, units_b = (
        min(span.units, int(arm.clusters[0, 0])) for span, arm in zip(spans, (a, b), strict=True)
    )
    mde = float(first_mde([metric], effect, a.ratio, np.array([[units_a + units_b]]))[0, 0])
    enough = min(units_a, units_b) >= MIN_UNITS and bool(effect.usable[0, 0])
    by_jackknife = taken_apart.standard_error(np.ones(4))
    ratio = float(effect.standard_error[0, 0]) / by_jackknife if by_jackknife > 0 else 1.0
    # One user with most of the requests makes the jackknife the larger of the two: the change has that, too.
    error = np.fmax(effect.standard_error, by_jackknife)
    return Certainty(
        Effect(effect.estimate, error, effect.degrees_of_freedom),
        mde,
        None if enough else NotEnoughData(units_b, units_a),
        max(1.0, ratio) if np.isfinite(ratio) else 1.0,
        alpha,
        taken_apart,
    )


def _by_group(cells: Cells) -> tuple[FloatArray, FloatArray]:
    """Denominators and numerators by side and group, shape (1, 1, 2, K)."""
    at = cells.place[0] * cells.groups + cells.place[4]
    shape = (1, 1, 2, cells.groups)
    x, y = (total(at, 2 * cells.groups, sums).reshape(shape) for sums in (cells.x, cells.y))
    return x, y
