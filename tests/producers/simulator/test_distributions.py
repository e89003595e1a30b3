"""Distributions. Bounds are five standard errors wide: a seeded check fails only when the code is wrong."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.distributions import Exponential, Lognormal, logistic
from coalmine_simulator.errors import InvalidConfig

DRAWS = 20_000


def test_lognormal_draws_have_the_stated_median_mean_and_spread() -> None:
    shape = Lognormal(median=1200.0, sigma=0.4)
    logs = [math.log(shape.sample(rng)) for rng in [random.Random(1)] for _ in range(DRAWS)]

    # Standard error of a mean is sigma/sqrt(n), of a standard deviation sigma/sqrt(2n).
    assert statistics.fmean(logs) == pytest.approx(math.log(1200.0), abs=5 * 0.4 / math.sqrt(DRAWS))
    assert statistics.stdev(logs) == pytest.approx(0.4, abs=5 * 0.4 / math.sqrt(2 * DRAWS))


def test_lognormal_mean_is_that_of_an_independent_implementation() -> None:
    # scipy 1.17: scipy.stats.lognorm(s=0.5, scale=100).mean()
    assert Lognormal(median=100.0, sigma=0.5).mean() == pytest.approx(113.3148453, rel=1e-8)


def test_lognormal_quantiles_are_those_of_an_independent_implementation() -> None:
    # scipy 1.17: scipy.stats.lognorm(s=0.38, scale=1150).ppf([.05, .5, .95, .99])
    shape = Lognormal(median=1150.0, sigma=0.38)
    assert [shape.quantile(q) for q in (0.05, 0.5, 0.95, 0.99)] == pytest.approx(
        [615.5233, 1150.0, 2148.5782, 2783.6809], rel=1e-6
    )


def test_exponential_draws_have_the_stated_mean() -> None:
    rng = random.Random(2)
    draws = [Exponential(mean=20.0).sample(rng) for _ in range(DRAWS)]
    assert statistics.fmean(draws) == pytest.approx(20.0, abs=5 * 20.0 / math.sqrt(DRAWS))


@pytest.mark.parametrize("median", [0.0, -1.0, math.nan, math.inf])
def test_a_lognormal_without_a_positive_median_is_refused(median: float) -> None:
    with pytest.raises(InvalidConfig, match="median is"):
        Lognormal(median=median, sigma=1.0)


@pytest.mark.parametrize("sigma", [-0.1, math.nan, math.inf])
def test_a_lognormal_with_a_negative_sigma_is_refused(sigma: float) -> None:
    with pytest.raises(InvalidConfig, match="sigma is"):
        Lognormal(median=1.0, sigma=sigma)


@pytest.mark.parametrize("mean", [0.0, -2.0, math.nan])
def test_an_exponential_without_a_positive_mean_is_refused(mean: float) -> None:
    with pytest.raises(InvalidConfig, match="mean is"):
        Exponential(mean=mean)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_logistic_stays_between_0_and_1_and_mirrors_around_0(x: float) -> None:
    assert 0.0 <= logistic(x) <= 1.0
    assert logistic(x) + logistic(-x) == pytest.approx(1.0)
