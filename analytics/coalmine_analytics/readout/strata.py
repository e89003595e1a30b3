"""From sums to effects: each epoch by itself, then combined, for all metrics and arms at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.core.contrast import Contrast, side_by_side
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.metrics import Metric
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.experiments import ExperimentSums


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """M metrics of T arms against control, epochs combined; fields of shape (M, T)."""

    contrast: Contrast
    effect: Effect
    """NaN where no epoch has enough data."""
    units: IntArray
    """Units of both arms in the epochs that count."""
    most_units_treatment: IntArray
    """Units, in the epoch that comes closest to being enough, that have a value of the metric."""
    most_units_control: IntArray
    clean_units: FloatArray | None = None
    """Of a rate: units of the arm, if none of them did what counts against it; NaN otherwise."""


def stratify(sums: ExperimentSums, metrics: Sequence[Metric], control: int, arms: Sequence[int]) -> Strata:
    """Compare arms with control.

    An epoch counts with at least `MIN_UNITS` units in both arms, and as many groups of units with a value
    of the metric: thumbs of three users say nothing, however many users there are.

    Args:
        sums: Of the experiment.
        metrics: M of them.
        control: Index of the control arm.
        arms: Indexes of the T others.
    """
    y, x = _arrays(sums, metrics)
    stratified = side_by_side(y, x, control, arms)
    treatment, baseline = stratified.treatment, stratified.control  # (M, T, E)
    units = sums.units.sum(axis=-1)  # (E, A)
    units_t, units_c = units[:, arms].T[None], units[:, [control] * len(arms)].T[None]  # (1, T, E)
    having_t = np.minimum(units_t, treatment.clusters.astype(np.int64))
    having_c = np.minimum(units_c, baseline.clusters.astype(np.int64))
    weight = stratified.by_precision(np.minimum(having_t, having_c) >= MIN_UNITS)
    contrast = stratified.contrast(weight)
    closest = np.minimum(having_t, having_c).argmax(axis=-1)[..., None]
    return Strata(
        contrast,
        contrast.effect(),
        np.where(weight > 0, units_t + units_c, 0).sum(axis=-1),
        np.take_along_axis(having_t, closest, axis=-1)[..., 0],
        np.take_along_axis(having_c, closest, axis=-1)[..., 0],
        _clean_units(sums, metrics, (y[:, :, arms], x[:, :, arms]), np.broadcast_to(units_t, having_t.shape)),
    )


def _clean_units(
    sums: ExperimentSums,
    metrics: Sequence[Metric],
    of_arms: tuple[FloatArray, FloatArray],
    units: IntArray,
) -> FloatArray:
    """Units without a single event that counts against the arm, of the epoch that has most; shape (M, T)."""
    y, x = of_arms  # (M, E, T, 256)
    total_y, total_x = y.sum(axis=(1, 3)), x.sum(axis=(1, 3))
    groups = (x > 0).sum(axis=3).max(axis=1)  # (M, T)
    requests = sums.x[sums.metrics.index("requests")].sum()
    found = np.full(total_y.shape, np.nan)
    for row, metric in enumerate(metrics):
        if metric.kind != "rate" or metric.direction not in ("lower", "higher"):
            continue
        best = 0.0 if metric.direction == "lower" else total_x[row]
        # Every unit has requests; how many units gave a thumb is only known to be as many as groups or more.
        place = sums.metrics.index(metric.cells) if metric.cells in sums.metrics else None
        of_requests = place is not None and sums.x[place].sum() == requests
        most = units[row].max(axis=-1) if of_requests else groups[row]
        found[row] = np.where((total_x[row] > 0) & (total_y[row] == best), most, np.nan)
    return found


def _arrays(sums: ExperimentSums, metrics: Sequence[Metric]) -> tuple[FloatArray, FloatArray]:
    """Numerators and denominators of the metrics, shape (M, E, A, 256)."""
    shape = (len(metrics), *sums.units.shape)
    y, x = np.zeros(shape), np.zeros(shape)
    place = {name: index for index, name in enumerate(sums.metrics)}
    for row, metric in enumerate(metrics):
        # A unit that has just arrived could not come back yet.
        cells = f"{metric.cells}.aged" if metric.per_unit else metric.cells
        if (at := place.get(cells)) is not None:
            np.multiply(sums.y[at], metric.scale, out=y[row])
            x[row] = sums.x[at]
    return y, x
