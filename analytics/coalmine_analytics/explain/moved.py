"""Segments that moved: the metric's change by value, corrected for the number of values."""

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect, paired_difference
from coalmine_analytics.core.holm import holm
from coalmine_analytics.explain.words import decimals, interval, named, signed
from coalmine_analytics.metrics import Metric
from coalmine_analytics.results.explain import MovedValue
from coalmine_analytics.results.verdicts import MovedVerdict
from coalmine_analytics.sample_size import MIN_UNITS, NotEnoughData
from coalmine_consumers.explain import ValueSums


def moved_values(sums: ValueSums, metric: Metric, *, mde: float, alpha: float) -> tuple[MovedValue, ...]:
    """Compute the metric's change for each value of each dimension.

    Each value has the core's confidence sequence. A value moved if its p, corrected over all values by Holm's
    method, is at most alpha: the chance of reporting any value that did not move is at most alpha, for any
    number of values and looks.

    Args:
        sums: By value, side and unit group.
        metric: The metric.
        mde: Minimum detectable effect, in the metric's unit; NaN while there is too little data.
        alpha: In (0, 1).

    Returns:
        One for each value: those that moved first, then by evidence, and those with too little data last.
    """
    if not sums.value:
        return ()
    y = sums.y * metric.scale
    effect = paired_difference(y, sums.x)
    units = (sums.x > 0).sum(axis=-1)  # (D, 2): at least so many units, exactly as many groups
    enough = effect.usable & (units.min(axis=-1) >= MIN_UNITS) & np.isfinite(mde)
    effect = effect.only_where(enough)
    width = mde if np.isfinite(mde) else 1.0
    log_e = log_e_value(effect, mde=width)
    lower, upper = confidence_sequence(effect, mde=width, alpha=alpha)
    adjusted = holm(np.where(enough, np.exp(-np.maximum(log_e, 0.0)), np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = y.sum(axis=-1) / sums.x.sum(axis=-1)
    order = np.lexsort((np.where(enough, -log_e, 0.0), ~enough))
    return tuple(
        _moved(
            sums, metric, at, (ratio[at, 0], ratio[at, 1]), effect, (lower[at], upper[at]), adjusted, alpha
        )
        for at in order.tolist()
    )


def _moved(  # noqa: PLR0917 - one row of several arrays
    sums: ValueSums,
    metric: Metric,
    at: int,
    ratio: tuple[float, float],
    effect: Effect,
    bounds: tuple[float, float],
    adjusted: FloatArray,
    alpha: float,
) -> MovedValue:
    estimate = float(effect.estimate[at])
    name = named(sums.dimension[at], sums.value[at])
    tested = bool(np.isfinite(estimate))
    verdict: MovedVerdict = (
        "not enough data" if not tested else "moved" if adjusted[at] <= alpha else "no difference shown"
    )
    if tested:
        places = decimals([estimate, *bounds])
        words = f"{name}: {metric.name} {signed(estimate, places)} ({interval(*bounds, places)}), {verdict}"
    else:
        b_units, a_units = (int((sums.x[at, side] > 0).sum()) for side in (1, 0))
        reason = NotEnoughData(b_units, a_units).reason.replace("arm", "side")
        words = f"{name}: {verdict}, {reason}"
    return MovedValue(
        dimension=sums.dimension[at],
        value=sums.value[at],
        verdict=verdict,
        words=words,
        a_requests=int(sums.requests[at, 0]),
        b_requests=int(sums.requests[at, 1]),
        a_value=known(ratio[0]),
        b_value=known(ratio[1]),
        effect=known(estimate),
        standard_error=known(effect.standard_error[at]) if tested else None,
        lower=known(bounds[0]) if tested else None,
        upper=known(bounds[1]) if tested else None,
        adjusted_p=known(adjusted[at]),
    )
