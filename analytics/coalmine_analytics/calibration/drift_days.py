"""Trials of drift detection on a service whose days and weeks differ although nothing has changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.signal import lfilter

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.calibration.trial import Outcome, Role, Row
from coalmine_analytics.drift.metric import MonitoredMetric, Window, monitored
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.metrics import BUILT_IN, Metric
from coalmine_consumers.drift import HourSeries

FIRST_HOUR = 489_984
"""Hours since 1970; a midnight."""
DAY_H = 24
FEWER = 5
"""A service is a year of hours: one is simulated for so many replications of other cells."""
LEVEL, DAILY, WEEKEND = 0.8, 0.03, 0.03
VARIANCE = 0.055
"""Of one request (a standard deviation of 0.2), with the correlation of a unit's 1.8 requests."""
HOURS_SD, HOURS_MEMORY = 0.01, 0.5
"""Hours differ beyond sampling, and are correlated with the hour before; relative to the level."""


@dataclass(frozen=True, slots=True)
class Service:
    """A version's quality by hour; sizes are relative to the level."""

    days: int
    requests_per_hour: float = 108.0
    reference_days: int = 14
    day_sd: float = 0.0
    day_memory: float = 0.0
    """Correlation of a day with the day before."""
    week_sd: float = 0.0
    shift: float = 0.0
    shift_at_day: int = 0
    shift_days: int = 10_000
    a_day: float = 0.0
    """Trend after the reference."""

    def hours(self, rng: np.random.Generator) -> HourSeries:
        """Draw the hours of one service."""
        hour = np.arange(self.days * DAY_H)
        day = hour // DAY_H
        angle = 2 * np.pi * (hour % DAY_H) / DAY_H
        weekend = day % 7 >= 5
        traffic = self.requests_per_hour * (1 - 0.6 * np.cos(angle)) * np.where(weekend, 0.5, 1.0)
        x = np.maximum(rng.poisson(traffic), 2).astype(np.float64)
        changed = (day >= self.shift_at_day) & (day < self.shift_at_day + self.shift_days)
        level = LEVEL * (1 + DAILY * np.sin(angle) - WEEKEND * weekend)
        level *= (
            1
            + HOURS_SD * _wandering(rng, len(hour), HOURS_MEMORY)
            + self.day_sd * _wandering(rng, self.days, self.day_memory)[day]
            + self.week_sd * rng.standard_normal(self.days // 7 + 1)[day // 7]
            + self.shift * changed
            + self.a_day * np.maximum(day - self.reference_days, 0)
        )
        y = level * x + np.sqrt(VARIANCE * x) * rng.standard_normal(len(hour))
        units: IntArray = np.maximum(np.round(x / 1.8), 2).astype(np.int64)
        residual = np.asarray(VARIANCE * x * rng.chisquare(units - 1) / units, np.float64)
        return HourSeries(FIRST_HOUR + hour, units, x, y, residual)

    def judged(self, rng: np.random.Generator, plan: DriftPlan) -> MonitoredMetric:
        """Draw one service and compare it with the reference of its own first days."""
        window = Window(FIRST_HOUR + self.reference_days * DAY_H, FIRST_HOUR + self.days * DAY_H)
        found = monitored(_quality(), self.hours(rng), plan, FIRST_HOUR, window)
        if found is None:
            raise AssertionError(f"no reference in {self}")
        return found


def _wandering(rng: np.random.Generator, count: int, memory: float) -> FloatArray:
    """A stationary series with variance 1."""
    steps = rng.standard_normal(count)
    steps[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], steps))


@cache
def _quality() -> Metric:
    return next(metric for metric in BUILT_IN if metric.name == "quality")


def hours_until_alarm(found: MonitoredMetric, plan: DriftPlan, metrics: int = 1) -> float:
    """Hours from the end of the reference to the first alarm; infinite without one."""
    total = np.logaddexp(*found.evidence(plan))
    alarms = np.flatnonzero(total >= found.log_threshold(plan, metrics))
    if not len(alarms):
        return np.inf
    return float(found.buckets.start[alarms[0]]) + found.reference.length - found.window.until


def only_hours(found: MonitoredMetric) -> MonitoredMetric:
    """The same service judged as if days did not differ for longer than their hours show."""
    reference = replace(found.reference, lasting=0.0)
    return MonitoredMetric(found.metric, found.window, reference, found.buckets, found.level)


