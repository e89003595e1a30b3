"""Single cases that people should look at: those that must pass, became worse, or flicker."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_evals.gate.measured import means
from coalmine_evals.records import MetricScores
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.gate import CaseDifference

MOST_WORST: Final = 20
MOST_FLAKY: Final = 10


def must_pass_failures(
    cases: Sequence[Case], metrics: Sequence[MetricScores], right_from: Mapping[str, float]
) -> tuple[tuple[CaseDifference, ...], tuple[CaseDifference, ...]]:
    """Cases that have to be right in every repeat of the candidate, by each of the metrics.

    Returns:
        Those that were wrong, and those that were not, and have repeats without a score.
    """
    named = np.array([case.must_pass for case in cases])
    wrong, unscored = [], []
    for metric in metrics:
        bad = (metric.candidate < right_from.get(metric.metric, 1.0)).any(axis=1)
        unknown = np.isnan(metric.candidate).any(axis=1) & ~bad
        wrong += [_difference(cases, metric, int(at)) for at in np.flatnonzero(named & bad)]
        unscored += [_difference(cases, metric, int(at)) for at in np.flatnonzero(named & unknown)]
    return tuple(wrong), tuple(unscored)


def worst(cases: Sequence[Case], metrics: Sequence[MetricScores]) -> tuple[CaseDifference, ...]:
    """Cases that became worse, the worst first."""
    found = []
    for metric in metrics:
        drop = np.nan_to_num(means(metric.candidate) - means(metric.baseline))
        order = np.argsort(drop, kind="stable")[:MOST_WORST]
        found += [(float(drop[at]), _difference(cases, metric, int(at))) for at in order if drop[at] < 0]
    found.sort(key=lambda each: each[0])
    return tuple(each for _, each in found[:MOST_WORST])


def flaky(cases: Sequence[Case], metrics: Sequence[MetricScores]) -> tuple[CaseDifference, ...]:
    """Cases that differ most between repeats of one side."""
    found = []
    for metric in metrics:
        spread = np.fmax(_spread(metric.candidate), _spread(metric.baseline))
        order = np.argsort(-np.nan_to_num(spread), kind="stable")[:MOST_FLAKY]
        found += [(float(spread[at]), _difference(cases, metric, int(at))) for at in order if spread[at] > 0]
    found.sort(key=lambda each: -each[0])
    return tuple(each for _, each in found[:MOST_FLAKY])


def _difference(cases: Sequence[Case], metric: MetricScores, at: int) -> CaseDifference:
    new, old = metric.candidate[at : at + 1], metric.baseline[at : at + 1]
    return CaseDifference(
        case=cases[at].id,
        metric=metric.metric,
        baseline=known(float(means(old)[0])),
        candidate=known(float(means(new)[0])),
        flicker=known(float(np.fmax(_spread(new), _spread(old))[0])),
    )


def _spread(scores: FloatArray) -> FloatArray:
    """Standard deviation over repeats; NaN with fewer than two scores."""
    count = (~np.isnan(scores)).sum(axis=1)
    square = np.nansum(np.square(scores - means(scores)[:, None]), axis=1)
    return np.asarray(np.sqrt(square / np.where(count > 1, count - 1, np.nan)))
