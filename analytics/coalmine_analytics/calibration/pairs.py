"""Trials of two versions on the same cases: how often does the interval miss the true difference?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import ndtri

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.calibration.methods import ALPHA
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.paired import paired_interval

_SETS: Final = 8
"""Sets of cases in a replication: it is a rate near .05 that has to be told from .06."""
_NAIVE: Final = "normal interval, cases as if independent"
_LEVEL: Final = 0.7
"""Mean of what the old version gets right."""
_MIXED: Final = (1, 1, 2, 3, 5, 8, 13, 20)
"""Sizes of clusters, again and again."""

Scores = Literal["right or wrong", "graded"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Cases that the old version finds more or less hard, and the new one breaks or repairs by cluster."""

    scores: Scores
    cases: int
    per_cluster: int | None
    """None: from 1 to 20."""
    breaks: float
    """Mean share of right answers that become wrong; of graded ones, that lose a part of their score."""
    repairs: float = 0.0
    """Mean share of wrong answers that become right."""
    naive_reaches: float | None = None
    """How often the normal interval must be seen to miss; None: it is not tried."""

    @property
    def cell(self) -> str:
        """Its name."""
        size = "1 to 20" if self.per_cluster is None else str(self.per_cluster)
        effect = f"breaks {self.breaks:g}" + (f", repairs {self.repairs:g}" if self.repairs else "")
        return f"pairs: {self.scores}, {self.cases} cases in clusters of {size}, {effect}"

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Share of the sets of each replication in which an interval of 95 % misses."""
        cluster = np.repeat(np.arange(self.cases), list(self._sizes()))[: self.cases]
        differences, truth = self._draw(rng, replications * _SETS, cluster)
        ours = paired_interval(differences, cluster, alpha=ALPHA / 2)
        reach = float(ndtri(1 - ALPHA / 2)) * differences.std(axis=1, ddof=1) / self.cases**0.5
        missed = {
            "pairs": (ours.lower > truth) | (ours.upper < truth),
            _NAIVE: np.abs(differences.mean(axis=1) - truth) > reach,
        }
        return {name: each.reshape(replications, _SETS).mean(axis=1) for name, each in missed.items()}

    def _sizes(self) -> Iterator[int]:
        for at in range(self.cases):
            yield _MIXED[at % len(_MIXED)] if self.per_cluster is None else self.per_cluster

    def _draw(self, rng: np.random.Generator, sets: int, cluster: IntArray) -> tuple[FloatArray, float]:
        """Differences, shape (sets, cases), and their mean in all cases there are."""
        shape, groups = (sets, self.cases), (sets, int(cluster.max()) + 1)

        def share(mean: float) -> FloatArray:  # of a cluster: half to twice the mean, mostly
            return rng.beta(10 * mean, 10 * (1 - mean), groups)[:, cluster] if mean else np.zeros(shape)

        level = (rng.beta(3.5, 1.5, groups)[:, cluster] + rng.beta(3.5, 1.5, shape)) / 2
        broken = rng.random(shape) < share(self.breaks)
        if self.scores == "right or wrong":
            old = rng.random(shape) < level
            new = np.where(old, ~broken, rng.random(shape) < share(self.repairs))
            return new.astype(np.float64) - old, self.repairs * (1 - _LEVEL) - self.breaks * _LEVEL
        lost = rng.beta(4, 2, shape)  # 2 / 3 of the score
        wobble = rng.uniform(-0.3, 0.3, shape) * np.minimum(level, 1 - level)
        return np.where(broken, -lost * level, wobble), -self.breaks * _LEVEL * 2 / 3

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for ours, and one for the shortcut where it is tried."""
        ours, naive = (float(outcome[name].mean()) for name in ("pairs", _NAIVE))
        count = len(outcome["pairs"])
        rows = [Row(self.cell, "interval of pairs", ours, count, 0.06, at_least=0.03)]
        if self.naive_reaches is not None:
            rows.append(Row(self.cell, _NAIVE, naive, count, self.naive_reaches, "control"))
        return rows


def pairs_cells(*, everything: bool) -> Iterator[Pairs]:
    """From 40 to 1,000 cases, in five clusters or more, of 1 to 20 cases.

    Args:
        everything: Also the cells that differ little from others.
    """
    # Few of many equal cases differ: normal intervals are too short there, even for independent cases.
    yield Pairs("right or wrong", 40, 1, 0.05, 0.3, naive_reaches=0.06)
    for cases, per_cluster in _SHAPES if everything else _FEW_SHAPES:
        naive = {5: 0.065, 20: 0.12, None: 0.085}.get(per_cluster)
        yield Pairs("right or wrong", cases, per_cluster, 0.2, 0.3, naive)
        breaks = 0.0 if (cases, per_cluster) == (40, 1) else 0.15
        yield Pairs("graded", cases, per_cluster, breaks, naive_reaches=naive)


_SHAPES: Final = tuple(
    (cases, per_cluster)
    for cases in (40, 100, 300, 1_000)
    for per_cluster in (1, 5, 20, None)
    if (cases, per_cluster) != (40, 20)
)
_FEW_SHAPES: Final = ((40, 5), (100, None), (300, 20))
