"""Trials of a true hypothesis: how often is it rejected at any look?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.methods import ALPHA, REJECTED, Engine, MakeShortcut
from coalmine_analytics.calibration.traffic import Traffic
from coalmine_analytics.calibration.trial import Outcome, Role, Row
from coalmine_analytics.core.e_process import Alternative

SIDES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Rejections of a true hypothesis at any look, by our methods and by shortcuts."""

    cell: str
    traffic: Traffic
    mde: float
    effect: float = 0.0
    """True effect, and the hypothesis: with another than 0 this is how often an interval misses it."""
    sides: Sequence[Alternative] = SIDES
    at_least: float = 0.0
    limit: float = ALPHA
    role: Role = "ours"
    controls: Mapping[str, tuple[MakeShortcut, float]] = field(default_factory=dict)
    """By name: a shortcut, and how often it must be seen to reject."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """The greatest log E over all looks, of each method."""
        engine = Engine(self.mde, self.sides, self.effect)
        shortcuts = {name: make(self.mde) for name, (make, _) in self.controls.items()}
        best: dict[str, FloatArray] = {
            name: np.full(replications, -np.inf) for name in (*self.sides, *shortcuts)
        }
        for sums in self.traffic.play(rng, replications):
            found = engine.looks(sums) | {name: method.look(sums) for name, method in shortcuts.items()}
            for name, log_e in found.items():
                np.fmax(best[name], log_e, out=best[name])
        return best

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for each method."""
        rows = []
        for name, best in outcome.items():
            rate, count = float((best >= REJECTED).mean()), len(best)
            if name in self.controls:
                rows.append(Row(self.cell, name, rate, count, self.controls[name][1], "control"))
            else:
                rows.append(Row(self.cell, name, rate, count, self.limit, self.role, self.at_least))
        return rows
