"""Users who are themselves: a few make most requests, each has a quality of their own, and days off."""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.drift import DriftPlan
from coalmine_analytics.drift.metric import MonitoredMetric, Window, monitored
from coalmine_analytics.metrics import BUILT_IN
from coalmine_consumers.drift import DaySeries
from tests.support.data.simulated_version import FIRST_HOUR, GROUPS, day_series, hour_series

REFERENCE_DAYS = 14
QUALITY = next(metric for metric in BUILT_IN if metric.name == "quality")


@dataclass(frozen=True, slots=True)
class Users:
    """The users of one service."""

    count: int = 300
    days: int = 44
    requests_per_day: float = 2_000.0
    spread: float = 0.1
    """Standard deviation of users' own quality; that of a request beyond that is 0.15."""
    activity_tail: float = 1.3
    """Exponent of a Pareto distribution: the smaller, the more of all requests come from a few."""
    active: float = 0.3
    """Share of days on which a user comes."""
    churn: float = 0.05
    """Share of users replaced each day."""
    shift: float = 0.0
    """Of everybody's quality, from `shift_day` on."""
    shift_day: int = 24


def judged_users(users: Users, seed: int, plan: DriftPlan) -> tuple[MonitoredMetric, DaySeries]:
    """Quality of a service against its first days, and who was behind it."""
    random = np.random.default_rng(seed)
    activity = random.pareto(users.activity_tail, users.count) + 0.1
    own, group = random.normal(0, users.spread, users.count), random.integers(0, GROUPS, users.count)
    season = 1 - 0.6 * np.cos(2 * np.pi * np.arange(24) / 24)
    x, y = (np.zeros((users.days * 24, GROUPS)) for _ in range(2))
    for day in range(users.days):
        gone = random.random(users.count) < users.churn
        activity[gone] = random.pareto(users.activity_tail, int(gone.sum())) + 0.1
        own[gone] = random.normal(0, users.spread, int(gone.sum()))
        group[gone] = random.integers(0, GROUPS, int(gone.sum()))
        here = np.where(random.random(users.count) < users.active, activity / activity.mean(), 0.0)
        rate = users.requests_per_day / 24 / users.count / users.active
        calls = random.poisson(here[:, None] * season * rate)
        level = 0.8 + own + users.shift * (day >= users.shift_day)
        sums = level[:, None] * calls + random.normal(0, 0.15 * np.sqrt(calls))
        for hour in range(24):
            x[day * 24 + hour] += np.bincount(group, calls[:, hour], GROUPS)
            y[day * 24 + hour] += np.bincount(group, sums[:, hour], GROUPS)
    window = Window(FIRST_HOUR + REFERENCE_DAYS * 24, FIRST_HOUR + users.days * 24)
    found = monitored(QUALITY, hour_series(x, y), plan, FIRST_HOUR, window)
    assert found is not None
    return found, day_series(x, y)


def found_after_h(
    users: Users, seed: int, plan: DriftPlan, metrics: int, *, shared: bool = True
) -> int | None:
    """Hours from the end of the reference until drift is told of.

    Args:
        users: Of the service.
        seed: Of everything random.
        plan: How it is judged.
        metrics: Judged beside each other.
        shared: False leaves out who was behind it.
    """
    found, days = judged_users(users, seed, plan)
    finding = found.find(found.evidence(plan), found.log_threshold(plan, metrics), days if shared else None)
    if finding is None:
        return None
    return int(found.buckets.start[finding.place]) + found.reference.length - found.window.until
