"""The e-detector against its own definition, and what it makes of single hours."""

import math

import numpy as np
import pytest

from coalmine_analytics.drift.e_detector import CLIP, LARGEST_BET, SIZES, log_evidence
from coalmine_schemas.errors import InvalidParameter


def slow(deviation: list[float], sigma: float, tolerance: float, size: float) -> list[float]:
    """The sum over beginnings and the mean over bets and directions, as they are written in the paper."""
    found = []
    for last in range(len(deviation)):
        total = 0.0
        for sign in (1.0, -1.0):
            for factor in SIZES:
                bet = min(factor * size / sigma, LARGEST_BET)
                for first in range(last + 1):
                    gain = 0.0
                    for d in deviation[first : last + 1]:
                        z = max(-CLIP, min(CLIP, (sign * d - tolerance) / sigma))
                        gain += bet * z - bet**2 / 2
                    total += math.exp(gain)
        found.append(math.log(total / (2 * len(SIZES))))
    return found


def both(log_of_directions: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    total: list[float] = np.logaddexp(log_of_directions[0], log_of_directions[1]).tolist()
    return total


def test_it_is_the_sum_of_its_definition() -> None:
    deviation = np.random.default_rng(1).normal(0.02, 0.1, 40)
    fast = log_evidence(deviation, np.full(40, 0.1), tolerance=0.005, size=0.03)
    assert both(fast) == pytest.approx(slow(deviation.tolist(), 0.1, 0.005, 0.03), abs=1e-10)


def test_many_series_at_once_give_what_each_gives() -> None:
    random = np.random.default_rng(2)
    deviation, sigma = random.normal(0, 1, (3, 50)), random.uniform(0.5, 2, (3, 50))
    tolerance, size = np.array([0.0, 0.1, 0.2]), np.array([0.1, 0.5, 2.0])
    together = log_evidence(deviation, sigma, tolerance=tolerance, size=size)
    assert together.shape == (3, 2, 50)
    for row in range(3):
        alone = log_evidence(deviation[row], sigma[row], tolerance=tolerance[row], size=size[row])
        assert together[row] == pytest.approx(alone, abs=1e-12)


def test_while_nothing_happens_it_grows_by_one_a_bucket_on_average() -> None:
    """The supermartingale that the run length rests on: E M(t) <= t, and = t where no bucket is clipped."""
    deviation = np.random.default_rng(3).normal(0.0, 1.0, (20_000, 8))
    log = log_evidence(deviation, np.ones_like(deviation), tolerance=0.0, size=np.full(20_000, 0.05))
    mean = np.exp(np.logaddexp(log[:, 0], log[:, 1])).mean(axis=0)
    assert mean == pytest.approx(np.arange(1, 9), rel=0.03)
    noisy = log_evidence(deviation, np.ones_like(deviation), tolerance=0.0, size=np.full(20_000, 1.0))
    assert (np.exp(np.logaddexp(noisy[:, 0], noisy[:, 1])).mean(axis=0) <= np.arange(1, 9) * 1.03).all()


def test_a_wild_hour_adds_no_more_than_a_somewhat_odd_one() -> None:
    quiet, odd, wild = np.zeros(10), np.zeros(10), np.zeros(10)
    odd[5], wild[5] = CLIP, 1e6
    found = [log_evidence(each, np.ones(10), tolerance=0.0, size=1.0) for each in (quiet, odd, wild)]
    assert both(found[1]) == both(found[2])
    assert both(found[2])[5] - both(found[0])[5] < LARGEST_BET * CLIP
    assert max(both(found[2])) < math.log(24 * 365)


def test_noise_that_dwarfs_what_matters_says_little_and_a_bucket_without_data_nothing() -> None:
    deviation = np.array([0.5, -0.4, np.nan, 0.3])
    weak = both(log_evidence(deviation, np.full(4, 10.0), tolerance=0.0, size=0.01))
    assert weak == pytest.approx([0.0, math.log(2), math.log(2), math.log(3)], abs=0.01)


def test_evidence_knows_the_direction() -> None:
    up, down = log_evidence(np.full(30, 0.5), np.ones(30), tolerance=0.0, size=0.3)
    assert up[-1] > down[-1] + 3


@pytest.mark.parametrize(("tolerance", "size"), [(-0.1, 1.0), (0.0, 0.0)])
def test_sizes_that_make_no_sense_are_refused(tolerance: float, size: float) -> None:
    with pytest.raises(InvalidParameter, match="give"):
        log_evidence(np.zeros(3), np.ones(3), tolerance=tolerance, size=size)
