"""One metric on some of the cases, measured; nothing is decided yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.errors import invalid
from coalmine_analytics.paired import (
    Interval,
    cases_needed,
    flicker_share,
    paired_interval,
    smallest_drop,
)
from coalmine_evals.records import MetricScores

ALPHA: Final = 0.05
"""Of each bound, and of harm over all rows together."""
FEWEST: Final = 20
"""Cases from which on a capability can decide."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Candidate less baseline on the same cases."""

    metric: str
    capability: str | None
    margin: float
    shown_only: str | None
    """Why it does not decide; None if it does."""
    must_be_shown: bool
    """True if a pass needs proof that it is not worse; False if it only must not be shown to be worse."""
    cases: int
    clusters: int
    better: int
    worse: int
    baseline: float
    candidate: float
    interval: Interval | None
    """None without a case that has a score on both sides."""
    flicker: float | None
    unscored_baseline: float
    unscored_candidate: float

    @property
    def spread(self) -> float:
        """What the standard deviation of independent cases with this standard error would be."""
        return 0.0 if self.interval is None else float(self.interval.se) * self.cases**0.5

    @property
    def drop(self) -> float | None:
        """The smallest drop that these cases show."""
        if self.interval is None:
            return None
        return smallest_drop(float(self.interval.se), alpha=ALPHA, clusters=self.clusters)

    @property
    def needed(self) -> int | None:
        """Cases that it takes to see a drop of the margin."""
        if self.drop is None or self.margin <= 0:
            return None
        if self.interval is not None and bool(self.interval.alike):  # the rule of three: not a root
            unseen = -np.log(ALPHA) / self.clusters  # beyond 1 with fewer than three clusters
            return max(int(np.ceil(self.cases * unseen / self.margin - 1e-9)), 2)
        return cases_needed(self.drop, self.cases, self.margin)


def measured(
    metric: MetricScores,
    clusters: Sequence[str],
    chosen: BoolArray,
    *,
    capability: str | None = None,
    shown_only: str | None = None,
    must_be_shown: bool | None = None,
) -> Measured:
    """Measures a metric on the chosen cases that have a score on both sides.

    Args:
        metric: Its scores.
        clusters: The cluster of each case.
        chosen: Which cases, shape (cases,).
        capability: Whose cases these are.
        shown_only: Why it does not decide.
        must_be_shown: Whether a pass needs proof; None: for all cases it does.
    """
    new, old = metric.candidate[chosen], metric.baseline[chosen]
    difference = means(new) - means(old)
    both = ~np.isnan(difference)
    count = int(both.sum())
    of = [name for name, taken in zip(np.asarray(clusters, dtype=object)[chosen], both, strict=True) if taken]
    if capability is not None and count < FEWEST:
        shown_only = shown_only or f"{count} cases, and a capability decides from {FEWEST} on"
    values = difference[both]
    return Measured(
        metric=metric.metric,
        capability=capability,
        margin=metric.margin,
        shown_only=shown_only,
        must_be_shown=capability is None if must_be_shown is None else must_be_shown,
        cases=count,
        clusters=len(set(of)),
        better=int((values > 0).sum()),
        worse=int((values < 0).sum()),
        baseline=_mean(means(old)[both]),
        candidate=_mean(means(new)[both]),
        interval=paired_interval(values, of, alpha=ALPHA) if count else None,
        flicker=flicker_share(new[both], old[both]) if count else None,
        unscored_baseline=_mean(np.isnan(old)),
        unscored_candidate=_mean(np.isnan(new)),
    )


def scored_share(metric: MetricScores, limit: float) -> MetricScores | None:
    """Whether answers could be scored, as a metric of its own; None where all could.

    A candidate whose answers fail or cannot be judged more often is worse, though no score says so.

    Args:
        metric: The metric.
        limit: The margin.
    """
    if not (np.isnan(metric.candidate).any() or np.isnan(metric.baseline).any()):
        return None
    # Shares of repeats, so that the sides may have different numbers of them.
    new, old = ((~np.isnan(each)).mean(axis=1, keepdims=True) for each in (metric.candidate, metric.baseline))
    return MetricScores(f"{metric.metric}: scored", limit, new, old)


def means(scores: FloatArray) -> FloatArray:
    """Mean over the repeats that have a score; NaN for a case without one."""
    known = ~np.isnan(scores)
    count = known.sum(axis=1)
    return np.asarray(np.nansum(scores, axis=1) / np.where(count, count, np.nan))


def check_scores(metric: MetricScores, cases: int) -> None:
    """Raises if scores do not fit the cases.

    Raises:
        InvalidParameter: A shape is wrong, or a score outside 0 to 1.
    """
    for side, scores in (("candidate", metric.candidate), ("baseline", metric.baseline)):
        if scores.ndim != 2 or scores.shape[0] != cases or scores.shape[1] < 1:
            raise invalid(
                f"{metric.metric} of the {side}", scores.shape, f"give scores of {cases} cases x repeats"
            )
        odd = scores[~np.isnan(scores) & ~((scores >= 0.0) & (scores <= 1.0))]
        if odd.size:
            raise invalid(f"{metric.metric} of the {side}", float(odd[0]), "scores lie between 0 and 1")
    if not 0.0 <= metric.margin <= 1.0:
        raise invalid(f"margin of {metric.metric}", metric.margin, "give 0 to 1, in the unit of the score")


def _mean(values: NDArray[np.float64] | BoolArray) -> float:
    return float(values.mean()) if values.size else float("nan")
