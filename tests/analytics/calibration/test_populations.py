"""Populations have the mean and the spread they claim."""

import numpy as np
import pytest

from coalmine_analytics.calibration.populations import (
    Population,
    bernoulli,
    beta,
    capped_cost,
    lognormal,
    normal,
    shifted,
    zero_inflated,
)

LIGHT: list[Population] = [
    bernoulli(0.005),
    bernoulli(0.3),
    beta(8, 2),
    beta(0.8, 0.2),
    lognormal(0.5, 3.0),
    zero_inflated(0.1, 1.0),
    normal(2.0, 3.0),
    shifted(beta(8, 2), -0.05),
    capped_cost(1.0, 1.0),
    capped_cost(1.5, 1.5),
    capped_cost(1.5, 1.0),
]


@pytest.mark.parametrize("population", LIGHT, ids=lambda population: population.name)
def test_mean_and_spread_are_those_of_the_values(population: Population) -> None:
    values = population.draw(np.random.default_rng(1), (400_000,))
    assert values.mean() == pytest.approx(population.mean, abs=4.5 * population.sd / 400_000**0.5)
    assert values.std() == pytest.approx(population.sd, rel=0.05)


@pytest.mark.parametrize("sigma", [1.5, 2.0])
def test_a_heavy_tail_has_its_mean_though_no_sample_shows_its_spread(sigma: float) -> None:
    population = lognormal(sigma)
    logarithms = np.log(population.draw(np.random.default_rng(2), (100_000,)))
    assert logarithms.mean() == pytest.approx(-(sigma**2) / 2, abs=0.02)
    assert logarithms.std() == pytest.approx(sigma, rel=0.02)
    assert population.sd == pytest.approx((np.exp(sigma**2) - 1) ** 0.5)


def test_costs_of_other_spread_can_be_given_the_same_mean_once_capped() -> None:
    control = capped_cost(1.0, 1.0)
    treatment = capped_cost(1.5, 1.0, control.mean)
    highest = [each.draw(np.random.default_rng(3), (10_000,)).max() for each in (control, treatment)]
    assert highest[0] == highest[1], "both have the same cap"
    assert treatment.mean == pytest.approx(control.mean, rel=1e-9)
    assert treatment.sd > 1.2 * control.sd
