"""What a comparison of pairs can see: the smallest drop, the cases it takes, and what repeats would help."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import check_alpha, invalid

POWER = 0.8


def smallest_drop(se: float, *, alpha: float, clusters: int) -> float:
    """The smallest true drop that a one-sided test at `alpha` shows with a power of 80 %.

    (z.95 + z.8) standard errors at 5 %. Where no difference has any spread: the share of cases that may be
    worse, unseen.

    Args:
        se: Standard error of the mean difference, clustered.
        alpha: Of the test.
        clusters: Number of clusters.
    """
    check_alpha(alpha)
    return _quantiles(alpha) * se if se > 0 else min(-math.log(alpha) / clusters, 1.0)


def cases_needed(drop: float, cases: int, wanted: float) -> int:
    """Cases like these that it takes to see a drop of `wanted` with a power of 80 %.

    6.2 sd^2 / wanted^2 for independent cases at 5 %.

    Args:
        drop: The smallest drop that these cases show.
        cases: How many these are.
        wanted: The drop, > 0.

    Raises:
        InvalidParameter: `wanted` is not above 0.
    """
    if not wanted > 0:
        raise invalid("wanted", wanted, "give a drop above 0")
    return max(math.ceil(cases * (drop / wanted) ** 2 - 1e-9), 2)


def flicker_share(new: npt.ArrayLike, old: npt.ArrayLike) -> float | None:
    """Share of the variance of differences that lies within cases: what more repeats take away.

    Args:
        new: Scores of the new version, shape (n, repeats), NaN where there is none.
        old: Scores of the old one, shape (n, repeats); another number of repeats is fine.

    Returns:
        From 0 to 1; None without a case that has two scores on a side, or without variance.
    """
    within, known = np.zeros(len(np.asarray(new))), False
    means: list[FloatArray] = []
    for scores in (np.asarray(new, np.float64), np.asarray(old, np.float64)):
        count = (~np.isnan(scores)).sum(axis=1)
        mean = np.nansum(scores, axis=1) / np.where(count, count, np.nan)
        square = np.nansum(np.square(scores - mean[:, None]), axis=1)
        within += np.where(count > 1, square / np.maximum(count - 1, 1) / np.maximum(count, 1), 0.0)
        known = known or bool((count > 1).any())
        means.append(mean)
    differences = means[0] - means[1]
    both = ~np.isnan(differences)
    if not known or both.sum() < 2:
        return None
    total = float(differences[both].var(ddof=1))
    return min(float(within[both].mean()) / total, 1.0) if total > 1e-15 else None


def _quantiles(alpha: float) -> float:
    return float(ndtri(1.0 - alpha) + ndtri(POWER))
