"""Relative effects, forecasts and sample ratios."""

import numpy as np
import pytest
from scipy import stats

from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.ratio import arm_mean
from coalmine_analytics.core.srm import srm_log_e
from coalmine_analytics.sample_size import NotEnoughData
from coalmine_schemas.errors import InvalidParameter


def one(estimate: float, se: float = 0.1, df: float = 300.0) -> Effect:
    return Effect(np.array(estimate), np.array(se), np.array(df))


def test_relative_bounds_are_exactly_the_effects_not_refuted() -> None:
    rng = np.random.default_rng(1)
    t = arm_mean(rng.integers(50, 400, 40), rng.uniform(2, 4, 40), rng.uniform(0.5, 4, 40))
    c = arm_mean(rng.integers(400, 4000, 40), rng.uniform(2, 4, 40), rng.uniform(0.5, 4, 40))
    lower, upper = relative_confidence_sequence(one_stratum(t, c), mde=0.3)
    assert np.isfinite(lower).all()
    for bound in (lower, upper):
        at = log_e_value(difference(t, c.scaled(1.0 + bound)), mde=0.3)
        np.testing.assert_allclose(at, np.log(20), atol=1e-9)
    inside = log_e_value(difference(t, c.scaled(1.0 + 0.5 * (lower + upper))), mde=0.3)
    assert (inside < np.log(20)).all()


def test_a_relative_effect_has_the_sign_of_the_effect_where_values_are_below_zero() -> None:
    rng = np.random.default_rng(1)
    of_t = rng.integers(50, 400, 40), rng.uniform(2, 4, 40), rng.uniform(0.5, 4, 40)
    of_c = rng.integers(400, 4000, 40), rng.uniform(2, 4, 40), rng.uniform(0.5, 4, 40)
    lower, upper = relative_confidence_sequence(one_stratum(arm_mean(*of_t), arm_mean(*of_c)), mde=0.3)
    mirrored = [arm_mean(n, -mean, variance) for n, mean, variance in (of_t, of_c)]
    below, above = relative_confidence_sequence(one_stratum(*mirrored), mde=0.3)
    np.testing.assert_allclose((below, above), (-upper, -lower), rtol=1e-9)


def test_a_relative_effect_is_unbounded_while_the_control_may_be_zero() -> None:
    uncertain = one_stratum(arm_mean(50, 1.0, 1.0), arm_mean(50, 0.1, 1.0))
    lower, upper = relative_confidence_sequence(uncertain, mde=0.3)
    assert np.isneginf(lower)
    assert np.isposinf(upper)


def test_a_forecast_is_the_number_at_which_the_evidence_arrives() -> None:
    effect = one(0.1, se=0.1)
    more = float(units_needed(effect, 1000, mde=0.2))
    assert 0 < more < 1e6

    def evidence(units: float) -> float:
        return float(log_e_value(one(0.1, se=0.1 * np.sqrt(1000 / units)), mde=0.2))

    assert evidence(1000 + more) >= np.log(20) > evidence(1000 + more - 2)
    assert units_needed(one(0.9), 1000, mde=0.2) == 0
    assert np.isposinf(units_needed(one(0.0), 1000, mde=0.2))
    assert np.isposinf(units_needed(one(-0.1), 1000, mde=0.2, alternative="greater"))
    assert np.isnan(units_needed(one(np.nan), 1000, mde=0.2))


def test_a_larger_effect_needs_fewer_units() -> None:
    needed = [float(units_needed(one(size), 500, mde=0.2)) for size in (0.1, 0.2, 0.4)]
    assert needed[0] > needed[1] > needed[2]


def test_sample_ratio_evidence_is_scipys_dirichlet_multinomial_over_its_multinomial() -> None:
    for units, weights in (([480, 9520], [0.05, 0.95]), ([300, 310, 290], [1, 1, 1])):
        plan = np.array(weights) / np.sum(weights)
        theirs = stats.dirichlet_multinomial.logpmf(units, 1000 * plan, sum(units))
        theirs -= stats.multinomial.logpmf(units, sum(units), plan)
        assert float(srm_log_e(units, weights)) == pytest.approx(theirs, abs=1e-7)


def test_sample_ratio_evidence_updates_as_its_sequential_form() -> None:
    """Unit by unit: the arm's chance under the updated Dirichlet over its planned chance."""
    rng = np.random.default_rng(3)
    plan, alpha = np.array([0.1, 0.9]), 1000 * np.array([0.1, 0.9])
    counts, total = np.zeros(2), 0.0
    for arm in rng.choice(2, 500, p=[0.15, 0.85]):
        total += np.log((alpha[arm] + counts[arm]) / (alpha.sum() + counts.sum()) / plan[arm])
        counts[arm] += 1
    assert float(srm_log_e(counts, plan)) == pytest.approx(total, abs=1e-9)


def test_a_missing_twentieth_of_the_canary_is_found_and_a_fair_split_is_not() -> None:
    assert srm_log_e([45_000, 955_000], [5, 95]) > np.log(20)
    assert srm_log_e([50_000, 950_000], [5, 95]) < 0
    assert srm_log_e([0, 0], [5, 95]) == 0
    assert np.isposinf(srm_log_e([1, 10], [0, 1]))
    with pytest.raises(InvalidParameter, match="weights"):
        srm_log_e([1, 1], [0, 0])
    with pytest.raises(InvalidParameter, match="units"):
        srm_log_e([-1, 1], [1, 1])


def test_a_fair_split_is_flagged_at_any_of_500_looks_at_most_as_often_as_stated() -> None:
    rng = np.random.default_rng(4)
    canary = rng.binomial(20, 0.05, (400, 500)).cumsum(axis=1)
    units = np.stack([canary, 20 * np.arange(1, 501) - canary], axis=-1)
    alarms = int((srm_log_e(units, [5, 95]).max(axis=1) >= np.log(20)).sum())
    assert stats.binomtest(alarms, 400, 0.05, "greater").pvalue > 0.001
    each_look = stats.chi2.sf((canary - units.sum(axis=-1) * 0.05) ** 2 / (units.sum(axis=-1) * 0.0475), 1)
    assert ((each_look < 0.05).any(axis=1)).mean() > 0.25  # the control that must fail


def test_too_few_units_are_their_own_result() -> None:
    assert "29" in NotEnoughData(29, 400, 30).reason
    assert "vary" in NotEnoughData(500, 500).reason
