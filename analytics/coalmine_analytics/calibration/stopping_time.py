"""Trials with an effect: how soon and how surely is it found?"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED, Engine, arms_of
from coalmine_analytics.calibration.traffic import Traffic
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.e_process import Alternative
from coalmine_analytics.core.effect import difference

POWER = 0.8
"""Of the test with a fixed number of requests: two-sided at 5 %, as tests are commonly planned."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """Requests until the effect is found, over those of a test that looks once.

    That number is read off the simulation: the first look at which Welch's variance of groups of units,
    averaged over the replications, is as small as such a test needs. So it holds for users who return, too.
    A run that has not stopped at three times that number counts as stopped there.
    """

    cell: str
    traffic: Traffic
    effect: float
    """True effect, > 0, and the minimum detectable one."""
    limit: float
    """The ratio's."""
    side: Alternative = "greater"
    """Decisions ask on one side: is there harm, is it better?"""
    missed_at_twice: float = 0.15
    missed_at_three_times: float = 0.03

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Variances at all looks, and the look at which the effect was found."""
        engine = Engine(self.effect, (self.side,))
        variances = np.full((replications, self.traffic.looks), np.nan)
        found = np.full(replications, self.traffic.looks)
        for sums in self.traffic.play(rng, replications):
            variances[:, sums.look] = np.square(difference(*arms_of(sums), pooled=False).standard_error)
            rejected = engine.looks(sums)[self.side] >= REJECTED
            found[rejected] = np.minimum(found[rejected], sums.look)
        return {"variances": variances, "found": found + 1.0}

    def judge(self, outcome: Outcome) -> list[Row]:
        """Mean stop, and misses at twice and three times the fixed number."""
        variances, found = outcome["variances"], outcome["found"]
        fixed = self._fixed(variances)
        count = len(found)
        mean = float(np.minimum(found, 3 * fixed).mean()) / fixed
        missed = [float((found > times * fixed).mean()) for times in (2, 3)]
        if 3 * fixed > self.traffic.looks:
            missed[1] = math.nan  # never within a limit: the trial was too short to tell
        return [
            Row(self.cell, f"{self.side}: mean stop / fixed n", mean, count, self.limit),
            Row(self.cell, f"{self.side}: missed at 2 n", missed[0], count, self.missed_at_twice),
            Row(self.cell, f"{self.side}: missed at 3 n", missed[1], count, self.missed_at_three_times),
        ]

    def _fixed(self, variances: FloatArray) -> int:
        """Looks that a test with a fixed number of requests would wait for."""
        wanted = self.effect / float(ndtri(1.0 - ALPHA / 2.0) + ndtri(POWER))
        reached = np.flatnonzero(variances.mean(axis=0) <= wanted**2)  # NaN: some replication has too few
        return int(reached[0]) + 1 if reached.size else self.traffic.looks


@dataclass(frozen=True, slots=True)
class Detection:
    """Canary requests until a worse error rate is found; each unit makes one request."""

    cell: str
    traffic: Traffic
    mde: float
    limit: float
    """Canary requests, on average."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Units of the canary when it was found, or at the end."""
        engine = Engine(self.mde, ("greater",))
        requests = np.zeros(replications)
        searching = np.ones(replications, np.bool_)
        for sums in self.traffic.play(rng, replications):
            requests[searching] = sums.units[searching, 1]
            searching &= ~(engine.looks(sums)["greater"] >= REJECTED)
            if not searching.any():
                break
        return {"requests": requests}

    def judge(self, outcome: Outcome) -> list[Row]:
        """The mean."""
        requests = outcome["requests"]
        name = "greater: mean canary requests until found"
        return [Row(self.cell, name, float(requests.mean()), len(requests), self.limit)]
