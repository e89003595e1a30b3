"""Verdicts on metrics and decisions on arms, from running p-values and from the estimates of now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, known
from coalmine_analytics.core.holm import holm
from coalmine_analytics.metrics import Metric
from coalmine_analytics.readout.circumstances import Circumstances
from coalmine_analytics.readout.evidence import Weighed
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.readout.scales import BETTER
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
    """Derives verdicts and decisions from one look.

    Args:
        metrics: M of them.
        plan: The plan.
        running: p-values up to this look.
        weighed: Evidence at this look.
        circumstances: What else matters.
        judged: Metrics that the plan judges, with or without data: they fix the families.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        plan: Plan,
        running: Running,
        weighed: Weighed,
        circumstances: Circumstances,
        *,
        judged: Sequence[Metric],
    ) -> None:
        self._metrics = metrics
        self._plan = plan
        self._running = running
        self._weighed = weighed
        self._here = circumstances
        self._budget = plan.budget
        self._acting = [row for row, metric in enumerate(metrics) if metric.role in ACTING]
        self._signals = [row for row, metric in enumerate(metrics) if metric.role == "signal"]
        self._goals = [row for row, metric in enumerate(metrics) if self.is_goal(metric)]
        gains = [row for row, metric in enumerate(metrics) if self._may_gain(metric)]
        self._harm = _family(running.harm, self._acting, sum(each.role in ACTING for each in judged))
        self._signalled = _family(running.harm, self._signals)
        self._better = _family(running.better, self._goals)
        self._gained = _family(running.better, gains, sum(self._may_gain(each) for each in judged))
        must_prove = np.array([[metric.role == "must_prove"] for metric in metrics], np.bool_)
        self._required: BoolArray = must_prove & ~circumstances.waived
        # All must pass, so the least proven one counts: NaN while one has too little data.
        self._acceptable = holm(np.where(self._required, running.acceptable, 0.0).max(axis=0, initial=0.0))

    def is_goal(self, metric: Metric) -> bool:
        """True if a promotion needs it, or another goal, to be better."""
        return metric.name in self._plan.goals

    def _may_gain(self, metric: Metric) -> bool:
        """True if it is judged, and may be better without being asked to."""
        return metric.role != "shown" and BETTER[metric.direction] != 0 and not self.is_goal(metric)

    def is_required(self, row: int, column: int) -> bool:
        """True if a promotion needs proof that this metric is not harmed."""
        return bool(self._required[row, column])

    def metric(self, row: int, column: int) -> MetricVerdict:
        """The verdict on one metric of one arm."""
        metric, at = self._metrics[row], (row, column)
        if np.isnan(self._running.difference[at]):
            if self._here.rare[at]:
                words = f"not applicable: hardly any of {self._here.units[column]:,} units has a value"
                return MetricVerdict("not applicable", words, None, None)
            return MetricVerdict("not enough data", "", None, None)
        if metric.role == "shown" and not self.is_goal(metric):
            return self._shown(metric, at)
        return self._judged(metric, at)

    def _shown(self, metric: Metric, at: tuple[int, int]) -> MetricVerdict:
        if self._running.difference[at] > self._plan.alpha:
            units = _units(self._weighed.forecasts.difference[at])
            words = "no difference shown yet; nothing depends on it"
            return MetricVerdict("no difference shown", words, None, units)
        # The sign at this look: that of the look that showed it may only differ where the effect is tiny.
        upward = bool(self._weighed.lower[at] + self._weighed.upper[at] > 0)
        verdict = difference_word(metric.direction, upward=upward)
        return MetricVerdict(verdict, f"{verdict} than control; nothing depends on it", None, 0)

    def _judged(self, metric: Metric, at: tuple[int, int]) -> MetricVerdict:
        alpha, goal = self._plan.alpha, self.is_goal(metric)
        harm, harm_alpha = self._harm_of(metric), self._alpha_of(metric)
        adjusted = known((self._better if goal else harm)[at])
        if harm[at] <= harm_alpha:
            beyond = f" by more than {metric.tolerance}" if metric.tolerance.value else ""
            return MetricVerdict("worse", f"worse than control{beyond}", adjusted, 0)
        gained = (self._better if goal else self._gained)[at]
        if gained <= alpha and (goal or self._running.acceptable[at] <= alpha):
            return MetricVerdict("better", "better than control", known(gained), 0)
        if goal:
            units = _units(self._weighed.forecasts.better[at])
            return MetricVerdict("undecided", f"not shown to be better yet; {_more(units)}", adjusted, units)
        if self._running.acceptable[at] <= alpha:
            return MetricVerdict("not worse", f"worse by less than {metric.margin}, if at all", adjusted, 0)
        units = _units(self._weighed.forecasts.acceptable[at])
        waived = metric.role == "must_prove" and not self._required[at]
        rest = f"not required, for it had no values, or only 0, {self._when}" if waived else _more(units)
        words = f"neither harm nor its absence is shown yet; {rest}"
        return MetricVerdict("undecided", words, adjusted, units)

    def arm(self, column: int, before: ArmReadout | None) -> ArmVerdict:
        """Decide on one arm; an earlier decision stands, except that a rollback overrules a promotion."""
        p = known(self._acceptable[column])
        harmed = [row for row in self._acting if self._harm[row, column] <= self._budget.overall]
        limits = self._here.broken_limits[column]
        reasons = [each for each in (limits, f"worse in {self._names(harmed)}" if harmed else "") if each]
        if reasons:
            return ArmVerdict("rollback", f"roll back: {'; '.join(reasons)}", 0, p)
        if before is not None and before.decision == "rollback":
            return ArmVerdict("rollback", before.words, 0, p)
        # A promotion that was decided does not stand without a comparison.
        if blocked := self._blocked():
            return ArmVerdict("hold", f"hold: {blocked}", None, p)
        if before is not None and before.decision == "promote":
            return ArmVerdict("promote", before.words, 0, p)
        return self._promotion(column, p)

    def _blocked(self) -> str | None:
        if self._here.no_control_since is not None:
            return f"no control since epoch {self._here.no_control_since}, nothing to compare with"
        return "units do not arrive in the planned proportions" if self._here.srm_mismatch else None

    def _promotion(self, column: int, p: float | None) -> ArmVerdict:
        """Promote, or hold and say why not."""
        if against := self._against(column):
            return ArmVerdict("hold", f"hold: {against}", None, p)
        better = [row for row in self._goals if self._better[row, column] <= self._plan.alpha]
        proven = bool(self._required[:, column].any() or better) and p is not None and p <= self._plan.alpha
        if not proven or (self._plan.goals and not better):
            return self._hold(column, p)
        if self._here.units[column] < self._plan.min_units:
            return self._too_few_units(column, p)
        return ArmVerdict("promote", self._promoted(column, better), 0, p)

    def _promoted(self, column: int, better: Sequence[int]) -> str:
        gain = f", and better in {self._names(better)}" if better else ""
        must_prove = [row for row in self._acting if self._metrics[row].role == "must_prove"]
        waived = [row for row in must_prove if not self._required[row, column]]
        unproven = (
            f"; not applicable: {self._names(waived)}, without values, or all 0, {self._when}"
            if waived
            else ""
        )
        return f"promote: nothing that must be proven is worse{gain}{unproven}"

    def _against(self, column: int) -> str | None:
        """What speaks against a promotion now, whatever was proven."""
        signals = [row for row in self._signals if self._signalled[row, column] <= self._plan.alpha]
        if signals:
            return f"worse in {self._names(signals)}, a signal"
        # Of this look, without correction: what was proven must not be rolled back after the next stage.
        now = np.exp(-np.fmax(self._weighed.harm[:, column], 0.0))
        suspected = [row for row in self._acting if now[row] <= self._plan.alpha]
        if suspected:
            return f"{self._names(suspected)} may be worse; no promotion while the data suggest it"
        beyond = [row for row in self._acting if (self._required & self._here.beyond_margin)[row, column]]
        if beyond:
            return f"{self._names(beyond)} is now worse by more than the margin; no promotion while it is"
        return None

    def _too_few_units(self, column: int, p: float | None) -> ArmVerdict:
        units, least = int(self._here.units[column]), self._plan.min_units
        needed = _units(np.ceil((least - units) * self._here.all_units / max(units, 1)))
        words = f"hold: a promotion needs {least:,} units in the arm, and there are {units:,}"
        return ArmVerdict("hold", words, needed, p)

    def _hold(self, column: int, p: float | None) -> ArmVerdict:
        required = np.flatnonzero(self._required[:, column]).tolist()
        verdicts = {row: self.metric(row, column) for row in {*required, *self._goals}}
        missing = ("not enough data", "not applicable")
        early = [row for row, each in verdicts.items() if each.verdict in missing]
        missing_goals = self._plan.goals - {metric.name for metric in self._metrics}
        if early and self._here.units[column] < self._plan.min_units:
            return self._too_few_units(column, p)
        if early or missing_goals:
            names = ", ".join([*(self._metrics[row].name for row in sorted(early)), *sorted(missing_goals)])
            return ArmVerdict("hold", f"hold: not enough data yet for {names}", None, p)
        needed = {self._metrics[row].name: self._to_acceptable(row, column) for row in required}
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

    def _harm_of(self, metric: Metric) -> FloatArray:
        return self._signalled if metric.role == "signal" else self._harm

    def _alpha_of(self, metric: Metric) -> float:
        return self._plan.alpha if metric.role == "signal" else self._budget.overall

    @property
    def _when(self) -> str:
        return f"when the arm had {self._plan.min_units:,} units and an hour had passed"

    def _names(self, rows: Sequence[int]) -> str:
        return ", ".join(self._metrics[row].name for row in rows)

    def _to_acceptable(self, row: int, column: int) -> float:
        if self._running.acceptable[row, column] <= self._plan.alpha:
            return 0.0
        return float(self._weighed.forecasts.acceptable[row, column])

    def _to_better(self, row: int, column: int) -> float:
        if self._better[row, column] <= self._plan.alpha:
            return 0.0
        return float(self._weighed.forecasts.better[row, column])


def _family(p: FloatArray, rows: Sequence[int], size: int = 0) -> FloatArray:
    """Holm-adjusted over some metrics and all arms together; NaN elsewhere.

    Args:
        p: Shape (M, T).
        rows: Those with data.
        size: Metrics of the family, if more than those.
    """
    adjusted = np.full(p.shape, np.nan)
    chosen = p[list(rows)]
    if chosen.size:
        absent = np.full(max(size - len(rows), 0) * p.shape[1], np.nan)
        family = holm(np.concatenate([chosen.ravel(), absent]))
        adjusted[list(rows)] = family[: chosen.size].reshape(chosen.shape)
    return adjusted


def _units(needed: float) -> int | None:
    return int(needed) if np.isfinite(needed) and needed < 2**53 else None


def _more(units: int | None) -> str:
    if units is None:
        return "as things are, more units will not settle it"
    return f"about {units:,} more units would settle it, if things go on like this"
