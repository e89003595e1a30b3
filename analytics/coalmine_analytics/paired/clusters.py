"""Differences of cases summed by cluster, and the t interval of their mean."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import invalid


@dataclass(frozen=True, slots=True)
class Clustered:
    """Sums of differences by cluster. A case that stands alone is a cluster of one."""

    sums: FloatArray
    """Shape (..., C)."""
    sizes: FloatArray
    """Cases of each cluster, shape (C,)."""
    se_alone: FloatArray
    """Standard error of the mean if all cases were independent, shape (...); NaN for one case."""

    @property
    def cases(self) -> int:
        """Number of cases."""
        return int(self.sizes.sum())

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.sizes)

    @property
    def mean(self) -> FloatArray:
        """Mean over cases, shape (...)."""
        return np.asarray(self.sums.sum(axis=-1) / self.cases)

    @property
    def se(self) -> FloatArray:
        """Standard error of the mean, clustered; NaN for one cluster.

        Few clusters may be alike by chance, which says nothing of their spread: then that of the cases.

        References:
            Miller, arXiv:2411.00640v1, section 2.2; with the correction C / (C - 1) for few clusters.
        """
        if self.clusters < 2:
            return np.full(self.sums.shape[:-1], np.nan)
        away = self.sums - self.mean[..., None] * self.sizes
        spread = np.sqrt(np.square(away).sum(axis=-1)) / self.cases
        found = spread * (self.clusters / (self.clusters - 1)) ** 0.5
        return np.asarray(np.where(found < 1e-9 * self.se_alone, self.se_alone, found))

    @property
    def degrees(self) -> float:
        """Degrees of freedom: clusters less one, and fewer where sizes are unequal.

        A few large clusters carry most of the variance, so they count as n^2 / sum(size^2) clusters of one
        size: with sizes from 1 to 20, intervals by C - 1 covered .91 instead of .95.

        References:
            Carter, Schnepel, Steigerwald, Review of Economics and Statistics 99 (2017).
        """
        return max(self.cases**2 / float(np.square(self.sizes).sum()) - 1.0, 0.5)

    def t_quantile(self, alpha: float) -> float:
        """The quantile of t that `alpha` of it lies above."""
        return float(stdtrit(self.degrees, 1.0 - alpha))

    def t_bounds(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """One-sided bounds of the mean, each missing it with a chance of `alpha`; within -1 and 1."""
        reach = self.t_quantile(alpha) * self.se
        return np.maximum(self.mean - reach, -1.0), np.minimum(self.mean + reach, 1.0)

    def t_worse(self) -> FloatArray:
        """One-sided p-value of "the mean is not below 0"."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(stdtr(self.degrees, self.mean / self.se))


def clustered(differences: npt.ArrayLike, clusters: Sequence[Hashable] | npt.NDArray[np.int64]) -> Clustered:
    """Sums differences by cluster.

    Args:
        differences: New less old of each case, in [-1, 1], shape (..., n), n >= 1.
        clusters: The cluster of each case, shape (n,).

    Raises:
        InvalidParameter: A difference is out of range or unknown, there is no case, or lengths differ.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim < 1 or values.shape[-1] != len(clusters) or not len(clusters):
        raise invalid("clusters", len(clusters), f"name one for each case, of differences {values.shape}")
    odd = values[~(np.abs(values) <= 1.0 + 1e-12)]
    if odd.size:
        raise invalid("difference", float(odd[0]), "scores lie between 0 and 1: leave out cases without one")
    place: dict[Hashable, int] = {}
    number = np.array([place.setdefault(name, len(place)) for name in np.asarray(clusters).tolist()])
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    sums = np.add.reduceat(values[..., order], starts, axis=-1)
    count = values.shape[-1]
    spread = np.square(values - values.mean(axis=-1, keepdims=True)).sum(axis=-1) / max(count - 1, 1)
    alone = np.sqrt(spread / count) if count > 1 else np.full(values.shape[:-1], np.nan)
    return Clustered(sums, np.bincount(number).astype(np.float64), np.asarray(alone))
