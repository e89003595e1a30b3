"""Kill limits: how few units condemn, how seldom a good version is condemned, and when it is an outage."""

import numpy as np
import pytest
from scipy import integrate, stats

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.core.kill_limits import limit_evidence, limit_log_e
from coalmine_schemas.errors import InvalidParameter

BUDGET = 0.001


def arm(*bad: float, groups: int = 256) -> tuple[FloatArray, FloatArray]:
    """One stratum of units with a request each, a share of them bad."""
    y, x = np.zeros((1, 1, groups)), np.zeros((1, 1, groups))
    y[0, 0, : len(bad)], x[0, 0, : len(bad)] = bad, 1.0
    return y, x


NONE = arm()


def broken(
    treatment: tuple[FloatArray, FloatArray],
    control: tuple[FloatArray, FloatArray] = NONE,
    limit: float = 0.05,
    limits: int = 1,
) -> bool:
    return bool(limit_evidence(treatment, control, [limit]).broken(BUDGET, limits)[0])


@pytest.mark.parametrize(("every", "needed"), [(1, 3), (2, 11), (5, 61)])
def test_units_until_a_limit_of_5_percent_is_broken(every: int, needed: int) -> None:
    found = [n for n in range(1, 200) if broken(arm(*(float(unit % every == 0) for unit in range(n))))]
    assert found[0] == pytest.approx(needed, abs=3 if every > 1 else 0)


def test_the_evidence_is_the_integral_over_the_shares_above_the_limit() -> None:
    for bad, units, limit in ((0, 0, 0.05), (3, 3, 0.05), (7, 40, 0.1), (0, 30, 0.2)):
        mixture, _ = integrate.quad(lambda p, k=bad, n=units: stats.binom.pmf(k, n, p), limit, 1)
        expected = np.log(mixture / (1 - limit) / stats.binom.pmf(bad, units, limit))
        assert float(limit_log_e(bad, units, limit)) == pytest.approx(expected, abs=1e-6)
    assert np.isneginf(limit_log_e(0, 10**7, 0.5))


def test_one_unit_or_two_stop_nothing_and_more_limits_ask_for_more() -> None:
    assert not broken(arm(1, 1), limit=0.0001)
    assert broken(arm(1, 1, 1))
    assert not broken(arm(1, 1, 1), limits=5)


def test_a_unit_that_tries_again_and_again_is_one() -> None:
    y, x = arm(1, 1, *[0] * 10)
    y[..., 0], x[..., 0] = 1_000.0, 1_000.0
    assert not broken((y, x), limit=0.2)


def test_what_breaks_control_too_is_an_outage() -> None:
    bad = arm(*[1] * 30, *[0] * 10)
    assert broken(bad, arm(*[1] * 3, *[0] * 240))
    assert not broken(bad, arm(*[1] * 190, *[0] * 60))


def in_turn(*arms: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    y, x = (np.concatenate(each, axis=-2) for each in zip(*arms, strict=True))
    return y, x


def test_an_outage_long_ago_excuses_nothing_that_comes_later() -> None:
    outage, good = arm(*[1] * 100), arm(*[0] * 100)
    assert not broken(in_turn(outage, good), in_turn(outage, good))
    assert broken(in_turn(outage, arm(*[1] * 20)), in_turn(outage, good))


def test_a_break_after_a_long_good_time_is_found_as_one_at_the_start() -> None:
    good = tuple(1_000 * each for each in arm(*[0] * 256))
    late = in_turn((good[0], good[1]), arm(*[1] * 8))
    assert broken(late)
    assert not broken((late[0].sum(axis=1, keepdims=True), late[1].sum(axis=1, keepdims=True)))


def test_a_version_at_the_limit_is_stopped_at_any_look_at_most_once_in_a_thousand() -> None:
    """Units come in five epochs, each with as many requests as a heavy tail gives it, and go on coming."""
    rng = np.random.default_rng(1)
    runs, groups, units, epochs = 400, 64, 400, 5
    group = rng.integers(0, groups, units)
    rate = rng.beta(0.5, 9.5, (runs, units))  # of units, mean .05
    y, x = np.zeros((runs, epochs, groups)), np.zeros((runs, epochs, groups))
    nothing, stopped = np.zeros((runs, epochs, groups)), np.zeros(runs, np.bool_)
    for look in range(50):
        seen = rng.integers(0, units, 40)
        requests = rng.zipf(2.2, 40).clip(1, 200)
        bad = rng.binomial(requests, rate[:, seen])
        epoch = look * epochs // 50
        np.add.at(x[:, epoch].T, group[seen], requests[:, None])
        np.add.at(y[:, epoch].T, group[seen], bad.T)
        stopped |= limit_evidence((y, x), (nothing, nothing), 0.05).broken(BUDGET, 1)
    assert stats.binomtest(int(stopped.sum()), runs, 0.001, "greater").pvalue > 0.001


def test_odd_counts_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="bad"):
        limit_log_e(3, 2, 0.05)
    with pytest.raises(InvalidParameter, match="limit"):
        limit_log_e(1, 2, 0.0)
