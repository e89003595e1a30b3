"""Trials of harm: how often is it shown without any, and how late where it begins late?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED, Epochs
from coalmine_analytics.calibration.traffic import Traffic
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.harm import harm_log_e, lasting_harm_log_e
from coalmine_analytics.core.worsening import Worsening

_ONE_PROCESS = "one e-process, all units"


@dataclass(frozen=True, slots=True)
class FalseHarm:
    """No effect: how often is there harm at any look, by ours and by one e-process over all units?"""

    cell: str
    traffic: Traffic
    mde: float
    rate: bool = False
    one_process_reaches: float | None = None
    """How often that must be seen to err; None: it is not tried."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Greatest log E at any look."""
        best = {name: np.full(replications, -np.inf) for name in ("harm", _ONE_PROCESS)}
        for found in _looks(self.traffic, rng, replications, self.mde, rate=self.rate):
            for name, log_e in found.items():
                np.fmax(best[name], log_e, out=best[name])
        return best

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for ours, and one for the shortcut."""
        ours, plain = (float((outcome[name] >= REJECTED).mean()) for name in ("harm", _ONE_PROCESS))
        count = len(outcome["harm"])
        rows = [Row(self.cell, "harm", ours, count, ALPHA)]
        if self.one_process_reaches is not None:
            rows.append(Row(self.cell, _ONE_PROCESS, plain, count, self.one_process_reaches, "control"))
        return rows


@dataclass(frozen=True, slots=True)
class FoundHarm:
    """Harm that begins at some look: looks until it is found, over those of one e-process over all units."""

    cell: str
    traffic: Traffic
    mde: float
    begins: int
    """The look from which on there is harm."""
    limit: float
    """The ratio's."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Looks from when it begins until it is found, or until the end."""
        found = {name: np.full(replications, self.traffic.looks) for name in ("harm", _ONE_PROCESS)}
        for look, evidence in enumerate(_looks(self.traffic, rng, replications, self.mde)):
            for name, log_e in evidence.items():
                np.minimum(found[name], look, out=found[name], where=log_e >= REJECTED)
        return {name: np.maximum(looks - self.begins, 0) + 1.0 for name, looks in found.items()}

    def judge(self, outcome: Outcome) -> list[Row]:
        """The ratio of the means."""
        ours, plain = (float(outcome[name].mean()) for name in ("harm", _ONE_PROCESS))
        name = "harm: looks until found / of one e-process"
        return [Row(self.cell, name, ours / plain, len(outcome["harm"]), self.limit)]


def _looks(
    traffic: Traffic, rng: np.random.Generator, replications: int, mde: float, *, rate: bool = False
) -> Iterator[Mapping[str, FloatArray]]:
    """Log E of both at each look, shape (B,)."""
    epochs, width = Epochs(), np.full((replications, 1), mde)
    side = np.full(width.shape, -1.0 if rate else 1.0)
    none = Worsening(side, np.zeros(width.shape), np.zeros(width.shape, np.bool_))
    for sums in traffic.play(rng, replications):
        strata, enough = epochs.until(sums)
        weight = strata.weights(enough, np.array([[rate]]))
        yield {
            "harm": lasting_harm_log_e(strata, weight, none, mde=width)[:, 0],
            _ONE_PROCESS: harm_log_e(strata.contrast(weight), none, mde=width)[:, 0],
        }
