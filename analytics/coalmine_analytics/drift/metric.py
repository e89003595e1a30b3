"""One metric of an unchanged version: its reference, its evidence, and the drift that follows."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.drift.buckets import Buckets, bucketed
from coalmine_analytics.drift.change import SHARED_Z, Beginning, Shift, beginning, shared_z, shift_of
from coalmine_analytics.drift.e_detector import log_evidence
from coalmine_analytics.drift.plan import DriftPlan
from coalmine_analytics.drift.reference import DAY_H, FLOOR_SD, Reference, take_reference
from coalmine_analytics.metrics import Metric
from coalmine_consumers.drift import DaySeries, HourSeries

LATE_H = 24
"""Feedback arrives hours after its request: its metrics are judged this much later."""
LATE = frozenset({"feedback", "corrections", "thumbs_up", "rating"})
RECENT_H = 7 * DAY_H
"""The current value of a metric is taken over this many hours."""
RETURN_H = 3 * DAY_H
"""A drift is over once this many hours match the reference."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours since 1970: [since, until)."""

    since: int
    until: int


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A drift that was found, in places of buckets."""

    place: int
    """The bucket in which it was found."""
    upward: bool
    began: Beginning
    shift: Shift
    returned: bool


class MonitoredMetric:
    """One metric with a reference, and its buckets after it."""

    def __init__(
        self, metric: Metric, window: Window, reference: Reference, monitored: Buckets, level: float
    ) -> None:
        self.metric = metric
        self.window = window
        self.reference = reference
        self.buckets = monitored
        self.level = level
        """Value over the whole reference."""
        self.expected = reference.expected_of(monitored)
        self.sigma = reference.sigma_of(monitored)

    @property
    def size(self) -> float:
        """The smallest shift that matters: the metric's margin."""
        margin = self.metric.margin.value * (abs(self.level) if self.metric.margin.relative else 1.0)
        # Without a margin, or relative to 0: a fifth of a request's standard deviation.
        return margin if margin > 0 else 0.2 * math.sqrt(self.reference.variance_per_x)

    def tolerance(self, plan: DriftPlan) -> float:
        """The largest shift that is not drift.

        A share of the margin plus the reference's own uncertainty, or what days differ by if that is more.
        """
        small = plan.tolerance * self.size + FLOOR_SD * self.reference.standard_error
        return max(small, self.reference.lasting)

    def evidence(self, plan: DriftPlan) -> FloatArray:
        """Log evidence after each bucket, for up and for down, shape (2, T)."""
        if not len(self.buckets.x):
            return np.full((2, 0), -np.inf)
        deviation = self.buckets.ratio - self.expected
        return log_evidence(deviation, self.sigma, tolerance=self.tolerance(plan), size=self.size)

    def log_threshold(self, plan: DriftPlan, metrics: int) -> float:
        """Log evidence that raises an alarm. The mean of all metrics' e-detectors is itself an e-detector."""
        hours = plan.false_alarm_days * DAY_H
        return math.log(max(hours / self.reference.length * metrics, 1.0))

    def find(self, evidence: FloatArray, log_threshold: float, days: DaySeries | None) -> Finding | None:
        """Find the first bucket with enough evidence whose shift many units share."""
        total = np.logaddexp(evidence[0], evidence[1])
        deviation = self.buckets.ratio - self.expected
        for place in np.flatnonzero(total >= log_threshold).tolist():
            upward = bool(evidence[0, place] >= evidence[1, place])
            began = beginning(deviation, self.sigma, place, upward=upward)
            if days is None or self._is_shared(days, began, place, upward=upward):
                shift = self.shift_over(slice(began.most_likely, None))
                if shift is not None:
                    return Finding(place, upward, began, shift, self._has_returned(place, shift))
        return None

    def shift_over(self, chosen: slice) -> Shift | None:
        """Estimate the shift over some buckets."""
        return shift_of(
            self.buckets.x[chosen],
            self.buckets.y[chosen],
            self.expected[chosen],
            self.sigma[chosen],
            standard_error=self.reference.standard_error,
            size=self.size,
        )

    def recent(self) -> Shift | None:
        """Estimate the shift over the last seven days."""
        return self._since_hour(RECENT_H)

    def lately(self) -> Shift | None:
        """Estimate the shift over the last three days, which may go on after a drift was found."""
        return self._since_hour(RETURN_H)

    def _since_hour(self, length: int) -> Shift | None:
        if not len(self.buckets.start):
            return None
        end = int(self.buckets.start[-1]) + self.reference.length
        return self.shift_over(slice(int(np.searchsorted(self.buckets.start, end - length)), None))

    def _is_shared(self, days: DaySeries, began: Beginning, place: int, *, upward: bool) -> bool:
        chosen = slice(began.most_likely, place + 1)
        x, expected = self.buckets.x[chosen], self.expected[chosen]
        known = np.isfinite(expected)
        level = float((x[known] * expected[known]).sum() / x[known].sum())
        first, last = (int(self.buckets.start[at]) // DAY_H for at in (began.most_likely, place))
        usual = (self.window.since // DAY_H, self.window.until // DAY_H - 1)
        z = shared_z(days, (first, last), usual, level=level)
        return (z if upward else -z) >= SHARED_Z

    def _has_returned(self, place: int, shift: Shift) -> bool:
        lasted = int(self.buckets.start[-1] - self.buckets.start[place])
        now = self.lately()
        if now is None or lasted < RETURN_H:
            return False
        return now.lower <= 0 <= now.upper and abs(now.size) < abs(shift.size) / 2


def monitored(
    metric: Metric,
    hours: HourSeries,
    plan: DriftPlan,
    begun: int,
    window: Window,
    *,
    ignored: Collection[int] = (),
) -> MonitoredMetric | None:
    """Match a metric with its reference; None if that has too little data, or nothing varies.

    Args:
        metric: The metric that `hours` belong to.
        hours: All stored hours.
        plan: Fixed before looking.
        begun: First hour of the version.
        window: Complete hours after the version's reference: [end of it, until).
        ignored: Days since 1970 that do not count.
    """
    until = window.until - (LATE_H if metric.cells in LATE else 0)
    mine = own_window(hours, plan, begun, window.since)
    groups = hours.groups.astype(np.float64)
    noise = np.where(groups > 1, groups / np.maximum(groups - 1.0, 1.0), 0.0) * hours.residual_ss
    all_hours = Buckets(hours.hour, hours.x, hours.y * metric.scale, noise * metric.scale**2)
    counts = ~np.isin(hours.hour // DAY_H, list(ignored))
    first = all_hours.part(counts & (hours.hour >= mine.since) & (hours.hour < mine.until))
    if until <= mine.until or not len(first.x):
        return None
    reference = take_reference(first, is_rate=metric.kind == "rate", match=plan.match_season)
    if reference is None:
        return None
    later = bucketed(
        all_hours.part(counts & (hours.hour >= mine.until) & (hours.hour < until)), reference.length
    )
    complete = later.part(later.start + reference.length <= until)
    return MonitoredMetric(metric, mine, reference, complete, float(first.y.sum() / first.x.sum()))


def own_window(hours: HourSeries, plan: DriftPlan, begun: int, end: int) -> Window:
    """A metric's reference: the version's, or an equally long one from its first values on."""
    first = int(hours.hour[0]) if len(hours.hour) else begun
    if first < begun + DAY_H:
        return Window(begun, end)
    length = max(end - begun, plan.reference.days * DAY_H)
    return Window(first, -(-(first + length) // DAY_H) * DAY_H)
