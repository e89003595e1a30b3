"""Arrivals: counts are Poisson, so five standard deviations around the expected count bound them."""

import math
import random
from itertools import takewhile

import pytest

from coalmine_simulator.distributions import Lognormal
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.traffic import Traffic, session_starts

DAY_S = 86_400.0


def starts(traffic: Traffic, until_s: float, seed: int = 1) -> list[float]:
    return list(takewhile(lambda at_s: at_s < until_s, session_starts(traffic, random.Random(seed))))


@pytest.mark.parametrize("amplitude", [0.0, 0.5, 0.95])
def test_a_whole_day_has_the_stated_mean_rate(amplitude: float) -> None:
    traffic = Traffic(requests_per_s=0.5, calls_per_session=1, daily_amplitude=amplitude)
    expected = 0.5 * DAY_S
    assert len(starts(traffic, DAY_S)) == pytest.approx(expected, abs=5 * math.sqrt(expected))


@pytest.mark.parametrize("hours", [1.0, 6.0, 13.0])
def test_part_of_a_day_has_the_rate_of_its_hours(hours: float) -> None:
    traffic = Traffic(requests_per_s=1.0, calls_per_session=1, daily_amplitude=0.8, hour_at_start=3.0)
    expected = traffic.expected_requests(hours * 3600)
    assert len(starts(traffic, hours * 3600)) == pytest.approx(expected, abs=5 * math.sqrt(expected))


def test_the_peak_hour_is_the_busiest() -> None:
    traffic = Traffic(
        requests_per_s=1.0, calls_per_session=1, daily_amplitude=0.5, peak_hour=15, hour_at_start=0
    )
    per_hour = [0] * 24
    for at_s in starts(traffic, DAY_S):
        per_hour[int(at_s // 3600)] += 1
    assert sum(per_hour[13:17]) > 2 * sum(per_hour[1:5])
    assert traffic.level(15 * 3600) == pytest.approx(1.5)
    assert traffic.level(3 * 3600) == pytest.approx(0.5)


def test_expected_requests_is_the_integral_of_the_level() -> None:
    traffic = Traffic(requests_per_s=2.0, daily_amplitude=0.7, peak_hour=9, hour_at_start=22)
    step_s = 10.0
    for hours in (0.5, 7, 30):
        middles = [step_s * (i + 0.5) for i in range(int(hours * 3600 / step_s))]
        slow = sum(2.0 * traffic.level(at_s) * step_s for at_s in middles)
        assert traffic.expected_requests(hours * 3600) == pytest.approx(slow, rel=1e-6)


def test_sessions_are_fewer_when_each_has_more_calls() -> None:
    traffic = Traffic(requests_per_s=1.0, calls_per_session=4.0, daily_amplitude=0.0)
    assert len(starts(traffic, 40_000.0)) == pytest.approx(10_000, abs=5 * 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_s": 0.0},
        {"requests_per_s": math.inf},
        {"daily_amplitude": 1.0},
        {"calls_per_session": 0.5},
    ],
)
def test_impossible_traffic_is_refused(wrong: dict[str, float]) -> None:
    [key] = wrong
    with pytest.raises(InvalidConfig, match=key):
        Traffic(think_time_s=Lognormal(1.0, 0.1), **wrong)
