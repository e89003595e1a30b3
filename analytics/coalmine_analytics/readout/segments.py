"""Harm in declared segments at one look: a version may be fine for nearly everybody and bad for some."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.core.contrast import side_by_side
from coalmine_analytics.core.harm import lasting_harm_log_e
from coalmine_analytics.core.holm import holm
from coalmine_analytics.core.running_p import continue_p
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.evidence import Bounds, intervals
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.scales import worsening
from coalmine_analytics.readout.strata import sums_of
from coalmine_analytics.results.readout import MetricReadout, SegmentReadout
from coalmine_analytics.results.verdicts import ACTING
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.aggregation.cells import cached_name
from coalmine_consumers.experiments import ExperimentSums

Known = Sequence[Sequence[MetricReadout | None]]
"""Metrics at the look before under the same hypothesis, by metric and arm."""
Earlier = Sequence[Sequence[SegmentReadout]]
"""Segments at the look before, by arm."""


def is_segmented(metric: Metric) -> bool:
    """True if it acts, and has cells in segments: what is made of units has none."""
    return metric.role in ACTING and not metric.per_unit


def segmented_cells(metrics: Sequence[Metric]) -> set[str]:
    """The cells that segments are judged by."""
    names = {metric.cells for metric in metrics if is_segmented(metric)}
    return {"requests", *names, *(cached for name in names if (cached := cached_name(name)) is not None)}


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """One segment at one look; fields of shape (M, T) but for the last two."""

    key: str
    value: str
    log_e: FloatArray
    """NaN where an arm has too few units."""
    effect: FloatArray
    bounds: Bounds
    groups: IntArray
    """Unit groups with requests, shape (A,)."""
    requests: FloatArray
    """Likewise."""


def segments_of(
    sums: ExperimentSums,
    metrics: Sequence[Metric],
    plan: Plan,
    control: int,
    arms: Sequence[int],
    *,
    mde: FloatArray,
    known: Known,
    before: Earlier,
) -> list[tuple[SegmentReadout, ...]]:
    """What is known of each segment of each arm.

    A metric is judged in a segment once both arms have 30 units there. Holm over segments, metrics and arms
    that are judged, with the budget of segments; what was shown stands.

    Args:
        sums: The look, with the sums of its segments.
        metrics: M of them.
        plan: With its budget.
        control: Index of the control arm.
        arms: Indexes of the T others.
        mde: Of all units, shape (M, T): it is fixed before a segment has enough of them.
        known: At the look before; the evidence of other hypotheses is dropped.
        before: At the look before.
    """
    rows = [row for row, metric in enumerate(metrics) if is_segmented(metric)]
    acting = [metrics[row] for row in rows]
    found = list(_compared(sums, acting, control, arms, mde=mde[rows], alpha=plan.alpha))
    if not found:
        return [() for _ in arms]
    earlier = [{(each.key, each.value, each.metric): each for each in of_arm} for of_arm in before]

    def last(segment: _Segment, row: int, column: int) -> SegmentReadout | None:
        if known[rows[row]][column] is None:
            return None
        return earlier[column].get((segment.key, segment.value, acting[row].name))

    places = [(row, column) for row in range(len(rows)) for column in range(len(arms))]
    lasts = [[last(segment, *at) for at in places] for segment in found]
    p = continue_p(
        [[np.nan if each is None else each.p for each in of_segment] for of_segment in lasts],
        np.stack([segment.log_e.ravel() for segment in found]),
    )
    adjusted = np.full(p.shape, np.nan)
    judged = ~np.isnan(p)
    adjusted[judged] = holm(p[judged])
    units, requests = sums.units_of_arms, sums.x[sums.metrics.index("requests")].sum(axis=(0, 2))
    shown: list[list[SegmentReadout]] = [[] for _ in arms]
    for at, segment in enumerate(found):
        estimated = _units(segment, units, requests)
        for place, (row, column) in enumerate(places):
            if not judged[at, place]:
                continue
            previous = lasts[at][place]
            shown[column].append(
                SegmentReadout(
                    key=segment.key,
                    value=segment.value,
                    metric=acting[row].name,
                    units=int(estimated[arms[column]]),
                    control_units=int(estimated[control]),
                    effect=_finite(segment.effect[row, column]),
                    lower=_finite(segment.bounds.lower[row, column]),
                    upper=_finite(segment.bounds.upper[row, column]),
                    relative_lower=_finite(segment.bounds.relative_lower[row, column]),
                    relative_upper=_finite(segment.bounds.relative_upper[row, column]),
                    p=float(p[at, place]),
                    adjusted_p=float(adjusted[at, place]),
                    harmed=bool(adjusted[at, place] <= plan.budget.segments)
                    or (previous is not None and previous.harmed),
                )
            )
    return [tuple(of_arm) for of_arm in shown]


def _compared(
    sums: ExperimentSums,
    metrics: Sequence[Metric],
    control: int,
    arms: Sequence[int],
    *,
    mde: FloatArray,
    alpha: float,
) -> Iterator[_Segment]:
    """Each segment in which some metric has enough units."""
    if sums.segments is None or not metrics:
        return
    cells = sorted(segmented_cells(metrics))
    names, y, x, groups, requests = [], [], [], [], []
    for name, *of_cells in sums.segments.in_each(cells, sums):
        asked = of_cells[0][cells.index("requests")]  # (E, A, 256)
        if not _enough((asked > 0).sum(axis=-1), control, arms).any():
            continue
        of_y, of_x = sums_of(metrics, cells, *of_cells)
        names.append(name)
        y += of_y
        x += of_x
        groups.append((asked > 0).any(axis=0).sum(axis=-1))
        requests.append(asked.sum(axis=(0, 2)))
    if not names:
        return
    # All segments in one call, one below the other: shape (N M, ...).
    many = list(metrics) * len(names)
    mde = np.tile(np.where(np.isfinite(mde), mde, 1.0), (len(names), 1))
    rate = np.array([[metric.kind == "rate" or metric.cells in sums.binary] for metric in many])
    strata = side_by_side(y, x, control, arms)
    enough = np.minimum(strata.treatment.clusters, strata.control.clusters) >= MIN_UNITS
    weight = strata.weights(enough, rate)
    contrast = strata.contrast(weight)
    log_e = lasting_harm_log_e(strata, weight, worsening(many, lambda metric: metric.tolerance), mde=mde)
    estimate = contrast.difference.estimate
    bounds = intervals(contrast, contrast.difference, mde, alpha=alpha)
    for at, (key, value) in enumerate(names):
        mine = slice(at * len(metrics), (at + 1) * len(metrics))
        own = Bounds(*(getattr(bounds, field.name)[mine] for field in fields(bounds)))
        yield _Segment(key, value, log_e[mine], estimate[mine], own, groups[at], requests[at])


def _enough(groups: IntArray, control: int, arms: Sequence[int]) -> BoolArray:
    """Whether some epoch has enough groups, and so units, in an arm and in control; shape (T,)."""
    return np.asarray((np.minimum(groups[:, list(arms)], groups[:, [control]]) >= MIN_UNITS).any(axis=0))


def _units(segment: _Segment, units: IntArray, requests: FloatArray) -> IntArray:
    """Units of each arm, of which only groups are counted: by requests, and at least one in each group."""
    share = np.divide(segment.requests, requests, out=np.zeros(requests.shape), where=requests > 0)
    estimated = np.maximum(np.rint(share * units), segment.groups)
    return np.asarray(np.minimum(estimated, segment.requests)).astype(np.int64)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
