"""Strata of one comparison: combined, never pooled, and not as if their users were different ones."""

import numpy as np
import numpy.typing as npt
import pytest

from coalmine_analytics.core.contrast import Contrast, one_stratum, side_by_side
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import Effect, difference
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.ratio import arm_ratio

GROUPS = 64
MEANS = np.array(False)
Floats = npt.NDArray[np.float64]


def sums(seed: int, strata: int, *, loyal: float = 0.0, requests: float = 20.0) -> tuple[Floats, Floats]:
    """Of 1 comparison, shape (1, S, 2, K), control first; `loyal` is how much of a group's level stays."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(requests, (1, strata, 2, GROUPS)).astype(float)
    stays, comes = rng.normal(0, 1, (1, 1, 2, GROUPS)), rng.normal(0, 1, x.shape)
    level = 5.0 + np.sqrt(loyal) * stays + np.sqrt(1.0 - loyal) * comes
    return x * level, x


def core(y: Floats, x: Floats) -> Effect:
    control, treatment = (arm_ratio(y[arm], x[arm]) for arm in range(2))
    return difference(treatment, control)


def combined(y: Floats, x: Floats) -> Contrast:
    strata = side_by_side(y, x, 0, [1])
    return strata.contrast(strata.weights(np.ones(strata.treatment.ratio.shape, np.bool_), MEANS))


def test_strata_combine_by_inverse_variance() -> None:
    y, x = sums(1, 2)
    each = [core(y[0, stratum], x[0, stratum]) for stratum in range(2)]
    estimate, se, df = np.array([[e.estimate, e.standard_error, e.degrees_of_freedom] for e in each]).T
    w = se**-2 / (se**-2).sum()
    found = combined(y, x).difference
    assert float(found.estimate[0, 0]) == pytest.approx(w @ estimate)
    assert float(found.standard_error[0, 0]) >= np.sqrt(w**2 @ se**2)
    assert float(found.degrees_of_freedom[0, 0]) == pytest.approx(
        min(1 / ((w**2 * se**2 / (w**2 @ se**2)) ** 2 / df).sum(), GROUPS - 1)
    )


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_the_groups_that_strata_share_add_their_covariance(factor: float) -> None:
    y, x = sums(2, 4, loyal=0.9)
    contrast = combined(y, x)
    w = contrast.weight[0, 0]
    ratio = y.sum(axis=-1) / x.sum(axis=-1)
    psi = (y - ratio[..., None] * x)[0] / x.sum(axis=-1)[0, ..., None]  # (S, 2, K)
    influence = w @ (psi[:, 1] - factor * psi[:, 0])
    within = (w**2) @ np.square(psi[:, 1] - factor * psi[:, 0]).sum(axis=-1)
    crossed = 2 * factor * ((w**2) @ (psi[:, 1] * psi[:, 0]).sum(axis=-1))
    between = GROUPS / (GROUPS - 1) * (np.square(influence).sum() - within)
    assert crossed != 0  # of other units, in the same group by chance: left out
    own = [difference(contrast.treatment, contrast.control.scaled(np.array(factor))).standard_error[0, 0]]
    expected = np.sqrt((w**2) @ np.square(own[0]) + max(between, 0.0))
    found = contrast.effect(factor)
    assert float(found.standard_error[0, 0]) == pytest.approx(float(expected), rel=1e-12)
    # As good as one stratum of all, not as four of other users.
    alone = core(y[0, 0], x[0, 0])
    assert float(found.standard_error[0, 0]) > 0.8 * float(alone.standard_error)


def test_one_stratum_is_the_core_statistic_and_the_order_of_several_does_not_matter() -> None:
    y, x = sums(3, 1)
    alone = core(y[0, 0], x[0, 0])
    one = combined(y, x).difference
    for name in ("estimate", "standard_error", "degrees_of_freedom"):
        assert getattr(one, name)[0, 0] == pytest.approx(getattr(alone, name), rel=1e-14)
    y, x = sums(4, 5, loyal=0.5)
    there, back = combined(y, x).difference, combined(y[:, ::-1], x[:, ::-1]).difference
    assert float(there.estimate[0, 0]) == pytest.approx(float(back.estimate[0, 0]), rel=1e-13)
    assert float(there.standard_error[0, 0]) == pytest.approx(float(back.standard_error[0, 0]), rel=1e-13)


def test_strata_that_say_nothing_are_left_out() -> None:
    y, x = sums(5, 3)
    x[0, 1, 1], y[0, 1, 1] = 0.0, 0.0
    strata = side_by_side(y, x, 0, [1])
    contrast = strata.contrast(strata.weights(np.array([[[True, True, False]]]), MEANS))
    assert contrast.weight.tolist() == [[[1.0, 0.0, 0.0]]]
    first = core(y[0, 0], x[0, 0])
    assert float(contrast.difference.estimate[0, 0]) == float(first.estimate)
    none = strata.contrast(np.zeros((1, 1, 3)))
    assert not none.difference.usable.any()
    assert np.isnan(none.ratios).all()


def test_pooling_a_ramp_fails_where_combining_epochs_does_not() -> None:
    """Simpson: the base rate moves from 0.2 to 0.6 while the split goes from 5 to 50 per cent; no effect."""
    rate, share = np.array([0.2, 0.6]), np.array([0.05, 0.5])
    requests = np.stack([1 - share, share], axis=1) * 20_000  # (E, arm)
    x = np.random.default_rng(1).multinomial(1_000, np.full(GROUPS, 1 / GROUPS)) / 1_000 * requests[..., None]
    y = x * rate[:, None, None]
    pooled = y.sum(axis=(0, 2)) / x.sum(axis=(0, 2))
    assert pooled[1] - pooled[0] > 0.1
    strata = side_by_side(y[None], x[None], 0, [1])
    assert float(strata.contrast(np.ones((1, 1, 2))).difference.estimate[0, 0]) == 0.0


def test_relative_bounds_are_exactly_the_effects_not_refuted() -> None:
    contrasts = [combined(*sums(seed, 4, loyal=0.8)) for seed in range(6)]
    both = contrasts[0].treatment, contrasts[0].control
    contrasts.append(one_stratum(*(arm.at((..., 0)) for arm in both)))
    for contrast in contrasts:
        for bound in relative_confidence_sequence(contrast, mde=0.3):
            assert np.isfinite(bound).all()
            at = log_e_value(contrast.effect(1.0 + bound), mde=0.3)
            np.testing.assert_allclose(at, np.log(20), atol=1e-8)
