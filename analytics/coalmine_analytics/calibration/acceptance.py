"""Trials of acceptance: how often does a treatment pass that is worse by exactly the margin?"""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED, Epochs
from coalmine_analytics.calibration.traffic import Sums, Traffic
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.core.acceptance import Seen, acceptable_log_e
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.worsening import Worsening


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Worse by exactly the margin, or equal: how often is it called acceptable, and after how many units?"""

    cell: str
    traffic: Traffic
    better: float
    margin: float
    relative: bool = False
    rate: bool = True
    limit: float = ALPHA
    plain_reaches: float | None = None
    """How often a test without a variance under the hypothesis must be seen to accept; None: not tried."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Greatest log E at any look, ours and that of a plain test."""
        best = {name: np.full(replications, -np.inf) for name in ("acceptable", "plain")}
        epochs, rate = Epochs(), np.array([[self.rate]])
        margin = Worsening(*(np.array([[value]]) for value in (self.better, self.margin, self.relative)))
        for sums in self.traffic.play(rng, replications):
            strata, enough = epochs.until(sums)
            contrast = strata.contrast(strata.weights(enough, rate))
            mde = 2.0 * margin.absolute(contrast)
            mde = np.where(mde > 0, mde, 1.0)
            seen = Seen(sums.units[:, 1:].astype(np.float64), _per_unit(sums), rate)
            plain = log_e_value(margin.room(contrast, margin.side), mde=mde, alternative="greater")
            ours = acceptable_log_e(contrast, margin, seen, mde=mde)
            for name, log_e in (("acceptable", ours), ("plain", plain)):
                np.fmax(best[name], log_e[:, 0], out=best[name])
        return best

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for ours, and one for the plain test."""
        ours, plain = (float((outcome[name] >= REJECTED).mean()) for name in ("acceptable", "plain"))
        count = len(outcome["plain"])
        rows = [Row(self.cell, "acceptable", ours, count, self.limit)]
        if self.plain_reaches is not None:
            rows.append(
                Row(self.cell, "variance of what was seen", plain, count, self.plain_reaches, "control")
            )
        return rows


def _per_unit(sums: Sums) -> FloatArray:
    each = sums.x.sum(axis=(1, 2)) / np.maximum(sums.units.sum(axis=1), 1)
    return np.asarray(np.maximum(each, 1.0)[:, None])
