"""When a shift began, how large it is, and whether many share it."""

import numpy as np
import pytest

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.drift.change import beginning, shared_z, shift_of
from coalmine_consumers.drift import DAY_GROUPS, DaySeries


def test_the_beginning_is_found_within_hours() -> None:
    random = np.random.default_rng(1)
    errors = []
    for _ in range(50):
        deviation = random.normal(0, 1, 300)
        deviation[200:] -= 2
        found = beginning(deviation, np.ones(300), 250, upward=False)
        assert found.earliest <= found.most_likely <= found.latest
        errors.append(abs(found.most_likely - 200))
        assert found.earliest - 3 <= 200 <= found.latest + 3
    assert np.median(errors) <= 1


def test_hours_without_data_do_not_count() -> None:
    deviation = np.array([0.0, 0.1, np.nan, np.nan, 2.0, 2.0, 2.0])
    assert beginning(deviation, np.ones(7), 6, upward=True).most_likely == 4


def test_a_shift_is_what_came_minus_what_would_have_come() -> None:
    x, expected = np.array([10.0, 30.0]), np.array([0.8, 0.6])
    found = shift_of(x, x * (expected - 0.1), expected, np.full(2, 0.01), standard_error=0.0, size=0.02)
    assert found is not None
    assert found.before == pytest.approx((8 + 18) / 40)
    assert found.size == pytest.approx(-0.1)
    assert found.lower < -0.1 < found.upper < 0
    unsure = shift_of(x, x * 0.5, expected, np.full(2, 0.01), standard_error=0.05, size=0.02)
    assert unsure is not None
    assert unsure.upper - unsure.lower > 2 * (found.upper - found.lower)
    assert shift_of(x, x, np.full(2, np.nan), np.ones(2), standard_error=0.0, size=1.0) is None


def test_the_interval_of_a_shift_covers_it() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        x, sigma = random.uniform(20, 200, 100), random.uniform(0.01, 0.05, 100)
        y = x * (0.8 - 0.02 + random.normal(0, sigma))
        found = shift_of(x, y, np.full(100, 0.8), sigma, standard_error=0.0, size=0.024)
        assert found is not None
        covered += found.lower <= -0.02 <= found.upper
    assert covered >= 285


def days(shift: FloatArray, seed: int = 3) -> DaySeries:
    """14 days of reference and 3 days of a shift by part of the unit groups."""
    random = np.random.default_rng(seed)
    x = random.poisson(40, (17, DAY_GROUPS)).astype(np.float64)
    own = random.normal(0, 0.03, DAY_GROUPS)  # parts differ, and stay so
    own -= own.mean()
    y = x * (0.8 + own + random.normal(0, 0.03, x.shape))
    y[14:] += x[14:] * shift
    return DaySeries(np.arange(100, 117), x, y)


def z_of(series: DaySeries) -> float:
    return shared_z(series, (114, 116), (100, 113), level=0.8)


def test_a_shift_that_all_share_stays_one_when_each_part_counts_once() -> None:
    assert z_of(days(np.full(DAY_GROUPS, -0.03))) < -5
    assert abs(z_of(days(np.zeros(DAY_GROUPS)))) < 3


def test_a_shift_of_one_part_does_not_however_large() -> None:
    one = np.zeros(DAY_GROUPS)
    one[7] = -0.8
    assert abs(z_of(days(one))) < 2


def test_without_a_reference_of_the_parts_nothing_is_shared() -> None:
    assert shared_z(days(np.full(DAY_GROUPS, -0.1)), (114, 116), (1, 5), level=0.8) == 0.0
