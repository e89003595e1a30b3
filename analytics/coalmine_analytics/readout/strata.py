"""From sums to effects: each epoch by itself, then combined, for all metrics and arms at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.core.acceptance import Seen
from coalmine_analytics.core.contrast import Contrast, Stratified, side_by_side
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.mix import same_mix
from coalmine_analytics.core.ratio import ArmRatio
from coalmine_analytics.metrics import Metric
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.aggregation.cells import PER_UNIT, cached_name
from coalmine_consumers.experiments import UNIT_GROUPS, ExperimentSums


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """M metrics of T arms against control, epochs combined; fields of shape (M, T)."""

    compared: Stratified
    weight: FloatArray
    """Of the epochs, shape (M, T, E)."""
    contrast: Contrast
    effect: Effect
    """NaN where no epoch has enough data."""
    units: IntArray
    """Units of both arms in the epochs that count."""
    most_units_treatment: IntArray
    """Units, in the epoch that comes closest to being enough, that have a value of the metric."""
    most_units_control: IntArray
    latest_units_treatment: IntArray
    """Units with a value of the metric in the latest epoch."""
    latest_units_control: IntArray
    seen: Seen


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
    y, x = sums_of(metrics, sums.metrics, sums.x, sums.y)
    stratified = side_by_side(y, x, control, arms)
    treatment, baseline = stratified.treatment, stratified.control  # (M, T, E)
    units = sums.units.sum(axis=-1)  # (E, A)
    units_t, units_c = units[:, arms].T[None], units[:, [control] * len(arms)].T[None]  # (1, T, E)
    having_t = np.minimum(units_t, treatment.clusters.astype(np.int64))
    having_c = np.minimum(units_c, baseline.clusters.astype(np.int64))
    enough = np.minimum(having_t, having_c) >= MIN_UNITS
    rate = np.array([[metric.kind == "rate" or metric.cells in sums.binary] for metric in metrics])
    weight = stratified.weights(enough, rate)
    contrast = stratified.contrast(weight)
    with_value, of_control = _with_value(stratified, sums, control, arms)
    most = with_value.max(axis=-1)
    closest = np.minimum(having_t, having_c).argmax(axis=-1)[..., None]
    return Strata(
        stratified,
        weight,
        contrast,
        contrast.difference,
        np.where(contrast.weight > 0, units_t + units_c, 0).sum(axis=-1),
        np.take_along_axis(having_t, closest, axis=-1)[..., 0],
        np.take_along_axis(having_c, closest, axis=-1)[..., 0],
        with_value[..., -1].round().astype(np.int64),
        of_control[..., -1].round().astype(np.int64),
        Seen(most, _per_unit(stratified, most + of_control.max(axis=-1)), rate),
    )


def _with_value(
    stratified: Stratified, sums: ExperimentSums, control: int, arms: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Units with a value of each metric, of arms and of control, shape (M, T, E).

    Every unit has requests. How many gave a thumb is estimated from how many groups have one, which counts
    ten units with twenty thumbs each as ten.
    """
    requests = sums.x[sums.metrics.index("requests")].sum(axis=-1)  # (E, A)
    units = sums.units.sum(axis=-1)

    def of(arm: ArmRatio, chosen: Sequence[int]) -> FloatArray:
        of_arm, values = units[:, chosen].T[None].astype(np.float64), arm.sum_x
        with np.errstate(divide="ignore"):
            found = -UNIT_GROUPS * np.log1p(-arm.clusters / UNIT_GROUPS)  # infinite once every group has one
        found = np.minimum(np.minimum(np.maximum(found, arm.clusters), of_arm), values)
        return np.asarray(np.where(np.isclose(values, requests[:, chosen].T[None]), of_arm, found))

    return of(stratified.treatment, list(arms)), of(stratified.control, [control] * len(arms))


def _per_unit(stratified: Stratified, units: FloatArray) -> FloatArray:
    """Values of a unit on average, >= 1."""
    values = stratified.treatment.sum_x.sum(axis=-1) + stratified.control.sum_x.sum(axis=-1)
    per_unit = np.divide(values, units, out=np.ones(values.shape), where=values > 0)
    return np.asarray(np.maximum(per_unit, 1.0))


def sums_of(
    metrics: Sequence[Metric], names: Sequence[str], x: FloatArray, y: FloatArray
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Numerators and denominators of metrics, each of shape (E, A, 256).

    What depends on the provider's cache is compared in one mix of cached and other requests in each epoch: an
    arm with less traffic is cached less often, and not slower for that.

    Args:
        metrics: M of them.
        names: Of the cells.
        x: Denominators by name, shape (N, E, A, 256).
        y: Numerators, same shape.
    """
    nothing = np.zeros(x.shape[1:])
    numerators, denominators = [], []
    place = {name: index for index, name in enumerate(names)}
    for metric in metrics:
        # A unit that has just arrived could not come back yet.
        is_aged = metric.per_unit and not metric.cells.startswith(
            PER_UNIT
        )  # outcomes have an age of their own
        cells = f"{metric.cells}.aged" if is_aged else metric.cells
        at = place.get(cells)
        of_y, of_x = (nothing, nothing) if at is None else (y[at], x[at])
        if at is not None and (cached := place.get(cached_name(cells) or "")) is not None:
            other = np.maximum(x[at] - x[cached], 0.0)
            of_y, of_x = same_mix(
                np.stack([y[cached], np.where(other > 0, y[at] - y[cached], 0.0)], axis=1),
                np.stack([x[cached], other], axis=1),
            )
        numerators.append(of_y if metric.scale == 1 else of_y * metric.scale)
        denominators.append(of_x)
    return numerators, denominators
