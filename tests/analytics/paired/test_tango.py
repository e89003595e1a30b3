"""Published figures, and what the interval must be by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from coalmine_analytics.paired.tango import tango_bounds

Z90, Z95 = float(norm.ppf(0.95)), float(norm.ppf(0.975))


@pytest.mark.parametrize(
    ("better", "worse", "cases", "quantile", "lower", "upper", "digits"),
    [
        # Airway reactivity before and after a transplantation: Fagerland, Lydersen, Laake, Statistics in
        # Medicine 33 (2014), table IX.
        (1, 7, 21, Z95, -0.517, -0.026, 3),
        # PropCIs::scoreci.mp(25, 28, 618, 0.90), of R.
        (28, 25, 618, Z90, -0.0148, 0.0247, 4),
    ],
)
def test_published_figures(
    better: int, worse: int, cases: int, quantile: float, lower: float, upper: float, digits: int
) -> None:
    found = tango_bounds(better, worse, cases, quantile)
    assert [round(float(each), digits) for each in found] == [lower, upper]


@pytest.mark.parametrize("cases", [1, 40, 1_000])
def test_without_discordant_pairs_it_is_that_of_one_proportion(cases: int) -> None:
    """The score interval of 0 of n: z^2 / (n + z^2)."""
    end = Z95**2 / (cases + Z95**2)
    np.testing.assert_allclose(tango_bounds(0, 0, cases, Z95), (-end, end), atol=1e-12)


def _by_definition(better: int, worse: int, cases: int, z: float) -> tuple[float, float]:
    """Where the score statistic is +-z, with the likelihood maximised by number instead of formula."""

    def statistic(difference: float) -> float:
        def slope(p: float) -> float:  # of the log likelihood in p = P(worse), P(better) = p + difference
            total = 0.0
            for count, share, sign in (
                (better, p + difference, 1.0),
                (worse, p, 1.0),
                (cases - better - worse, 1.0 - 2.0 * p - difference, -2.0),
            ):
                total += sign * count / share if count else 0.0
            return total

        least, most = max(0.0, -difference) + 1e-12, (1.0 - difference) / 2.0 - 1e-12
        p = (
            least
            if slope(least) <= 0
            else most
            if slope(most) >= 0
            else brentq(slope, least, most, xtol=1e-14)
        )
        variance = cases * (2.0 * p + difference - difference**2)
        return float((better - worse - cases * difference) / np.sqrt(variance))

    estimate = (better - worse) / cases
    lower = brentq(lambda each: statistic(each) - z, -1 + 1e-9, estimate - 1e-9)
    return lower, brentq(lambda each: statistic(each) + z, estimate + 1e-9, 1 - 1e-9)


@pytest.mark.parametrize(
    ("better", "worse", "cases"), [(1, 7, 21), (3, 2, 40), (0, 4, 60), (152, 209, 1_319)]
)
def test_it_is_where_the_score_statistic_says(better: int, worse: int, cases: int) -> None:
    expected = _by_definition(better, worse, cases, Z90)
    np.testing.assert_allclose(tango_bounds(better, worse, cases, Z90), expected, atol=1e-6)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.floats(0.1, 4.0))
def test_it_holds_the_estimate_and_mirrors(better: int, worse: int, same: int, quantile: float) -> None:
    cases = better + worse + same + 1
    lower, upper = tango_bounds(better, worse, cases, quantile)
    assert -1.0 <= lower <= (better - worse) / cases <= upper <= 1.0
    mirrored = tango_bounds(worse, better, cases, quantile)
    np.testing.assert_allclose(mirrored, (-upper, -lower), atol=1e-9)
    wider = tango_bounds(better, worse, cases, quantile + 0.5)
    assert wider[0] <= lower + 1e-9
    assert wider[1] >= upper - 1e-9
