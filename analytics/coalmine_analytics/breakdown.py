"""Groups of requests beside each other: what each is like, and which of them cannot be told apart.

Nothing was randomised, so a difference may come from anything else that differed; what this adds to two means
is how far chance alone may have taken them apart. All pairs are looked at, so their intervals hold together
(Bonferroni), at every look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Final

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.effect import Effect, paired_difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.readout.plan import DEFAULT_PLAN, Plan
from coalmine_analytics.readout.scales import AUTO_MDE
from coalmine_analytics.results.breakdown import (
    Breakdown,
    BreakdownGroup,
    BreakdownMetric,
    BreakdownValue,
)
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.experiments import GroupQuestion, GroupSums

_SIGNS: Final[Mapping[str, float]] = {"higher": -1.0, "lower": 1.0}
"""Of values, so that the best comes first."""


def broken_down(
    sums: GroupSums, question: GroupQuestion, segments: Sequence[str] = (), plan: Plan = DEFAULT_PLAN
) -> Breakdown:
    """Describe groups of requests, and say which cannot be told apart.

    Args:
        sums: Of the groups.
        question: What they are sums of.
        segments: Keys by which the same requests can be broken down.
        plan: For alpha, and for what is known of metrics.
    """
    metrics = [
        metric
        for metric in metrics_in(sums.metrics, plan.overrides)
        if not metric.per_unit and metric.cells in sums.metrics
    ]
    return Breakdown(
        prompt=question.prompt,
        by=question.by,
        and_by=question.and_by,
        segment=question.segment,
        alpha=plan.alpha,
        counted_share=sums.counted_share,
        left_out=sums.left_out,
        groups=tuple(BreakdownGroup(**asdict(each)) for each in sums.groups),
        metrics=tuple(_metric(sums, metric, plan.alpha) for metric in metrics),
        segments=tuple(segments),
    )


def _metric(sums: GroupSums, metric: Metric, alpha: float) -> BreakdownMetric:
    row = sums.metrics.index(metric.cells)
    x, y = sums.x[row], sums.y[row] * metric.scale
    ratio = arm_ratio(y, x)  # (G,)
    units = np.minimum([each.units for each in sums.groups], ratio.clusters).astype(np.int64)
    enough = units >= MIN_UNITS
    own = Effect(ratio.ratio, np.sqrt(ratio.variance), ratio.clusters - 1.0).only_where(enough)
    lower, upper = _interval(own, units, alpha)
    if (y >= 0).all():
        lower = np.maximum(lower, 0.0)  # the mean of what is never negative is not either
    if metric.unit == "share":
        upper = np.minimum(upper, 1.0)
    apart = _told_apart(x, y, enough, units, alpha)
    names = [each.name for each in sums.groups]
    there = [place for place in range(len(names)) if np.isfinite(ratio.ratio[place])]
    sign = _SIGNS.get(metric.direction, -1.0)
    there.sort(key=lambda place: sign * float(ratio.ratio[place]))
    values = tuple(
        BreakdownValue(
            group=names[place],
            units=int(units[place]),
            value=known(ratio.ratio[place]),
            lower=known(lower[place]) if enough[place] else None,
            upper=known(upper[place]) if enough[place] else None,
            not_told_apart_from=tuple(
                names[other] for other in there if other != place and not apart[place, other]
            ),
        )
        for place in there
    )
    directed = metric.direction in _SIGNS
    best = (values[0].group, *values[0].not_told_apart_from) if directed and values else ()
    words = _words(metric, values, best)
    return BreakdownMetric(metric.name, metric.unit, metric.direction, metric.role, best, words, values)


def _interval(effect: Effect, units: "np.ndarray", alpha: float) -> tuple[FloatArray, FloatArray]:
    """Confidence sequences, sharpest at effects of `AUTO_MDE` standard deviations between units."""
    mde = AUTO_MDE * effect.standard_error * np.sqrt(np.maximum(units, 1))
    mde = np.where(np.isfinite(mde) & (mde > 0), mde, 1.0)
    return confidence_sequence(effect, mde=mde, alpha=alpha)


def _told_apart(
    x: FloatArray, y: FloatArray, enough: "np.ndarray", units: "np.ndarray", alpha: float
) -> "np.ndarray":
    """True where two groups differ by more than chance, shape (G, G)."""
    count = len(x)
    apart = np.zeros((count, count), np.bool_)
    pairs = list(combinations(range(count), 2))
    if not pairs:
        return apart
    places = np.array(pairs)
    effect = paired_difference(y[places], x[places])
    effect = effect.only_where(enough[places].all(axis=1))
    lower, upper = _interval(effect, units[places].sum(axis=1) // 4, alpha / len(pairs))
    differ = (lower > 0) | (upper < 0)
    apart[places[:, 0], places[:, 1]] = apart[places[:, 1], places[:, 0]] = differ
    return apart


def _words(metric: Metric, values: Sequence[BreakdownValue], best: Sequence[str]) -> str:
    if len(values) < 2:
        return "there is nothing to compare it with"
    first, others = values[0], len(values) - 1
    alike = len(first.not_told_apart_from)
    if not any(len(each.not_told_apart_from) < others for each in values):
        return "none can be told apart from any other"
    if not best:
        return f"{first.group or 'none'} is highest, and which way is better is not declared"
    if alike == 0:
        return f"{first.group or 'none'} is better than each of the others"
    listed = ", ".join(each or "none" for each in best)
    if alike == others:
        return f"no best one: {listed} cannot be told apart from {first.group or 'none'}"
    return f"the best is one of {listed}: they cannot be told apart from the first"
