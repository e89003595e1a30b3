"""References: levels by place of the season, and noise that is neither missed nor made up."""

from dataclasses import replace

import numpy as np
import pytest

from coalmine_analytics.drift.buckets import Buckets, bucketed
from coalmine_analytics.drift.reference import Reference, take_reference
from tests.support.data.simulated_seasons import FIRST_HOUR, Season, hours_of

PLAIN = Season(daily=0, weekly=0, wander=0, days=14)


def taken(season: Season, seed: int = 1, *, match: bool = True) -> Reference:
    hours = hours_of(season, np.random.default_rng(seed))
    found = take_reference(hours, is_rate=season.kind == "rate", match=match)
    assert found is not None
    return found


def test_each_hour_of_the_week_has_its_own_level() -> None:
    season = Season(days=28, daily=0.1, weekly=0.2, wander=0.002, units_per_hour=400)
    found = taken(season)
    assert (found.matching, found.length) == ("hour of week", 1)
    hour = np.arange(168)
    start = FIRST_HOUR + hour
    expected = found.expected_of(Buckets(start, np.ones(168), np.ones(168), np.ones(168)))
    true = 0.8 * (1 + 0.1 * np.sin(2 * np.pi * (hour % 24) / 24) - 0.2 * (hour // 24 >= 5))
    assert expected == pytest.approx(true, abs=0.05)
    assert np.abs(expected - true).mean() < 0.006


@pytest.mark.parametrize(
    ("days", "matching"), [(28, "hour of week"), (14, "hour of week"), (13, "hour of day"), (2, "none")]
)
def test_the_season_is_matched_as_far_as_the_reference_is_long_enough(days: float, matching: str) -> None:
    assert taken(replace(PLAIN, days=days)).matching == matching


def test_hours_that_differ_only_by_chance_have_no_variance_of_their_own() -> None:
    found = [taken(PLAIN, seed) for seed in range(20)]
    sampling = np.median([each.variance_per_x for each in found]) / 100
    assert np.median([each.hour_variance for each in found]) < 0.2 * sampling


def test_the_variance_between_hours_is_found() -> None:
    found = [taken(replace(PLAIN, days=28, wander=0.03, memory=0.0), seed) for seed in range(20)]
    sd = np.sqrt(np.mean([each.hour_variance for each in found]))
    assert sd == pytest.approx(0.03 * 0.8, rel=0.15)
    # Hours that forget at once are little inflated, by the chance of looking at two lengths of blocks.
    assert np.mean([each.inflation for each in found]) < 1.6


def test_hours_that_wander_together_inflate_the_noise() -> None:
    found = [taken(replace(PLAIN, days=28, wander=0.03, memory=0.8), seed) for seed in range(20)]
    assert np.mean([each.inflation for each in found]) > 3


@pytest.mark.parametrize("days", [14, 28])
def test_what_days_differ_by_may_last(days: float) -> None:
    """Students's t of as many days as there are to compare, and as many weeks as the reference has."""
    calm = [taken(replace(PLAIN, days=days), seed) for seed in range(20)]
    restless = [taken(replace(PLAIN, days=days, day_sd=0.03), seed) for seed in range(20)]
    assert np.median([each.lasting for each in calm]) < 0.02 * 0.8
    # A later day is further off than this in one of a hundred services.
    assert np.median([each.lasting for each in restless]) > 2.3 * 0.03 * 0.8
    assert np.median([each.lasting for each in restless]) < 6 * 0.03 * 0.8


def test_weeks_that_differ_are_seen_in_two_weeks() -> None:
    weeks = replace(PLAIN, units_per_hour=400, weeks=(0.0, 0.04))
    # The two are 4 % apart, each 2 % from their mean; one difference says little of how much weeks differ.
    assert taken(weeks).lasting > 4 * 0.02 * 0.8
    assert taken(replace(weeks, weeks=())).lasting < 0.02 * 0.8


def test_standardised_hours_are_not_wider_than_they_should_be() -> None:
    """Over fresh hours, with all that the reference does not know."""
    season = Season(days=44, wander=0.02, memory=0.3)
    widths = []
    for seed in range(15):
        hours = hours_of(season, np.random.default_rng(seed))
        first = hours.start < FIRST_HOUR + 14 * 24
        found = take_reference(hours.part(first), is_rate=False)
        assert found is not None
        later = hours.part(~first)
        widths.append(float(np.std((later.ratio - found.expected_of(later)) / found.sigma_of(later))))
    assert 0.6 < np.mean(widths) <= 1.0


def test_little_traffic_is_judged_in_longer_buckets() -> None:
    assert taken(replace(PLAIN, units_per_hour=200)).length == 1
    assert taken(replace(PLAIN, units_per_hour=5)).length in (4, 6, 8)
    rare = replace(PLAIN, kind="rate", level=0.005, units_per_hour=20, days=28)
    assert taken(rare).length == 24


def test_buckets_add_up() -> None:
    hours = hours_of(PLAIN, np.random.default_rng(1))
    found = bucketed(hours, 6)
    assert found.x.sum() == pytest.approx(hours.x.sum())
    assert found.noise.sum() == pytest.approx(hours.noise.sum())
    assert (found.start % 6 == 0).all()


def test_an_outage_in_the_reference_is_left_out_of_it() -> None:
    season = Season(kind="rate", level=0.03, daily=0.2, weekly=0.1, wander=0.05, days=14, units_per_hour=200)
    hours = hours_of(season, np.random.default_rng(4))
    broken = hours.y.copy()
    broken[100:103] = 0.6 * hours.x[100:103]
    calm = take_reference(hours, is_rate=True)
    odd = take_reference(Buckets(hours.start, hours.x, broken, hours.noise), is_rate=True)
    assert calm is not None
    assert odd is not None
    assert odd.hour_variance < 3 * calm.hour_variance + 1e-5
    assert int(np.isnan(odd.expected).sum()) >= 3


def test_nothing_comes_of_too_little_or_of_values_that_never_vary() -> None:
    hours = hours_of(PLAIN, np.random.default_rng(1))
    assert take_reference(hours.part(hours.start < FIRST_HOUR + 4), is_rate=False) is None
    still = Buckets(hours.start, hours.x, 0.5 * hours.x, np.zeros_like(hours.x))
    assert take_reference(still, is_rate=False) is None
    # A rate that was always 0 can still rise: how much it varies follows from its being a rate.
    never = Buckets(hours.start, hours.x, np.zeros_like(hours.x), np.zeros_like(hours.x))
    assert take_reference(never, is_rate=True) is not None


def test_a_reference_is_fitted_once_to_the_same_hours() -> None:
    hours = hours_of(PLAIN, np.random.default_rng(1))
    found = take_reference(hours, is_rate=False)
    assert take_reference(hours.part(np.ones(len(hours.x), np.bool_)), is_rate=False) is found
    for odd in ("start", "x", "y", "noise"):
        numbers = getattr(hours, odd).copy()
        numbers[0] += 1
        assert take_reference(replace(hours, **{odd: numbers}), is_rate=False) is not found
    assert take_reference(hours, is_rate=True) is not found
    assert take_reference(hours, is_rate=False, match=False) is not found
