"""Goals, guardrails, relative effects, forecasts and sample ratios."""

import numpy as np
import pytest
from scipy import stats

from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.forecast import units_needed
from coalmine_analytics.core.non_inferiority import harm_log_e, non_inferior_log_e, units_to_non_inferior
from coalmine_analytics.core.ratio import arm_mean
from coalmine_analytics.core.srm import srm_log_e
from coalmine_analytics.sample_size import NotEnoughData
from coalmine_schemas.errors import InvalidParameter


def one(estimate: float, se: float = 0.1, df: float = 300.0) -> Effect:
    return Effect(np.array(estimate), np.array(se), np.array(df))


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_direction_decides_what_is_harm(higher_is_better: bool) -> None:
    sign = 1.0 if higher_is_better else -1.0
    better, worse = one(0.6 * sign), one(-0.6 * sign)
    assert non_inferior_log_e(better, mde=0.2, better=sign, margin=0.0) > 3
    assert non_inferior_log_e(worse, mde=0.2, better=sign, margin=0.0) < 0
    assert harm_log_e(worse, mde=0.2, better=sign) > 3
    assert harm_log_e(better, mde=0.2, better=sign) < 0


def test_where_any_change_is_harm_both_sides_are_asked() -> None:
    for estimate in (0.6, -0.6):
        harm = float(harm_log_e(one(estimate), mde=0.2, better=0, tolerance=0.1))
        sides = [float(harm_log_e(one(estimate), mde=0.2, better=side, tolerance=0.1)) for side in (1, -1)]
        assert harm == pytest.approx(np.log(np.mean(np.exp(sides))), rel=1e-12)
        assert harm > 3
        assert non_inferior_log_e(one(estimate), mde=0.2, better=0, margin=0.4) < 0
    assert non_inferior_log_e(one(0.0), mde=0.2, better=0, margin=0.6) > 3


@pytest.mark.parametrize("better", [1.0, -1.0, 0.0])
def test_the_forecast_of_non_inferiority_is_where_its_evidence_suffices(better: float) -> None:
    units = float(
        units_to_non_inferior(
            one(-0.05 * better, se=0.15), 1_000, mde=0.2, better=better, margin=0.3, alpha=0.05
        )
    )
    assert 0 < units < np.inf
    for more, enough in ((units + 1, True), (units - 2, False)):
        later = one(-0.05 * better, se=0.15 * np.sqrt(1_000 / (1_000 + more)))
        log_e = float(non_inferior_log_e(later, mde=0.2, better=better, margin=0.3))
        assert (log_e >= np.log(20)) == enough


def test_a_tolerance_makes_harm_harder_and_a_margin_makes_non_inferiority_easier_to_show() -> None:
    def harm(tolerance: float) -> float:
        return float(harm_log_e(one(-0.6), mde=0.2, better=1, tolerance=tolerance))

    def fine(margin: float) -> float:
        return float(non_inferior_log_e(one(0.0), mde=0.2, better=1, margin=margin))

    assert harm(0.0) > harm(0.1) > harm(0.5)
    assert fine(0.6) > 3 > fine(0.1) > fine(0.0)
    with pytest.raises(InvalidParameter, match="margin"):
        fine(-0.1)


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
