"""Trials of rules that decisions are made by, each beside the rule it replaced.

Arms are simulated by the sums of their looks, so a replication costs a few numbers per look.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.e_process import Alternative, log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import ArmRatio, arm_mean
from coalmine_analytics.core.srm import srm_log_e


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A version within the margin: how often is it promoted, and rolled back afterwards?"""

    cell: str
    effect: float
    """In standard deviations, as are the others; higher is better."""
    margin: float
    per_look: int
    """Units of each arm between looks."""
    looks: int
    contradiction_reaches: float

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Whether harm was shown after its absence, for two tolerances."""
        n = self.per_look * np.arange(1.0, self.looks + 1)
        arms = [
            arm_mean(
                n,
                rng.normal(mean * self.per_look, self.per_look**0.5, (replications, self.looks)).cumsum(1)
                / n,
                1.0,
            )
            for mean in (self.effect, 0.0)
        ]
        effect = difference(*arms)
        promoted = self._first(effect, -self.margin, "greater")
        found = {}
        for name, tolerance in (("third", self.margin / 3.0), ("none", 0.0)):
            harmed = self._first(effect, -tolerance, "less")
            found[name] = np.where((promoted < harmed) & (harmed < self.looks), REJECTED, 0.0)
        return {**found, "promoted": np.where(promoted < self.looks, REJECTED, 0.0)}

    def _sums(self, rng: np.random.Generator, replications: int, mean: float) -> FloatArray:
        n = self.per_look
        return np.asarray(rng.normal(mean * n, n**0.5, (replications, self.looks)).cumsum(axis=1))

    def _first(self, effect: Effect, theta0: float, side: Alternative) -> FloatArray:
        """The look that shows it; their number if none does."""
        log_e = log_e_value(effect, mde=self.margin, theta0=theta0, alternative=side)
        shown: BoolArray = log_e >= REJECTED
        return np.where(shown.any(axis=1), shown.argmax(axis=1), self.looks).astype(np.float64)

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for each tolerance; it is no trial unless nearly all are promoted."""
        rates = {name: float((each >= REJECTED).mean()) for name, each in outcome.items()}
        count = len(outcome["third"])
        return [
            Row(self.cell, "promoted", rates["promoted"], count, 1.0, at_least=0.9),
            Row(self.cell, "promoted, then rolled back: tolerance margin / 3", rates["third"], count, ALPHA),
            Row(self.cell, "tolerance 0", rates["none"], count, self.contradiction_reaches, "control"),
        ]


@dataclass(frozen=True, slots=True)
class FirstExposures:
    """A kept split whose units come back in every epoch: how often is it called broken?"""

    cell: str
    units: int
    """First exposed in the first epoch; a twentieth of them in each later one."""
    epochs: int
    returning: tuple[float, float]
    """Share of treatment's and of control's units that are seen again in an epoch."""
    counted_again_reaches: float

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Greatest log E at the ends of the epochs, of units counted once and in every epoch."""
        arrivals = np.array([self.units, *[self.units // 20] * (self.epochs - 1)])
        treated = rng.binomial(arrivals, 0.5, (replications, self.epochs))
        first = np.stack([treated, arrivals - treated], axis=-1)
        known = first.cumsum(axis=1) - first
        # Loyal users are the same in each epoch, so who returns is drawn once.
        again = np.floor(known * np.array(self.returning)) + first
        once, each = (srm_log_e(count, [1.0, 1.0]).cumsum(axis=1).max(axis=1) for count in (first, again))
        return {"once": once, "again": each}

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for each way of counting."""
        once, again = (float((outcome[name] >= REJECTED).mean()) for name in ("once", "again"))
        count = len(outcome["once"])
        return [
            Row(self.cell, "sample ratio of first exposures", once, count, ALPHA),
            Row(
                self.cell, "units counted in each epoch", again, count, self.counted_again_reaches, "control"
            ),
        ]


@dataclass(frozen=True, slots=True)
class Explosion:
    """One request in a hundred costs a hundred times as much: how often is that accepted?"""

    cell: str
    sigma: float
    """Of the logarithm of costs."""
    per_look: int
    """Requests of each arm between looks."""
    looks: int
    capped_reaches: float
    exploding: float = 0.01
    cap_quantile: float = 0.995
    mean_margin: float = 0.10
    share_margin: float = 0.01

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Evidence that the capped mean is within its margin, and that the share beyond the cap is, too."""
        _, mean, _ = self._capped()
        beyond = 1.0 - self.cap_quantile
        rate = self.exploding + (1.0 - self.exploding) * beyond
        arms = [self._arm(rng, replications, share) for share in (rate, beyond)]
        (costs, tail), (control_costs, control_tail) = arms
        capped = log_e_value(
            difference(costs, control_costs),
            mde=self.mean_margin * mean, theta0=self.mean_margin * mean, alternative="less",
        )  # fmt: skip
        share = log_e_value(
            difference(tail, control_tail), mde=0.02, theta0=self.share_margin, alternative="less"
        )
        accepted = [np.fmax.accumulate(each, axis=1)[:, -1] for each in (capped, share)]
        return {"both": np.minimum(*accepted), "capped": accepted[0]}

    def _arm(self, rng: np.random.Generator, replications: int, share: float) -> tuple[ArmRatio, ArmRatio]:
        """Capped cost and share beyond the cap; below it, costs of both arms are alike."""
        shape = (replications, self.looks)
        n = self.per_look * np.arange(1.0, self.looks + 1)
        cap, mean, square = self._capped()
        beyond = 1.0 - self.cap_quantile
        own = (mean - beyond * cap) / self.cap_quantile
        variance = (square - beyond * cap**2) / self.cap_quantile - own**2
        count = rng.binomial(self.per_look, share, shape).cumsum(axis=1)
        chance = rng.normal(0.0, (variance * self.per_look) ** 0.5, shape).cumsum(axis=1)
        p = count / n
        spread = (1 - p) * (variance + p * (cap - own) ** 2)
        return arm_mean(n, own * (1 - p) + cap * p + chance / n, spread), arm_mean(n, p, p * (1 - p))

    def _capped(self) -> tuple[float, float, float]:
        """The cap, and the first two moments of a capped lognormal cost."""
        z, s = norm.ppf(self.cap_quantile), self.sigma
        cap, beyond = np.exp(s * z), 1.0 - self.cap_quantile
        first, second = (np.exp(k * k * s * s / 2) * norm.cdf(z - k * s) + cap**k * beyond for k in (1, 2))
        return float(cap), float(first), float(second)

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row with the share beyond the cap and one without."""
        both, capped = (float((outcome[name] >= REJECTED).mean()) for name in ("both", "capped"))
        count = len(outcome["both"])
        return [
            Row(self.cell, "capped mean and share beyond the cap", both, count, ALPHA),
            Row(self.cell, "capped mean alone", capped, count, self.capped_reaches, "control"),
        ]
