from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from coalmine_analytics.paired import clustered, paired_interval
from coalmine_analytics.paired.bootstrap_t import bootstrap_t
from coalmine_schemas.errors import InvalidParameter
from tests.support.later import later

if TYPE_CHECKING:
    import statsmodels.api as sm
else:
    sm = later("statsmodels.api")


def test_without_clusters_it_is_the_t_test_of_scipy() -> None:
    values = np.random.default_rng(1).uniform(-0.6, 0.4, 500)
    of = clustered(values, range(500))
    expected = ttest_1samp(values, 0.0)
    low, high = expected.confidence_interval(0.9)
    np.testing.assert_allclose(of.t_bounds(0.05), (low, high), rtol=1e-12)
    assert of.t_worse() == pytest.approx(ttest_1samp(values, 0.0, alternative="less").pvalue)
    assert paired_interval(values, range(500), alpha=0.05).p_differs == pytest.approx(expected.pvalue)


def test_the_clustered_error_is_that_of_a_regression_on_a_constant() -> None:
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 25, 300)
    values = np.clip(rng.normal(0, 0.1, 25)[groups] + rng.normal(0, 0.2, 300), -1, 1)
    fit = sm.OLS(values, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    of = clustered(values, groups)
    assert of.clusters == 25
    assert of.mean == pytest.approx(fit.params[0])
    assert of.se == pytest.approx(fit.bse[0] * (25 / 24) ** 0.5)


def test_clusters_are_counted_by_name_wherever_they_stand() -> None:
    of = clustered([[0.5, 0.1, -0.2], [0.0, 0.0, 1.0]], ["a", "b", "a"])
    np.testing.assert_allclose(of.sums, [[0.3, 0.1], [1.0, 0.0]])
    assert of.sizes.tolist() == [2.0, 1.0]
    assert of.degrees == pytest.approx(9 / 5 - 1)


def test_clusters_of_one_size_have_their_number_less_one_degrees() -> None:
    assert clustered(np.zeros(40), np.arange(40) // 5).degrees == pytest.approx(7.0)


@pytest.mark.parametrize("values", [[0.1, 1.5], [float("nan"), 0.0], [0.1]])
def test_what_is_no_difference_of_scores_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidParameter):
        clustered(values, ["a", "b"])


def test_the_bootstrap_agrees_with_one_by_hand() -> None:
    """The same idea with draws of its own, one by one: within the error of 2,000 draws."""
    rng = np.random.default_rng(3)
    values = np.where(rng.random(60) < 0.15, -rng.beta(4, 2, 60), rng.normal(0, 0.05, 60))
    of = clustered(values, range(60))
    t = []
    for _ in range(4_000):
        drawn = rng.choice(values, 60)
        t.append((drawn.mean() - values.mean()) / (drawn.std(ddof=1) / 60**0.5))
    low, high = np.quantile(t, [0.05, 0.95])
    lower, upper, _ = bootstrap_t(of, 0.05)
    se = values.std(ddof=1) / 60**0.5
    assert lower == pytest.approx(values.mean() - high * se, abs=0.25 * se)
    assert upper == pytest.approx(values.mean() - low * se, abs=0.25 * se)


def test_the_same_data_has_the_same_interval() -> None:
    values = np.random.default_rng(4).uniform(-1, 1, 50)
    first, second = (paired_interval(values, range(50), alpha=0.05) for _ in range(2))
    assert (first.lower, first.upper) == (second.lower, second.upper)


def test_many_comparisons_at_once_are_each_by_itself() -> None:
    values = np.random.default_rng(5).uniform(-1, 1, (3, 40))
    groups = np.arange(40) // 4
    together = paired_interval(values, groups, alpha=0.05)
    for at in range(3):
        alone = paired_interval(values[at], groups, alpha=0.05)
        np.testing.assert_allclose(alone.lower, together.lower[at])
        np.testing.assert_allclose(alone.p_worse, together.p_worse[at])
