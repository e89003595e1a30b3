"""Simulated traffic is what it is said to be."""

import numpy as np
import pytest

from coalmine_analytics.calibration.populations import bernoulli, normal
from coalmine_analytics.calibration.traffic import GROUPS, Ramp, Returning, Single, Sums, Traffic


def last_of(traffic: Traffic, replications: int = 50, seed: int = 1) -> Sums:
    *_, last = traffic.play(np.random.default_rng(seed), replications)
    return last


def test_sums_only_grow_and_end_with_every_request() -> None:
    before = 0.0
    for sums in Single(bernoulli(0.3), bernoulli(0.3), 0.2, 40, 10).play(np.random.default_rng(1), 7):
        assert sums.x.shape == (7, 2, GROUPS)
        assert sums.x.sum() == before + 7 * 40
        assert (sums.y <= sums.x).all()
        np.testing.assert_array_equal(sums.squares, sums.y.sum(axis=2))  # of ones and zeros
        np.testing.assert_array_equal(sums.units, sums.x.sum(axis=2))
        before = float(sums.x.sum())
    assert before == 7 * 400


def test_arms_have_their_share_and_their_own_values() -> None:
    sums = last_of(Single(normal(1.0, 0.1), normal(3.0, 0.1), 0.05, 100, 40))
    control, treatment = (sums.x.sum(axis=(0, 2)) / sums.x.sum()).tolist()
    assert treatment == pytest.approx(0.05, abs=0.002)
    assert control + treatment == pytest.approx(1.0)
    means = sums.y.sum(axis=(0, 2)) / sums.x.sum(axis=(0, 2))
    np.testing.assert_allclose(means, [1.0, 3.0], atol=0.01)


def test_a_ramp_starts_anew_with_each_stage_while_the_rate_drifts() -> None:
    shares, rates = [], []
    ramp = Ramp((0.05, 0.25, 0.5), 0.2, 0.5, 100, 30)
    for sums in ramp.play(np.random.default_rng(1), 50):
        if sums.look % 10 == 9:
            assert sums.epoch == sums.look // 10
            assert sums.x.sum() == 50 * 1_000
            shares.append(sums.x[:, 1].sum() / sums.x.sum())
            rates.append(sums.y.sum() / sums.x.sum())
    np.testing.assert_allclose(shares, [0.05, 0.25, 0.5], atol=0.01)
    assert rates[0] < rates[1] - 0.05 < rates[2] - 0.1


@pytest.mark.parametrize("kind", ["rate", "quality"])
def test_returning_users_share_a_mean_and_some_return_far_more_often(kind: str) -> None:
    # So few requests of so many users that most groups hold one user each, or none.
    traffic = Returning(kind, (0.5,), 400, 1, active=60, leaving=0)
    sums = last_of(traffic, replications=300)
    x, y = sums.x.sum(axis=1), sums.y.sum(axis=1)
    assert np.quantile(x[x > 0], 0.95) > 5 * np.median(x[x > 0]) > 0
    # Between users lies `icc` of the variance: 0.3 of .21 for rates, of .01 for quality.
    busy = x >= 20
    between = np.var((y[busy] / x[busy]), ddof=1)
    whole = 0.21 if kind == "rate" else 0.01
    assert between == pytest.approx(0.3 * whole, rel=0.25)


def test_units_are_users_seen_and_new_ones_come() -> None:
    stays = Returning("quality", (0.5,), 100, 50, active=200, leaving=0)
    moves = Returning("quality", (0.5,), 100, 50, active=200, leaving=20)
    assert (last_of(stays).units.sum(axis=1) <= 200).all()
    assert last_of(moves).units.sum(axis=1).mean() > 400


def test_raising_the_share_only_moves_users_to_treatment() -> None:
    looks = [
        (sums.epoch, (sums.x[:, 1] > 0).sum(axis=1).mean())
        for sums in Returning("quality", (0.1, 0.5), 200, 20, active=100, leaving=0).play(
            np.random.default_rng(4), 20
        )
    ]
    small = [groups for epoch, groups in looks if epoch == 0][-1]
    large = [groups for epoch, groups in looks if epoch == 1][-1]
    assert large > 3 * small
