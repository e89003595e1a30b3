"""Run lengths and delays on simulated seasons; and what happens without the care that is taken."""

from dataclasses import replace

import numpy as np
import pytest

from coalmine_analytics.drift import DriftPlan
from coalmine_analytics.drift.metric import MonitoredMetric
from tests.support.data.simulated_seasons import (
    REFERENCE_DAYS,
    Season,
    alarm_after_h,
    hours_of,
    judged_season,
    run_length_h,
)

STATED_H = 500.0
STRICT = DriftPlan(false_alarm_days=STATED_H / 24, tolerance=0.0)
"""The hard case: the smallest lasting shift counts."""
YEARLY = DriftPlan()
METRICS = 14
"""Beside so many metrics, as of a version that has them all."""

SEASONS = {
    "quality": Season(),
    "quality, wandering": Season(memory=0.8),
    "quality, little traffic": Season(units_per_hour=5),
    "quality, growing": Season(growth=4),
    "errors 3 %": Season(kind="rate", level=0.03, daily=0.3, weekly=0.3, wander=0.1),
    "errors 0.5 %, growing": Season(
        kind="rate", level=0.005, daily=0.3, weekly=0.3, wander=0.1, units_per_hour=20, growth=4
    ),
    "rate 90 %": Season(kind="rate", level=0.9),
    "latency": Season(kind="latency", level=1000.0, spread=0.8, daily=0.2, weekly=0.1, wander=0.05),
    "latency, heavy tail": Season(
        kind="latency", level=1000.0, spread=1.5, daily=0.2, weekly=0.1, wander=0.05
    ),
}
SHOWN = ("quality, wandering", "quality, growing", "errors 3 %", "latency")


def without_care(found: MonitoredMetric) -> MonitoredMetric:
    """The same evidence with the noise of sampling alone: hours do not differ, the reference is exact."""
    reference = found.reference
    bare = replace(
        reference,
        hour_variance=0.0,
        inflation=1.0,
        doubt=1.0,
        standard_error=0.0,
        lasting=0.0,
        place_variance=np.zeros_like(reference.place_variance),
    )
    return MonitoredMetric(found.metric, found.window, bare, found.buckets, found.level)


@pytest.mark.parametrize("name", SHOWN)
def test_false_alarms_are_as_rare_as_stated(name: str) -> None:
    assert run_length_h(SEASONS[name], range(25), STRICT) >= STATED_H


@pytest.mark.campaign
@pytest.mark.parametrize("name", SEASONS)
def test_false_alarms_are_as_rare_as_stated_in_every_season(name: str) -> None:
    assert run_length_h(SEASONS[name], range(1_000, 1_300), STRICT) >= STATED_H


@pytest.mark.campaign
@pytest.mark.parametrize("name", SEASONS)
def test_a_year_means_a_year(name: str) -> None:
    found = [judged_season(SEASONS[name], seed, YEARLY) for seed in range(2_000, 2_300)]
    alarms = sum(alarm_after_h(each, YEARLY, METRICS) is not None for each in found)
    # 300 services watched for 60 days; one metric of fourteen may alarm once in 14 years: 3.5 in all.
    assert alarms <= 8


@pytest.mark.campaign
@pytest.mark.parametrize("direction", [-1, 1])
def test_a_shift_of_the_tolerance_is_no_drift(direction: int) -> None:
    plan = DriftPlan(false_alarm_days=STATED_H / 24)
    shift = direction * 0.03 / 3
    season = Season(shift=shift, shift_at_day=REFERENCE_DAYS)
    assert run_length_h(season, range(100), plan) >= STATED_H


def test_without_season_and_over_dispersion_false_alarms_are_far_more_frequent() -> None:
    plan = replace(STRICT, match_season=False)
    watched = alarms = 0
    for seed in range(15):
        found = without_care(judged_season(SEASONS["quality"], seed, plan))
        after = alarm_after_h(found, plan)
        watched += 60 * 24 if after is None else after
        alarms += after is not None
    assert watched / alarms < STATED_H / 4


def test_the_season_alone_does_not_make_an_alarm_where_it_is_not_matched_but_hides_drift() -> None:
    blind = replace(YEARLY, match_season=False)
    season = Season(daily=0.08, weekly=0.08, shift=-0.05)
    delays = {
        plan.match_season: [
            alarm_after_h(judged_season(season, seed, plan), plan, METRICS) for seed in range(8)
        ]
        for plan in (YEARLY, blind)
    }
    assert all(delay is not None and delay > 240 for delay in delays[True])
    assert sum(delay is None or delay > 3 * max(filter(None, delays[True])) for delay in delays[False]) >= 6


def test_a_z_test_every_hour_alarms_within_days() -> None:
    """Each has a chance of 1 in 500 to err, which looks like a run length of 500 hours."""
    lengths = []
    for seed in range(15):
        found = without_care(judged_season(SEASONS["quality, wandering"], seed, STRICT))
        z = (found.buckets.ratio - found.expected) / found.sigma
        lengths.append(int(np.flatnonzero(np.abs(z) > 3.09)[0]) + 1)
    assert np.mean(lengths) < STATED_H / 10


@pytest.mark.parametrize(("shift", "within_h"), [(-0.05, 80), (-0.10, 16), (-0.20, 12), (0.10, 16)])
def test_shifts_of_quality_are_found_in_sensible_time(shift: float, within_h: int) -> None:
    season = Season(days=32, shift=shift)
    before = (season.shift_at_day - REFERENCE_DAYS) * 24
    found = [judged_season(season, seed, YEARLY) for seed in range(12)]
    delays = [alarm_after_h(each, YEARLY, METRICS) for each in found]
    assert all(delay is None or delay > before for delay in delays)
    assert np.median([np.inf if delay is None else delay - before for delay in delays]) <= within_h


def test_simulated_hours_are_what_they_say() -> None:
    season = Season(days=28, kind="rate", level=0.2, daily=0, weekly=0, wander=0)
    hours = hours_of(season, np.random.default_rng(1))
    assert hours.y.sum() / hours.x.sum() == pytest.approx(0.2, abs=0.005)
    # Requests of a unit go together: their hours vary more than independent ones would.
    plain = 0.2 * 0.8 * hours.x.sum()
    assert 1.2 * plain < hours.noise.sum() < 2.0 * plain
