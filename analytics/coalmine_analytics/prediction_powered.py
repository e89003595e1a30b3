"""Prediction-powered inference: many judgements of a model, corrected by a few labels of people."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from coalmine_analytics.agreement import cluster_sums
from coalmine_analytics.errors import check_alpha, invalid

MIN_LABELS = 10
"""Fewer labelled clusters correct nothing: the spread of the errors is unknown."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A mean as people would have given it."""

    estimate: float
    """Mean of the labels people would have given to all."""
    lower: float
    """Lower end of its interval."""
    upper: float
    """Upper end of it."""
    raw: float
    """Mean of the judge, uncorrected."""
    labels_only: float
    """Mean of the labels alone."""
    weight: float
    """How much the judge counts: 1 in full, 0 not at all."""
    labels: int
    """Labels of people."""
    judged: int
    """Judgements, of labelled ones too."""


def corrected_mean(
    judged: npt.ArrayLike, labels: npt.ArrayLike, clusters: Sequence[Hashable], *, alpha: float = 0.05
) -> Corrected | None:
    """The mean of people's labels over all cases, from a judge on all of them and labels on some.

    `weight * mean(judge on all) + mean(label - weight * judge, on the labelled)`. With a weight of 1 that is
    prediction-powered inference; the weight is the slope of labels on judgements, kept within [0, 1], so that
    a judge that knows nothing costs nothing (power tuning). Assumes that the labelled are a random
    sample of all: labels on the worst ones only correct to a wrong number. Works for differences of two
    versions as well.

    Args:
        judged: The judge, shape (N,).
        labels: People, shape (N,), NaN where nobody labelled.
        clusters: The cluster of each case; a name of its own for a case that stands alone.
        alpha: Chance of missing the mean, both sides together.

    Returns:
        None with fewer than `MIN_LABELS` labelled clusters.

    Raises:
        InvalidParameter: Shapes differ, or a judgement is not finite.

    References:
        Angelopoulos et al., arXiv:2311.01453v2 (PPI++), eq. 4 and proposition 2; the variance is that of its
        linearisation, summed by cluster.
    """
    check_alpha(alpha)
    f, y = np.asarray(judged, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if not f.shape == y.shape == (len(clusters),):
        raise invalid("judged", (f.shape, y.shape, len(clusters)), "give a judgement, label and cluster each")
    if not np.all(np.isfinite(f)):
        raise invalid("judged", "not finite", "leave out what the judge did not score")
    known = np.isfinite(y)
    n = int(known.sum())
    groups = len({each for each, has in zip(clusters, known, strict=True) if has})
    if groups < MIN_LABELS:
        return None
    moved = f[known] - f[known].mean()
    squares = float(moved @ moved)
    weight = float(np.clip(moved @ y[known] / squares, 0, 1)) if squares > 0 else 0.0
    errors = y[known] - weight * f[known]
    estimate = weight * float(f.mean()) + float(errors.mean())
    influence = weight * (f - f.mean()) / f.size
    influence[known] += (errors - errors.mean()) / n
    variance = float(np.sum(cluster_sums(influence, clusters) ** 2)) * groups / (groups - 1)
    # Few labels may show none of the judge's errors, or hardly any. Two more of half the range, one on either
    # side, are nothing among many: of 12 labels of a judge that errs in .1 the interval covered .80 without.
    reach = float(np.ptp(np.concatenate([f, y[known]]))) / 2.0
    variance += 2.0 * (reach / groups) ** 2
    half = float(stdtrit(groups - 1, 1 - alpha / 2)) * np.sqrt(variance)
    return Corrected(
        estimate=estimate,
        lower=estimate - float(half),
        upper=estimate + float(half),
        raw=float(f.mean()),
        labels_only=float(y[known].mean()),
        weight=weight,
        labels=n,
        judged=int(f.size),
    )
