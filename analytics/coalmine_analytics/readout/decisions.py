"""Verdicts on metrics and decisions on arms, from running p-values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_analytics.core.holm import holm
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.evidence import Weighed
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.results.readout import ArmReadout
from coalmine_analytics.results.verdicts import ACTING, Decision, Verdict, difference_word


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """Running p-values of M metrics and T arms: fields of shape (M, T), NaN before the first look."""

    difference: FloatArray
    harm: FloatArray
    acceptable: FloatArray
    better: FloatArray


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """The verdict on one metric of one arm."""

    verdict: Verdict
    words: str
    adjusted_p: float | None
    units_needed: int | None


@dataclass(frozen=True, slots=True)
class ArmVerdict:
    """The decision on one arm."""

    decision: Decision
    words: str
    units_needed: int | None
    acceptable_p: float | None


class Judge:
    """Derives verdicts and decisions from one look."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        plan: Plan,
        running: Running,
        weighed: Weighed,
        *,
        srm_mismatch: bool,
    ) -> None:
        self._metrics = metrics
        self._plan = plan
        self._running = running
        self._weighed = weighed
        self._srm_mismatch = srm_mismatch
        self._acting = [row for row, metric in enumerate(metrics) if metric.role in ACTING]
        self._required = [row for row in self._acting if metrics[row].role == "must_prove"]
        self._signals = [row for row, metric in enumerate(metrics) if metric.role == "signal"]
        self._goals = [row for row, metric in enumerate(metrics) if self.is_goal(metric)]
        self._harm = _family(running.harm, self._acting)
        self._harm[self._signals] = _family(running.harm, self._signals)[self._signals]
        self._better = _family(running.better, self._goals)
        # All must pass, so the least proven one counts: NaN while one has too little data.
        worst = running.acceptable[self._required].max(axis=0, initial=0.0)
        self._acceptable = holm(worst) if len(worst) else worst

    def is_goal(self, metric: Metric) -> bool:
        """True if a promotion needs it, or another goal, to be better."""
        return metric.name in self._plan.goals

    def metric(self, row: int, column: int) -> MetricVerdict:
        """The verdict on one metric of one arm."""
        metric, at = self._metrics[row], (row, column)
        if np.isnan(self._running.difference[at]):
            return MetricVerdict("not enough data", "", None, None)
        if metric.role != "shown" or self.is_goal(metric):
            return self._judged(metric, at)
        if self._running.difference[at] > self._plan.alpha:
            units = _units(self._weighed.units_to_difference[at])
            words = "no difference shown yet; nothing depends on it"
            return MetricVerdict("no difference shown", words, None, units)
        # The sign at this look: that of the look that showed it may only differ where the effect is tiny.
        upward = bool(self._weighed.lower[at] + self._weighed.upper[at] > 0)
        verdict = difference_word(metric.direction, upward=upward)
        return MetricVerdict(verdict, f"{verdict} than control; nothing depends on it", None, 0)

    def _judged(self, metric: Metric, at: tuple[int, int]) -> MetricVerdict:
        alpha = self._plan.alpha
        goal = self.is_goal(metric)
        adjusted = known((self._better if goal else self._harm)[at])
        if self._harm[at] <= alpha:
            beyond = f" by more than {metric.tolerance}" if metric.tolerance.value else ""
            return MetricVerdict("worse", f"worse than control{beyond}", adjusted, 0)
        if self._better[at] <= alpha if goal else self._shown(at):
            return MetricVerdict("better", "better than control", adjusted, 0)
        if goal:
            units = _units(self._weighed.units_to_better[at])
            return MetricVerdict("undecided", f"not shown to be better yet; {_more(units)}", adjusted, units)
        if self._running.acceptable[at] <= alpha:
            return MetricVerdict("not worse", f"worse by less than {metric.margin}, if at all", adjusted, 0)
        units = _units(self._weighed.units_to_acceptable[at])
        return MetricVerdict(
            "undecided", f"neither harm nor its absence is shown yet; {_more(units)}", adjusted, units
        )

    def _shown(self, at: tuple[int, int]) -> bool:
        """True if a metric that is not a goal is better: reported, but no decision depends on it."""
        return bool(
            self._running.acceptable[at] <= self._plan.alpha and self._running.better[at] <= self._plan.alpha
        )

    def arm(self, column: int, before: ArmReadout | None) -> ArmVerdict:
        """Decide on one arm; an earlier decision stands, except that harm overrules a promotion."""
        alpha = self._plan.alpha
        p = known(self._acceptable[column])
        harmed = [row for row in self._acting if self._harm[row, column] <= alpha]
        alarming = [row for row in self._signals if self._harm[row, column] <= alpha]
        better = [row for row in self._goals if self._better[row, column] <= alpha]
        if harmed or (before is not None and before.decision == "rollback"):
            names = self._names(harmed)
            words = f"roll back: worse in {names}" if names else (before.words if before else "")
            return ArmVerdict("rollback", words, 0, p)
        if self._srm_mismatch:
            return ArmVerdict("hold", "hold: units do not arrive in the planned proportions", None, p)
        if before is not None and before.decision == "promote":
            return ArmVerdict("promote", before.words, 0, p)
        if alarming:
            return ArmVerdict("hold", f"hold: worse in the signal {self._names(alarming)}", None, p)
        missing_goals = self._plan.goals - {metric.name for metric in self._metrics}
        passed = bool(self._required or self._goals) and p is not None and p <= alpha
        if passed and (better or not self._plan.goals):
            gain = f", and better in {self._names(better)}" if better else ""
            return ArmVerdict("promote", f"promote: nothing that must be proven is worse{gain}", 0, p)
        return self._hold(column, p, missing_goals)

    def _hold(self, column: int, p: float | None, missing_goals: frozenset[str]) -> ArmVerdict:
        verdicts = {row: self.metric(row, column) for row in {*self._required, *self._goals}}
        early = [row for row, each in verdicts.items() if each.verdict == "not enough data"]
        if early or missing_goals:
            names = ", ".join([*(self._metrics[row].name for row in sorted(early)), *sorted(missing_goals)])
            return ArmVerdict("hold", f"hold: not enough data yet for {names}", None, p)
        needed = {self._metrics[row].name: self._to_acceptable(row, column) for row in self._required}
        if self._goals:
            names = " or ".join(self._metrics[row].name for row in self._goals)
            needed[f"a gain in {names}"] = min(self._to_better(row, column) for row in self._goals)
        units = _units(max(needed.values(), default=np.inf))
        # Those that more units will not settle, where there are any: they alone are in the way.
        blocking = [
            name for name, more in needed.items() if more > 0 and (units is not None or _units(more) is None)
        ]
        undecided = f" in {', '.join(blocking)}" if blocking else ""
        return ArmVerdict("hold", f"hold: undecided{undecided}; {_more(units)}", units, p)

    def _names(self, rows: Sequence[int]) -> str:
        return ", ".join(self._metrics[row].name for row in rows)

    def _to_acceptable(self, row: int, column: int) -> float:
        if self._running.acceptable[row, column] <= self._plan.alpha:
            return 0.0
        return float(self._weighed.units_to_acceptable[row, column])

    def _to_better(self, row: int, column: int) -> float:
        if self._better[row, column] <= self._plan.alpha:
            return 0.0
        return float(self._weighed.units_to_better[row, column])


def _family(p: FloatArray, rows: Sequence[int]) -> FloatArray:
    """Holm-adjusted over some metrics and all arms together; NaN elsewhere."""
    adjusted = np.full(p.shape, np.nan)
    chosen = p[list(rows)]
    if chosen.size:
        adjusted[list(rows)] = holm(chosen.ravel()).reshape(chosen.shape)
    return adjusted


def _units(needed: float) -> int | None:
    return int(needed) if np.isfinite(needed) and needed < 2**53 else None


def _more(units: int | None) -> str:
    if units is None:
        return "as things are, more units will not settle it"
    return f"about {units:,} more units would settle it, if things go on like this"
