"""Trials of methods built on the core: several metrics at once, and relative effects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED, Engine, arms_of
from coalmine_analytics.calibration.populations import Population
from coalmine_analytics.calibration.traffic import Single
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.confidence_sequence import critical_z
from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.holm import holm
from coalmine_analytics.core.ratio import ArmRatio
from coalmine_analytics.sample_size import MIN_UNITS


@dataclass(frozen=True, slots=True)
class Family:
    """Six metrics without an effect: how often is any of them called worse?"""

    cell: str
    populations: Sequence[Population]
    share: float
    per_look: int
    looks: int
    uncorrected_reaches: float

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """The running p of each metric at the last look, shape (B, M)."""
        columns = []
        for population in self.populations:
            engine = Engine(0.1 * population.sd, ("less",))
            best = np.zeros(replications)
            traffic = Single(population, population, self.share, self.per_look, self.looks)
            for sums in traffic.play(rng, replications):
                np.fmax(best, engine.looks(sums)["less"], out=best)
            columns.append(np.exp(-best))
        return {"p": np.stack(columns, axis=1)}

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row with Holm's correction and one without."""
        p = outcome["p"]
        corrected, plain = (float((values <= ALPHA).any(axis=1).mean()) for values in (holm(p), p))
        return [
            Row(self.cell, "less: any, Holm", corrected, len(p), ALPHA),
            Row(self.cell, "no correction", plain, len(p), self.uncorrected_reaches, "control"),
        ]


@dataclass(frozen=True, slots=True)
class Relative:
    """A large relative effect: how often does an interval miss it at any look?"""

    cell: str
    traffic: Single
    mde: float
    """Absolute."""
    delta_method_reaches: float

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Simulate misses at any look of Fieller's interval and of the linearised ratio's."""
        truth = self.traffic.treatment.mean / self.traffic.control.mean - 1.0
        missed = {name: np.zeros(replications) for name in ("fieller", "delta")}
        for sums in self.traffic.play(rng, replications):
            treatment, control = arms_of(sums)
            ready = sums.units.min(axis=1) >= MIN_UNITS
            for name, (lower, upper) in (
                ("fieller", relative_confidence_sequence(one_stratum(treatment, control), mde=self.mde)),
                ("delta", _delta_method(treatment, control, self.mde)),
            ):
                missed[name] += ready & ((truth < lower) | (truth > upper))
        return {name: np.where(count > 0, REJECTED, 0.0) for name, count in missed.items()}

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for each interval."""
        fieller, delta = (float((outcome[name] >= REJECTED).mean()) for name in ("fieller", "delta"))
        count = len(outcome["delta"])
        return [
            Row(self.cell, "relative interval misses", fieller, count, ALPHA),
            Row(self.cell, "delta method", delta, count, self.delta_method_reaches, "control"),
        ]


def _delta_method(treatment: ArmRatio, control: ArmRatio, mde: float) -> tuple[FloatArray, FloatArray]:
    """The interval of a ratio linearised where it was estimated, with the same critical value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = treatment.ratio / control.ratio
        squared = (treatment.variance + np.square(ratio) * control.variance) / np.square(control.ratio)
        usable = np.isfinite(squared) & (squared > 0)
        se = np.where(usable, np.sqrt(squared), 1.0)
        width = np.where(usable, mde / control.ratio, 1.0)
    half = critical_z(se, np.full(se.shape, np.inf), mde=width, alpha=ALPHA) * se
    return np.where(usable, ratio - 1.0 - half, -np.inf), np.where(usable, ratio - 1.0 + half, np.inf)
