"""Ratios of one arm, against slow formulas and statsmodels."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_analytics.core.ratio import arm_mean, arm_ratio
from coalmine_schemas.errors import InvalidParameter
from tests.support.later import later

if TYPE_CHECKING:
    import statsmodels.api as sm
else:
    sm = later("statsmodels.api")


def sums(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.poisson(1.5, shape).astype(float)
    return rng.gamma(2.0, 1.0, shape) * x, x


def test_the_ratio_equals_the_slow_formula() -> None:
    y, x = sums(1, (5, 70, 13))
    arm = arm_ratio(y, x)
    for at in np.ndindex(5, 70):
        n, total = int((x[at] > 0).sum()), x[at].sum()
        ratio = y[at].sum() / total
        slow = n / (n - 1) * sum((b - ratio * a) ** 2 for a, b in zip(x[at], y[at], strict=True)) / total**2
        assert arm.ratio[at] == pytest.approx(ratio, rel=1e-13)
        assert arm.variance[at] == pytest.approx(slow, rel=1e-12)
        assert arm.clusters[at] == n


def test_the_standard_error_is_statsmodels_cluster_robust_one_times_sqrt_n_over_n_minus_1() -> None:
    rng = np.random.default_rng(2)
    cluster = rng.integers(0, 40, 900)
    value = rng.normal(5.0, 1.0, 900) + rng.normal(0.0, 1.0, 40)[cluster]
    fit = sm.OLS(value, np.ones(900)).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
    )
    arm = arm_ratio(np.bincount(cluster, value), np.bincount(cluster))
    n = len(np.unique(cluster))
    assert float(np.sqrt(arm.variance)) == pytest.approx(fit.bse[0] * np.sqrt(n / (n - 1)), rel=1e-12)


def test_single_observations_give_the_textbook_variance_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(1e9, 1.0, 50)
    arm = arm_ratio(values, np.ones(50))
    assert float(arm.variance) == pytest.approx(values.var(ddof=1) / 50, rel=1e-6)
    known = arm_mean(50, values.mean(), values.var(ddof=1))
    assert float(known.variance) == pytest.approx(values.var(ddof=1) / 50, rel=1e-12)
    assert known.clusters == 50


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_clusters_does_not_matter(random: object) -> None:
    order = list(range(64))
    random.shuffle(order)  # type: ignore[attr-defined]
    y, x = sums(4, (64,))
    one, other = arm_ratio(y, x), arm_ratio(y[order], x[order])
    assert float(other.ratio) == pytest.approx(float(one.ratio), rel=1e-13)
    assert float(other.variance) == pytest.approx(float(one.variance), rel=1e-12)


def test_an_empty_arm_has_no_ratio_and_one_cluster_no_variance() -> None:
    empty = arm_ratio(np.zeros(4), np.zeros(4))
    assert np.isnan(empty.ratio)
    assert np.isnan(empty.variance)
    assert np.isnan(arm_ratio([2.0, 0.0], [1.0, 0.0]).variance)


@pytest.mark.parametrize("x", [[1.0, -1.0], [1.0, np.nan], [1.0, np.inf]])
def test_an_impossible_denominator_is_refused(x: list[float]) -> None:
    with pytest.raises(InvalidParameter, match="denominators"):
        arm_ratio([1.0, 1.0], x)


def test_shapes_that_differ_and_impossible_moments_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="shape"):
        arm_ratio(np.ones(3), np.ones(4))
    with pytest.raises(InvalidParameter, match="count"):
        arm_mean(-1, 0.0, 1.0)
    with pytest.raises(InvalidParameter, match="variance"):
        arm_mean(5, 0.0, -1.0)
