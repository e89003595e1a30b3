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

_SEEN = "variance of what was seen"
_FIRST = "margin fixed at the first look"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Worse by exactly the margin: how often is that called acceptable at any look?"""

    cell: str
    traffic: Traffic
    mde: float
    better: float
    margin: float
    """A share of control's value if a shortcut fixes it at the first look, else in the metric's unit."""
    seen_reaches: float | None = None
    """How often a test without a variance under the hypothesis must be seen to accept; None: not tried."""
    first_reaches: float | None = None
    """How often one with the margin of the first look must; None: not tried, and the margin is absolute."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Greatest log E at any look, of ours and of the shortcuts."""
        best = {name: np.full(replications, -np.inf) for name in ("acceptable", _SEEN, _FIRST)}
        epochs, rate = Epochs(), np.array([[True]])
        margin = self._worsening(np.full((replications, 1), self.margin), self.first_reaches is not None)
        first = np.full((replications, 1), np.nan)
        for sums in self.traffic.play(rng, replications):
            strata, enough = epochs.until(sums)
            contrast = strata.contrast(strata.weights(enough, rate))
            seen = Seen(sums.units[:, 1:].astype(np.float64), _per_unit(sums), rate)
            first = np.where(np.isnan(first), margin.absolute(contrast), first)
            fixed = self._worsening(np.nan_to_num(first), relative=False)
            room = margin.room(contrast, margin.side)
            for name, log_e in (
                ("acceptable", acceptable_log_e(contrast, margin, seen, mde=self.mde)),
                (_SEEN, log_e_value(room, mde=self.mde, alternative="greater")),
                (_FIRST, acceptable_log_e(contrast, fixed, seen, mde=self.mde)),
            ):
                np.fmax(best[name], log_e[:, 0], out=best[name])
        return best

    def _worsening(self, size: FloatArray, relative: bool) -> Worsening:
        return Worsening(np.full(size.shape, self.better), size, np.full(size.shape, relative))

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for ours, and one for each shortcut that is tried."""
        rate = {name: float((best >= REJECTED).mean()) for name, best in outcome.items()}
        count = len(outcome["acceptable"])
        rows = [Row(self.cell, "acceptable", rate["acceptable"], count, ALPHA)]
        for name, reaches in ((_SEEN, self.seen_reaches), (_FIRST, self.first_reaches)):
            if reaches is not None:
                rows.append(Row(self.cell, name, rate[name], count, reaches, "control"))
        return rows


def _per_unit(sums: Sums) -> FloatArray:
    each = sums.x.sum(axis=(1, 2)) / np.maximum(sums.units.sum(axis=1), 1)
    return np.asarray(np.maximum(each, 1.0)[:, None])
