"""The interval of a mean difference within pairs, by the method that holds for such data."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import check_alpha
from coalmine_analytics.paired.bootstrap_t import bootstrap_t
from coalmine_analytics.paired.clusters import Clustered, clustered
from coalmine_analytics.paired.mcnemar import mcnemar, mcnemar_worse
from coalmine_analytics.paired.tango import tango_bounds

Method = Literal["t", "tango", "bootstrap-t", "rule of three"]

ENOUGH_CLUSTERS: Final = 500
"""From so many on the t interval alone holds, also for skewed differences."""
FEWEST_DRAWN: Final = 5
"""With fewer clusters too many draws of the bootstrap have no spread to say anything."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean of new less old, with one-sided bounds."""

    mean: FloatArray
    se: FloatArray
    """Clustered; 0 where all differences are alike."""
    lower: FloatArray
    """The mean is below it with a chance of at most about alpha."""
    upper: FloatArray
    p_worse: FloatArray
    """One-sided p-value of "the mean is not below 0"."""
    p_differs: FloatArray
    """Two-sided p-value of "the mean is 0": McNemar's where answers are right or wrong and independent."""
    method: Method
    """For a mean with some spread; one without has the rule of three."""
    alike: npt.NDArray[np.bool_]
    """True where all differences are the same, and the method is the rule of three."""


def paired_interval(
    differences: npt.ArrayLike, clusters: Sequence[Hashable] | npt.NDArray[np.int64], *, alpha: float
) -> Interval:
    """Bounds for the mean of paired differences, each with a chance of error of `alpha`.

    Right or wrong answers (differences of -1, 0 and 1): Tango's score interval, with McNemar's exact test;
    clusters divide the counts by the design effect, and t takes the place of the normal distribution. Other
    scores: the t interval over clusters, and below 500 clusters the wider of it and the bootstrap-t at each
    end: the one is too short where differences are skewed, the other where few of them are not 0. Without any
    spread a share of -log(alpha) / C of cases may differ, unseen, as far as they can (the rule of three).

    Coverage is in the calibration grid. Few clusters of unequal sizes that differ in kind are beyond any
    method.

    Args:
        differences: New less old, in [-1, 1], shape (..., n).
        clusters: The cluster of each case, shape (n,).
        alpha: Chance of error of each bound: .05 for a two-sided interval of 90 %.

    Raises:
        InvalidParameter: Anything out of range.
    """
    check_alpha(alpha)
    values = np.asarray(differences, dtype=np.float64)
    of = clustered(values, clusters)
    if bool(np.isin(values, (-1.0, 0.0, 1.0)).all()):
        method: Method = "tango"
        lower, upper, p_worse, p_differs = _right_or_wrong(values, of, alpha)
    else:
        method = "t"
        (lower, upper), p_worse = of.t_bounds(alpha), of.t_worse()
        p_differs = _both_sides(p_worse)
        if FEWEST_DRAWN <= of.clusters < ENOUGH_CLUSTERS:
            method = "bootstrap-t"
            low, high, p = bootstrap_t(of, alpha)
            lower, upper, p_worse = np.minimum(lower, low), np.maximum(upper, high), np.maximum(p_worse, p)
            p_differs = np.maximum(p_differs, _both_sides(p))
    same = np.ptp(values, axis=-1) < 1e-12
    p_worse = np.where(same, np.where(of.mean < 0, 0.5**of.clusters, 1.0), p_worse)
    p_differs = np.where(same, np.where(of.mean == 0, 1.0, 0.5 ** (of.clusters - 1)), p_differs)
    # Tango's knows what to say of cases that all became better, or worse.
    alike = (same & (of.mean == 0) if method == "tango" else same) | (of.clusters < 2)
    share = min(-np.log(alpha) / of.clusters, 1.0)
    unseen = (1.0 - share) * of.mean
    return Interval(
        mean=of.mean,
        se=np.where(alike, 0.0, of.se),
        lower=np.where(alike, unseen - share, lower),
        upper=np.where(alike, unseen + share, upper),
        p_worse=np.where(np.isnan(p_worse), 1.0, p_worse),
        p_differs=np.where(np.isnan(p_differs), 1.0, p_differs),
        method=method,
        alike=np.asarray(alike),
    )


def _right_or_wrong(
    values: FloatArray, of: Clustered, alpha: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Bounds, and p-values on one side and on both."""
    better, worse = (values > 0).sum(axis=-1), (values < 0).sum(axis=-1)
    if of.clusters == of.cases:
        lower, upper = tango_bounds(better, worse, of.cases, ndtri(1.0 - alpha))
        return lower, upper, mcnemar_worse(better, worse), mcnemar(better, worse)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.square(of.se / of.se_alone)
    effect = np.where(np.isfinite(effect), effect, of.cases / of.clusters)
    lower, upper = tango_bounds(better / effect, worse / effect, of.cases / effect, of.t_quantile(alpha))
    p_worse = of.t_worse()
    return lower, upper, p_worse, _both_sides(p_worse)


def _both_sides(p_worse: FloatArray) -> FloatArray:
    return np.minimum(2.0 * np.minimum(p_worse, 1.0 - p_worse), 1.0)
