"""Trials of whole rollouts: an equal version, one worse by the margin, one within it, one that is bad."""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import beta, binom

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.calibration.end_to_end.course import course_of
from coalmine_analytics.calibration.end_to_end.service import Change, Service
from coalmine_analytics.calibration.trial import Outcome, Row
from coalmine_analytics.readout import Plan

LIMIT = 0.05
"""Most false rollbacks, and most false promotions."""
ENOUGH = 200
"""Replications from which on a limit is what it says; with fewer it leaves room for bad luck."""
_LUCK = 0.01
_OLD = "old."


def errs(cell: str, name: str, wrong: BoolArray) -> Row:
    """A row for an error: it must be rarer than `LIMIT`, and its upper bound is stated."""
    n, count = len(wrong), int(wrong.sum())
    bound = float(beta.ppf(0.95, count + 1, n - count)) if count < n else 1.0
    limit = LIMIT if n >= ENOUGH else float(binom.ppf(1.0 - _LUCK, n, LIMIT)) / n
    return Row(cell, name, count / n, n, limit, upper_bound=bound)


def reaches(cell: str, name: str, right: BoolArray, least: float = 0.0) -> Row:
    """A row for what must happen to at least a share."""
    n = len(right)
    at_least = least if n >= ENOUGH else float(binom.ppf(_LUCK, n, least)) / n
    return Row(cell, name, float(right.mean()), n, 1.0, at_least=at_least)


def median_of(cell: str, name: str, values: FloatArray, most: float) -> Row:
    """A row for a median; what is never reached counts as the most there can be."""
    return Row(cell, name, float(np.median(np.minimum(values, most))), len(values), most)


@dataclass(frozen=True, slots=True)
class Old:
    """A behaviour that was replaced, on the same random numbers: it must be seen to fail."""

    name: str
    service: Service
    reaches: float
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rollouts:
    """Rollouts of one service."""

    cell: str
    service: Service
    change: Change = field(default_factory=Change)
    old: Old | None = None
    until_decided: bool = True
    """A promotion ends it; else it is watched to the end."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """What was decided when, with the old behaviour beside it."""
        found: dict[str, list[float]] = {}
        for seed in rng.integers(2**63, size=replications).tolist():
            ways = {"": (self.service, Plan())}
            if self.old is not None:
                ways[_OLD] = (self.old.service, self.old.plan)
            for way, (service, plan) in ways.items():
                course = course_of(
                    service, self.change, plan, np.random.default_rng(seed), until_decided=self.until_decided
                )
                for name in ("promoted_h", "rolled_back_h", "canary_requests"):
                    found.setdefault(way + name, []).append(getattr(course, name))
        return {name: np.array(values, np.float64) for name, values in found.items()}

    def _old(self, wrong: BoolArray) -> list[Row]:
        if self.old is None:
            return []
        return [Row(self.cell, self.old.name, float(wrong.mean()), len(wrong), self.old.reaches, "control")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Equal(_Rollouts):
    """A version as good as control: how often is it rolled back, how soon accepted?"""

    accepted: tuple[float, float] | None = None
    """Hours, and the least share that must be accepted within them."""
    until_decided: bool = False

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for false rollbacks, and some for acceptance."""
        promoted, rolled_back, hours = outcome["promoted_h"], outcome["rolled_back_h"], self.service.hours
        rows = [errs(self.cell, "false rollback", np.isfinite(rolled_back))]
        if self.accepted is not None:
            within, least = self.accepted
            rows.append(reaches(self.cell, f"accepted within {within:g} h", promoted <= within, least))
        if self.accepted is None or self.accepted[0] != hours:
            rows.append(reaches(self.cell, f"accepted within {hours:g} h", np.isfinite(promoted)))
        rows.append(median_of(self.cell, "hours to acceptance, median", promoted, hours))
        return rows + self._old(np.isfinite(outcome.get(f"{_OLD}rolled_back_h", rolled_back)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AtMargin(_Rollouts):
    """A version worse by exactly the margin of a metric: how often is it promoted?"""

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for false promotions, and one for rollbacks, which are right."""
        promoted, rolled_back = (np.isfinite(outcome[name]) for name in ("promoted_h", "rolled_back_h"))
        return [
            errs(self.cell, "false promotion", promoted),
            reaches(self.cell, f"rolled back within {self.service.hours:g} h", rolled_back),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinMargin(_Rollouts):
    """A version hardly worse: it may be promoted, and must not be rolled back, before or after."""

    until_decided: bool = False

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for rollbacks, and one for promotions."""
        rolled_back = np.isfinite(outcome["rolled_back_h"])
        return [
            errs(self.cell, "rolled back", rolled_back),
            reaches(self.cell, "promoted", np.isfinite(outcome["promoted_h"])),
            *self._old(np.isfinite(outcome.get(f"{_OLD}rolled_back_h", outcome["rolled_back_h"]))),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(_Rollouts):
    """A bad version: how soon is it rolled back?"""

    within_h: float
    """It must be found within these in nine of ten runs."""

    def judge(self, outcome: Outcome) -> list[Row]:
        """Shares, times and requests."""
        found = outcome["rolled_back_h"]
        cost = np.where(np.isfinite(found), outcome["canary_requests"], np.inf)
        most = self.service.per_s * self.service.hours * 3_600.0
        return [
            errs(self.cell, "promoted", np.isfinite(outcome["promoted_h"])),
            reaches(self.cell, f"rolled back within {self.within_h:g} h", found <= self.within_h, 0.9),
            median_of(self.cell, "hours until rolled back, median", found, self.service.hours),
            median_of(self.cell, "canary requests until rolled back, median", cost, most),
        ]
