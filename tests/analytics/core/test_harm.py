"""Harm that begins late is found soon, and one unit alone proves none."""

import numpy as np
import numpy.typing as npt
import pytest

from coalmine_analytics.core.contrast import Stratified, side_by_side
from coalmine_analytics.core.harm import harm_log_e, lasting_harm_log_e, mixed_log_e
from coalmine_analytics.core.worsening import Worsening

GROUPS = 64
Floats = npt.NDArray[np.float64]
NONE = Worsening(np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1), np.bool_))
MDE = np.full((1, 1), 0.3)


def sums(seed: int, strata: int, effect: float = 0.0, *, since: int = 0) -> tuple[Floats, Floats]:
    """Of 1 comparison, shape (1, S, 2, K), control first, with an effect from a stratum on."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(20, (1, strata, 2, GROUPS)).astype(float)
    y = x * rng.normal(5.0, 1.0, x.shape)
    y[:, since:, 1] += effect * x[:, since:, 1]
    return y, x


def compared(y: Floats, x: Floats) -> tuple[Stratified, Floats]:
    strata = side_by_side(y, x, 0, [1])
    return strata, strata.weights(np.ones(strata.treatment.ratio.shape, np.bool_), np.array(False))


def mixed(strata: Stratified, weight: Floats, tolerance: Worsening) -> float:
    each = harm_log_e(strata.begun_with_each(weight), tolerance.at((..., None)), mde=MDE[..., None])
    return float(mixed_log_e(each)[0, 0])


def lasting(y: Floats, x: Floats, tolerance: Worsening = NONE) -> float:
    return float(lasting_harm_log_e(*compared(y, x), tolerance, mde=MDE)[0, 0])


def test_the_mixture_counts_each_by_its_order_of_birth() -> None:
    each = np.array([[1.0, 2.0, np.nan], [np.nan, np.nan, np.nan]])
    expected = np.exp(1.0) / 2 + np.exp(2.0) / 6 + 1 / 12 + 1 / 4  # no look yet, and unborn
    found = mixed_log_e(each)
    assert float(found[0]) == pytest.approx(np.log(expected))
    assert np.isnan(found[1])
    assert mixed_log_e(np.zeros(7)) == pytest.approx(0.0, abs=1e-12)


def test_a_long_good_past_does_not_hide_what_begins_late() -> None:
    y, x = sums(1, 6, effect=-0.5, since=5)
    strata, weight = compared(y, x)
    cumulative = float(harm_log_e(strata.contrast(weight), NONE, mde=MDE)[0, 0])
    assert cumulative < np.log(20) < lasting(y, x)
    early, _ = sums(1, 6, effect=-0.9)
    whole = float(harm_log_e(compared(early, x)[0].contrast(weight), NONE, mde=MDE)[0, 0])
    assert np.log(20) < lasting(early, x) < whole


@pytest.mark.parametrize("better", [1.0, -1.0, 0.0])
@pytest.mark.parametrize("relative", [False, True])
def test_the_evidence_is_the_least_without_any_one_group(better: float, relative: bool) -> None:
    tolerance = Worsening(np.array([[better]]), np.array([[0.01]]), np.array([[relative]]))
    for seed in range(6):
        y, x = sums(seed, 1 + seed % 3, effect=-0.7 * (better or 1.0))
        if seed % 2:
            x[0, :, 1, 7] *= 40.0  # a heavy unit
            y[0, :, 1, 7] = x[0, :, 1, 7] * (5.0 - 4.0 * (better or 1.0))
        strata, weight = compared(y, x)
        whole = mixed(strata, weight, tolerance)
        without = []
        for group in range(GROUPS):
            keep = np.arange(GROUPS) != group
            rest = side_by_side(y[..., keep], x[..., keep], 0, [1])
            without.append(mixed(rest, weight, tolerance))
        assert lasting(y, x, tolerance) == pytest.approx(min([whole, *without]), rel=0.1, abs=0.05)


def test_one_heavy_unit_proves_no_harm() -> None:
    y, x = sums(3, 1)
    x[0, 0, 1, 7] = x[0, 0, 1].sum() / 2
    y[0, 0, 1, 7] = 2.0 * x[0, 0, 1, 7]
    strata, weight = compared(y, x)
    heavy = float(harm_log_e(strata.contrast(weight), NONE, mde=MDE)[0, 0])
    assert heavy > lasting(y, x)
    assert lasting(y, x) < 0.5


def test_harm_of_all_units_is_still_found() -> None:
    assert lasting(*sums(4, 1, effect=-1.5)) > np.log(20)
