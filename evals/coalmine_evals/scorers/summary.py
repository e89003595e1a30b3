"""Sums the scores of one metric up."""

import numpy as np
from numpy.typing import NDArray

from coalmine_evals.results.runs import MetricSummary


def summary_of(metric: str, scores: NDArray[np.float64]) -> MetricSummary:
    """Mean, spread and range of scores.

    Args:
        metric: Its name.
        scores: Shape (cases, repeats), NaN where an answer has no score. A case counts once, however many of
            its repeats have a score.
    """
    has = ~np.isnan(scores)
    repeats = has.sum(axis=1)
    sums = np.where(has, scores, 0.0).sum(axis=1)
    means = sums[repeats > 0] / repeats[repeats > 0]
    values = scores[has]
    return MetricSummary(
        metric=metric,
        mean=float(means.mean()) if means.size else None,
        sd=float(means.std(ddof=1)) if means.size > 1 else None,
        minimum=float(values.min()) if values.size else None,
        maximum=float(values.max()) if values.size else None,
        count=int(values.size),
        unscored=int(scores.size - values.size),
    )
