"""Kill limits: how few units condemn, how seldom a good version is condemned, and when it is an outage."""

import numpy as np
import pytest
from scipy import integrate, stats

from coalmine_analytics.core.kill_limits import broken, limit_log_e
from coalmine_schemas.errors import InvalidParameter

NONE = (0, 0)


@pytest.mark.parametrize(("every", "needed"), [(1, 3), (2, 10), (5, 63)])
def test_units_until_a_limit_of_5_percent_is_broken(every: int, needed: int) -> None:
    n = np.arange(1, 200)
    found = broken((np.round(n / every), n), NONE, 0.05, limits=1)
    assert int(n[found.argmax()]) == needed


def test_the_evidence_is_the_integral_over_the_shares_above_the_limit() -> None:
    for bad, units, limit in ((0, 0, 0.05), (3, 3, 0.05), (7, 40, 0.1), (0, 30, 0.2)):
        mixture, _ = integrate.quad(lambda p, k=bad, n=units: stats.binom.pmf(k, n, p), limit, 1)
        expected = np.log(mixture / (1 - limit) / stats.binom.pmf(bad, units, limit))
        assert float(limit_log_e(bad, units, limit)) == pytest.approx(expected, abs=1e-6)
    assert np.isneginf(limit_log_e(0, 10**7, 0.5))


def test_one_unit_or_two_stop_nothing_and_more_limits_ask_for_more() -> None:
    assert not broken((2, 2), NONE, 0.0001, limits=1)
    assert broken((3, 3), NONE, 0.05, limits=1)
    assert not broken((3, 3), NONE, 0.05, limits=5)


def test_what_breaks_control_too_is_an_outage() -> None:
    assert broken((30, 40), (10, 760), 0.05, limits=3)
    assert not broken((30, 40), (600, 760), 0.05, limits=3)


def test_a_version_at_the_limit_is_stopped_at_any_look_at_most_once_in_a_thousand() -> None:
    rng = np.random.default_rng(1)
    bad = (rng.random((4_000, 500)) < 0.05).cumsum(axis=1)
    stopped = broken((bad, np.arange(1, 501)), NONE, 0.05, limits=1).any(axis=1).sum()
    assert stats.binomtest(int(stopped), 4_000, 0.001, "greater").pvalue > 0.001


def test_odd_counts_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="bad"):
        limit_log_e(3, 2, 0.05)
    with pytest.raises(InvalidParameter, match="limit"):
        limit_log_e(1, 2, 0.0)
