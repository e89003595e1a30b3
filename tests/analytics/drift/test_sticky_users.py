"""A few users make most requests, and each is different: days differ by who came, and that is no drift."""

from dataclasses import replace

import numpy as np
import pytest

from coalmine_analytics.drift import DriftPlan
from tests.support.data.simulated_users import REFERENCE_DAYS, Users, found_after_h, judged_users

STATED_H = 500.0
STRICT = DriftPlan(false_alarm_days=STATED_H / 24, tolerance=0.0)
WATCHED_H = (44 - REFERENCE_DAYS) * 24


def run_length_h(users: Users, seeds: range, *, shared: bool = True) -> float:
    found = [found_after_h(users, seed, STRICT, 1, shared=shared) for seed in seeds]
    watched = sum(WATCHED_H if after is None else after for after in found)
    return watched / max(1, sum(after is not None for after in found))


def test_days_that_differ_by_who_came_are_no_drift() -> None:
    assert run_length_h(Users(), range(5)) >= STATED_H


@pytest.mark.campaign
@pytest.mark.parametrize(
    "users", [Users(), Users(churn=0.0), Users(count=100, spread=0.15), Users(2_000, requests_per_day=10_000)]
)
def test_false_alarms_are_as_rare_as_stated(users: Users) -> None:
    assert run_length_h(users, range(100, 140)) >= STATED_H


def test_hours_taken_for_independent_would_alarm_at_once() -> None:
    alarms = 0
    for seed in range(5):
        found, _ = judged_users(Users(), seed, STRICT)
        found.reference = replace(found.reference, lasting=0.0)
        found.sigma = np.sqrt(found.reference.variance_per_x / found.buckets.x)  # sampling alone
        total = np.logaddexp(*found.evidence(STRICT))
        alarms += bool((total >= found.log_threshold(STRICT, 1)).any())
    assert alarms >= 4


def test_a_shift_of_everybody_is_found_all_the_same() -> None:
    users = Users(2_000, requests_per_day=10_000, shift=-0.16)
    before = (users.shift_day - REFERENCE_DAYS) * 24
    delays = [found_after_h(users, seed, DriftPlan(), 14) for seed in range(4)]
    assert all(delay is not None and before < delay <= before + 72 for delay in delays)
    assert found_after_h(replace(users, shift=0.0), 0, DriftPlan(), 14) is None
