"""Trials of the sample-ratio test, on units as they arrive."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtri

from coalmine_analytics.calibration.methods import ALPHA, REJECTED
from coalmine_analytics.calibration.stopping_time import POWER
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.srm import srm_log_e


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Units split as planned, or not.

    With the plan kept: how often is it called broken, by us and by a chi-squared test at every look? With
    another share: units until it is found, over those of one binomial test with a fixed number.
    """

    cell: str
    planned: float
    """Share of treatment."""
    actual: float
    per_look: int
    looks: int
    limit: float = ALPHA
    peeking_reaches: float = 0.25

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Greatest log E, greatest chi-squared evidence, and the units when it was found."""
        arrived = rng.binomial(self.per_look, self.actual, (replications, self.looks))
        treated = arrived.cumsum(axis=1)
        total = self.per_look * np.arange(1, self.looks + 1)
        units = np.stack([total - treated, treated], axis=-1)
        log_e = srm_log_e(units, [1.0 - self.planned, self.planned])
        expected = total * self.planned
        chi2 = np.square(treated - expected) / expected / (1.0 - self.planned)
        rejected = log_e >= REJECTED
        first = np.where(rejected.any(axis=1), rejected.argmax(axis=1) + 1, self.looks)
        return {
            "ours": log_e.max(axis=1),
            "chi2": -np.log(chdtrc(1.0, chi2.max(axis=1))),
            "found": first * float(self.per_look),
        }

    def judge(self, outcome: Outcome) -> list[Row]:
        """As the plan was kept or not."""
        count = len(outcome["found"])
        if self.actual == self.planned:
            ours, peeking = (float((outcome[name] >= REJECTED).mean()) for name in ("ours", "chi2"))
            return [
                Row(self.cell, "sample ratio", ours, count, self.limit),
                Row(self.cell, "chi-squared at every look", peeking, count, self.peeking_reaches, "control"),
            ]
        spread = [
            float(ndtri(level)) * (share * (1.0 - share)) ** 0.5
            for level, share in ((1.0 - ALPHA / 2.0, self.planned), (POWER, self.actual))
        ]
        fixed = (sum(spread) / (self.planned - self.actual)) ** 2
        ratio = float(outcome["found"].mean()) / fixed
        return [Row(self.cell, "sample ratio: mean stop / fixed n", ratio, count, self.limit)]
