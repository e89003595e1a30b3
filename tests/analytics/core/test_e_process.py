"""Evidence and intervals: limits, slow formulas, and that one is the inversion of the other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from coalmine_analytics.core.confidence_sequence import confidence_sequence, critical_z
from coalmine_analytics.core.e_process import Alternative, log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.ratio import arm_mean, arm_ratio
from coalmine_schemas.errors import InvalidParameter

effects = st.builds(
    lambda estimate, se, df: Effect(np.array(estimate), np.array(se), np.array(df)),
    st.floats(-2, 2),
    st.floats(0.02, 1.0),
    st.floats(25, 1e6) | st.just(np.inf),
)
ALTERNATIVES: list[Alternative] = ["two-sided", "greater", "less"]


def tuned_information(alpha: float) -> float:
    """The a = tau^2 / se^2 at which a band of one width is about tightest: arXiv:2103.06476v7, eq. 161."""
    return float(-2.0 * np.log(alpha) + np.log(1.0 - 2.0 * np.log(alpha)))


def random_effect(seed: int, *, size: int = 200, df: float | None = None) -> Effect:
    rng = np.random.default_rng(seed)
    nu = rng.uniform(20, 500, size) if df is None else np.full(size, df)
    return Effect(rng.normal(0, 0.3, size), rng.uniform(0.05, 0.3, size), nu)


def test_the_difference_equals_the_formula_of_the_specification() -> None:
    rng = np.random.default_rng(1)
    x_t, x_c = rng.poisson(1.0, 40).astype(float), rng.poisson(9.0, 60).astype(float)
    y_t, y_c = rng.poisson(0.1 * x_t).astype(float), rng.poisson(0.1 * x_c).astype(float)
    found = difference(arm_ratio(y_t, x_t), arm_ratio(y_c, x_c))
    r_t, r_c = y_t.sum() / x_t.sum(), y_c.sum() / x_c.sum()
    ss_t, ss_c = ((y_t - r_t * x_t) ** 2).sum(), ((y_c - r_c * x_c) ** 2).sum()
    n_t, n_c = (x_t > 0).sum(), (x_c > 0).sum()
    v_t, v_c = n_t / (n_t - 1) * ss_t / x_t.sum() ** 2, n_c / (n_c - 1) * ss_c / x_c.sum() ** 2
    per_x = (ss_t + ss_c) / (x_t.sum() + x_c.sum())
    slow = max(v_t + v_c, per_x / x_t.sum() + per_x / x_c.sum())
    assert float(found.estimate) == pytest.approx(r_t - r_c, rel=1e-12)
    assert float(found.standard_error) == pytest.approx(np.sqrt(slow), rel=1e-12)
    welch = (v_t + v_c) ** 2 / (v_t**2 / (n_t - 1) + v_c**2 / (n_c - 1))
    assert float(found.degrees_of_freedom) == pytest.approx(welch, rel=1e-12)


def test_degrees_of_freedom_are_those_of_scipys_welch_test() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 30), rng.normal(0, 3, 50)
    arms = [arm_mean(len(v), v.mean(), v.var(ddof=1)) for v in (a, b)]
    found, theirs = difference(*arms, pooled=False), stats.ttest_ind(a, b, equal_var=False)
    assert float(found.degrees_of_freedom) == pytest.approx(theirs.df, rel=1e-12)
    assert float(found.estimate / found.standard_error) == pytest.approx(theirs.statistic, rel=1e-12)


def test_evidence_equals_the_formula_of_the_specification() -> None:
    effect = random_effect(3)
    z, nu = effect.estimate / effect.standard_error, effect.degrees_of_freedom
    parts = []
    for tau in (0.1, 0.4):
        a = tau**2 / effect.standard_error**2
        parts.append(
            -0.5 * np.log(1 + a) + (nu + 1) / 2 * (np.log(1 + z**2 / nu) - np.log(1 + z**2 / (nu * (1 + a))))
        )
    slow = np.log(0.5 * np.exp(parts[0]) + 0.5 * np.exp(parts[1]))
    np.testing.assert_allclose(log_e_value(effect, mde=0.1), slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_the_limit_is_scipys_mixture_of_normal_likelihoods(alternative: Alternative) -> None:
    for estimate, se in ((0.3, 0.1), (-0.2, 0.15), (0.05, 0.2)):
        effect = Effect(np.array(estimate), np.array(se), np.array(np.inf))
        low, high = {"two-sided": (-8, 8), "greater": (0, 8), "less": (-8, 0)}[alternative]
        prior = stats.norm(0, 0.2)
        weight = prior.cdf(high) - prior.cdf(low)
        integral, _ = integrate.quad(
            lambda t, at=estimate, by=se: stats.norm.pdf(at, t, by) * stats.norm.pdf(t, 0, 0.2),
            low, high, points=[0, estimate], epsabs=0, epsrel=1e-11, limit=400,
        )  # fmt: skip
        theirs = np.log(integral / weight / stats.norm.pdf(estimate, 0, se))
        ours = log_e_value(effect, mde=0.2, alternative=alternative, mixture=(1.0,))
        assert float(ours) == pytest.approx(theirs, abs=1e-9)


def test_the_normal_limit_has_the_closed_form_band_of_the_specification() -> None:
    effect = random_effect(4, df=np.inf)
    lower, upper = confidence_sequence(effect, mde=0.15, alpha=0.05, mixture=(1.0,))
    a = 0.15**2 / effect.standard_error**2
    half = effect.standard_error * np.sqrt((1 + a) / a * (np.log(1 + a) + 2 * np.log(20)))
    np.testing.assert_allclose(lower, effect.estimate - half, rtol=0, atol=1e-9)
    np.testing.assert_allclose(upper, effect.estimate + half, rtol=0, atol=1e-9)


def test_the_band_is_about_tightest_where_the_tuning_says() -> None:
    assert tuned_information(0.05) == pytest.approx(7.94, abs=0.005)
    a = np.linspace(1, 40, 400)
    z = critical_z(np.ones_like(a), np.full_like(a, np.inf), mde=np.sqrt(a), alpha=0.05, mixture=(1.0,))
    assert z[np.abs(a - 7.94).argmin()] <= z.min() * 1.001


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@given(effect=effects, alpha=st.floats(0.001, 0.4), mde=st.floats(0.02, 0.5), theta=st.floats(-3, 3))
def test_the_interval_holds_exactly_what_the_evidence_does_not_refute(
    alternative: Alternative, effect: Effect, alpha: float, mde: float, theta: float
) -> None:
    lower, upper = confidence_sequence(effect, mde=mde, alpha=alpha, alternative=alternative)
    log_e = float(log_e_value(effect, mde=mde, theta0=theta, alternative=alternative))
    assume(abs(log_e + np.log(alpha)) > 1e-9)
    assert bool(lower < theta < upper) == (log_e < -np.log(alpha))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_at_its_bounds_the_evidence_is_one_over_alpha(alternative: Alternative) -> None:
    effect = random_effect(5)
    lower, upper = confidence_sequence(effect, mde=0.1, alternative=alternative)
    for bound in (lower, upper):
        finite = np.isfinite(bound)
        at = log_e_value(effect, mde=0.1, theta0=np.where(finite, bound, 0.0), alternative=alternative)
        np.testing.assert_allclose(at[finite], np.log(20), rtol=0, atol=1e-10)


@given(
    effect=effects, mde=st.floats(0.02, 0.5), alphas=st.tuples(st.floats(0.001, 0.4), st.floats(0.001, 0.4))
)
def test_a_smaller_alpha_gives_a_wider_band(effect: Effect, mde: float, alphas: tuple[float, float]) -> None:
    small, large = sorted(alphas)
    assume(large > small * 1.001)
    wide, narrow = (confidence_sequence(effect, mde=mde, alpha=alpha) for alpha in (small, large))
    assert wide[0] <= narrow[0]
    assert wide[1] >= narrow[1]
    if np.isfinite(wide[0]):
        assert wide[0] < narrow[0]


def test_a_one_sided_bound_is_tighter_than_the_two_sided_one() -> None:
    effect = random_effect(6)
    two, _ = confidence_sequence(effect, mde=0.1)
    one, none = confidence_sequence(effect, mde=0.1, alternative="greater")
    finite = np.isfinite(two)
    assert (one[finite] > two[finite]).all()
    assert np.isposinf(none).all()


def test_too_few_clusters_exclude_nothing() -> None:
    effect = Effect(np.array(100.0), np.array(1.0), np.array(1.0))
    lower, upper = confidence_sequence(effect, mde=0.1)
    assert np.isneginf(lower)
    assert np.isposinf(upper)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_any_partition_and_order_of_the_data_gives_the_same_evidence(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    group, y = rng.integers(0, 32, (2, 400)), rng.normal(1.0, 0.5, (2, 400))
    whole = [
        arm_ratio(np.bincount(group[arm], y[arm], 32), np.bincount(group[arm], minlength=32))
        for arm in (0, 1)
    ]
    split = []
    for arm in (0, 1):
        sum_y, sum_x = np.zeros(32), np.zeros(32)
        for chunk in np.array_split(rng.permutation(400), parts):
            sum_y += np.bincount(group[arm][chunk], y[arm][chunk], 32)
            sum_x += np.bincount(group[arm][chunk], minlength=32)
        shuffled = rng.permutation(32)
        split.append(arm_ratio(sum_y[shuffled], sum_x[shuffled]))
    one, other = (float(log_e_value(difference(*arms), mde=0.1)) for arms in (whole, split))
    assert np.exp(other - one) == pytest.approx(1.0, abs=1e-12)


def test_what_cannot_be_used_is_no_evidence_rather_than_evidence_of_nothing() -> None:
    effect = Effect(np.array([0.5, np.nan, 0.5]), np.array([0.0, 1.0, np.nan]), np.array([9.0, 9.0, 9.0]))
    assert np.isnan(log_e_value(effect, mde=0.1)).all()
    lower, upper = confidence_sequence(effect, mde=0.1)
    assert np.isneginf(lower).all()
    assert np.isposinf(upper).all()


def test_parameters_out_of_range_are_refused() -> None:
    effect = random_effect(7)
    with pytest.raises(InvalidParameter, match="mde"):
        log_e_value(effect, mde=0.0)
    with pytest.raises(InvalidParameter, match="mixture"):
        log_e_value(effect, mde=0.1, mixture=())
    for alpha in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(InvalidParameter, match="alpha"):
            confidence_sequence(effect, mde=0.1, alpha=alpha)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_certainty_is_a_huge_number_and_no_hole(alternative: Alternative) -> None:
    side = -1.0 if alternative == "less" else 1.0
    certain = Effect(np.array([side]), np.array([1e-12]), np.array([255.0]))
    found = log_e_value(certain, mde=0.1, alternative=alternative)
    assert np.isfinite(found).all()
    assert found > 1_000