@dataclass(frozen=True, slots=True)
class UnchangedDays:
    """Nothing has changed, but days or weeks differ: how many false alarms are there in a year?

    The rate is alarms over years watched until the first one: 1 is what is stated.
    """

    cell: str
    service: Service
    hours_alone_reach: float | None = None
    role: Role = "ours"

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Hours until the first alarm, with what days differ by and without."""
        plan, found = DEFAULT_DRIFT_PLAN, []
        for _ in range(replications // FEWER):
            judged = self.service.judged(rng, plan)
            found.append([hours_until_alarm(each, plan) for each in (judged, only_hours(judged))])
        days, hours = np.array(found).T
        return {"days": days, "hours": hours}

    def judge(self, outcome: Outcome) -> list[Row]:
        """A row for each way, the second one a negative control."""
        count = len(outcome["days"])
        rate, control = (self._a_year(outcome[name]) for name in ("days", "hours"))
        rows = [Row(self.cell, "drift: false alarms a year", rate, count, 1.0, self.role)]
        if self.hours_alone_reach is not None:
            reach = self.hours_alone_reach
            rows.append(Row(self.cell, "hours alone: false alarms a year", control, count, reach, "control"))
        return rows

    def _a_year(self, after_h: FloatArray) -> float:
        longest = (self.service.days - self.service.reference_days) * DAY_H
        watched = float(np.minimum(after_h, longest).sum())
        return float(np.isfinite(after_h).sum()) * 365 * DAY_H / watched


@dataclass(frozen=True, slots=True)
class ShiftFound:
    """A lasting shift beside thirteen other metrics: after how many hours have half the services found it?"""

    cell: str
    service: Service
    within_h: float
    metrics: int = 14

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Hours from the shift until it is found."""
        plan = DEFAULT_DRIFT_PLAN
        before = (self.service.shift_at_day - self.service.reference_days) * DAY_H
        after = [
            hours_until_alarm(self.service.judged(rng, plan), plan, self.metrics) - before
            for _ in range(replications // FEWER)
        ]
        return {"delay": np.array(after)}

    def judge(self, outcome: Outcome) -> list[Row]:
        """The median delay."""
        delay = outcome["delay"]
        median = float(np.median(delay))
        return [Row(self.cell, "drift: median hours until found", median, len(delay), self.within_h)]


def drift_cells(*, everything: bool) -> Iterator[UnchangedDays | ShiftFound]:
    """Yield the cells.

    Args:
        everything: Also those that differ little from others, and those beyond what is promised.
    """
    days = Service(379, day_sd=0.02, day_memory=0.8)
    weeks = Service(379, week_sd=0.02)
    yield UnchangedDays("drift: days differ by 2 %, correlated 0.8", days, hours_alone_reach=1.1)
    yield UnchangedDays("drift: weeks differ by 2 %", weeks, hours_alone_reach=1.1)
    for shift, within_h in ((-0.05, 60.0), (-0.1, 16.0)):
        service = Service(60, shift=shift, shift_at_day=24)
        yield ShiftFound(f"drift: quality {shift:.0%}, 60 users an hour", service, within_h)
    if not everything:
        return
    busy = replace(weeks, requests_per_hour=720.0)
    yield UnchangedDays("drift: weeks differ by 2 %, 400 users an hour", busy, hours_alone_reach=1.1)
    yield UnchangedDays("drift: weeks differ by 4 %", replace(weeks, week_sd=0.04), hours_alone_reach=1.1)
    yield UnchangedDays("drift: days differ by 2 %", replace(days, day_memory=0.0))
    yield UnchangedDays("drift: days differ by 5 %, correlated 0.8", replace(days, day_sd=0.05))
    short = Service(369, week_sd=0.02, reference_days=4)
    holiday = Service(44, 720.0, shift=0.03, shift_at_day=24, shift_days=3)
    trend = Service(379, a_day=0.01 / 30)
    for cell, service in (
        ("weeks differ by 2 %, 4 days of reference", short),
        ("3 days of +3 % that nobody named, 400 users an hour", holiday),
        ("a trend of 1 % a month", trend),
    ):
        yield UnchangedDays(f"drift: {cell}", service, role="beyond")
