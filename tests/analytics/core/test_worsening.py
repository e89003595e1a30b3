"""Harm beyond a tolerance and acceptance within a margin, as contrasts with control; what few events show."""

import numpy as np
import pytest

from coalmine_analytics.core.acceptance import Seen, acceptable_log_e, superior_log_e, units_to_acceptable
from coalmine_analytics.core.contrast import Contrast, one_stratum
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.harm import harm_log_e
from coalmine_analytics.core.ratio import ArmRatio, arm_mean, arm_ratio
from coalmine_analytics.core.worsening import Worsening
from coalmine_schemas.errors import InvalidParameter

SHOWN = np.log(20)


def arms(control: float, treatment: float, n: int = 400, variance: float = 1.0) -> Contrast:
    means = np.array([treatment]), np.array([control])
    return one_stratum(*(arm_mean(np.array([n]), mean, np.array([variance])) for mean in means))


def limit(size: float, better: float = 1.0, *, relative: bool = False) -> Worsening:
    return Worsening(np.array([better]), np.array([size]), np.array([relative]))


def seen(units: float = 1e6, *, rate: bool = False, per_unit: float = 1.0) -> Seen:
    return Seen(np.array([units]), np.array([per_unit]), np.array([rate]))


def rates(control: int, treatment: int, n: int) -> Contrast:
    """Events of as many units in each arm, one in a group."""
    return one_stratum(
        *(arm_ratio((np.arange(n) < k)[None].astype(float), np.ones((1, n))) for k in (treatment, control))
    )


def harm(contrast: Contrast, tolerance: Worsening) -> float:
    return float(harm_log_e(contrast, tolerance, mde=0.2)[0])


def fine(contrast: Contrast, margin: Worsening, of: Seen | None = None) -> float:
    mde = 0.02 if of is not None and of.rate.all() else 0.2
    return float(acceptable_log_e(contrast, margin, of or seen(), mde=mde)[0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_direction_decides_what_is_harm(sign: float) -> None:
    better, worse = arms(0, 0.6 * sign), arms(0, -0.6 * sign)
    nothing = limit(0.0, sign)
    assert superior_log_e(better, nothing, mde=0.2) > SHOWN
    assert superior_log_e(worse, nothing, mde=0.2) < 0
    assert harm(worse, nothing) > SHOWN
    assert harm(better, nothing) < 0


def test_where_any_change_is_harm_both_sides_are_asked() -> None:
    for estimate in (0.6, -0.6):
        contrast = arms(5, 5 + estimate)
        sides = [harm(contrast, limit(0.1, side)) for side in (1, -1)]
        assert harm(contrast, limit(0.1, 0)) == pytest.approx(np.log(np.mean(np.exp(sides))), rel=1e-12)
        assert fine(contrast, limit(0.4, 0)) < 0
    assert fine(arms(5, 5), limit(0.6, 0)) > SHOWN


def test_a_tolerance_makes_harm_harder_and_a_margin_makes_acceptance_easier_to_show() -> None:
    worse, equal = arms(5, 4.6), arms(5, 5)
    assert harm(worse, limit(0.0)) > harm(worse, limit(0.1)) > harm(worse, limit(0.5))
    assert fine(equal, limit(0.6)) > SHOWN > fine(equal, limit(0.1)) > fine(equal, limit(0.0))
    with pytest.raises(InvalidParameter, match="size"):
        limit(-0.1)


@pytest.mark.parametrize("better", [1.0, -1.0])
@pytest.mark.parametrize("level", [5.0, -5.0])
def test_a_relative_size_is_a_contrast_with_control(better: float, level: float) -> None:
    contrast = arms(level, level * 1.02)
    for size in (0.05, 0.0):
        boundary = abs(level) * size * -better  # where the treatment may stand, from control
        times = 1.0 + boundary / level
        t, c = (arm.at((..., 0)) for arm in (contrast.treatment, contrast.control))
        from_there = difference(t, c.scaled(np.array([times])))
        side = "less" if better > 0 else "greater"
        expected = log_e_value(from_there, mde=0.2, alternative=side)  # type: ignore[arg-type]
        assert harm(contrast, limit(size, better, relative=True)) == pytest.approx(
            float(expected[0]), rel=1e-12
        )
    absolute = limit(0.05, better, relative=True).absolute(contrast)
    assert float(absolute[0]) == pytest.approx(0.05 * abs(level))


def test_a_relative_margin_of_a_control_that_is_0_by_luck_is_not_0_for_ever() -> None:
    half = limit(0.5, -1.0, relative=True)
    assert float(half.absolute(rates(0, 1, 200))[0]) == 0.0
    assert fine(rates(0, 1, 200), half, seen(200, rate=True)) < SHOWN
    many = rates(3_000, 3_000, 40_000)
    assert float(half.absolute(many)[0]) == pytest.approx(0.0375)
    assert fine(many, half, seen(40_000, rate=True)) > SHOWN


def test_a_rate_without_events_is_accepted_when_events_had_to_be_seen() -> None:
    """At a share of 1 % or more n units without an event have a chance of at most (1 - 0.01)^n."""
    margin = limit(0.01, -1.0)
    for units in (200, 800):
        expected = -units * np.log(0.99) + np.log(0.1)
        assert fine(rates(0, 0, units), margin, seen(units, rate=True)) == pytest.approx(expected, rel=1e-9)
    more = units_to_acceptable(
        rates(0, 0, 200), margin, seen(200, rate=True), np.array([400]), mde=0.02, alpha=0.05
    )
    assert float(more[0]) == pytest.approx(2 * (np.log(200) / -np.log(0.99) - 200), abs=1)


def test_one_event_fewer_than_control_is_no_proof() -> None:
    """Nothing in the treatment, one event in control: its own variance is 0, and says nothing."""
    margin, of = limit(0.01, -1.0), seen(300, rate=True)
    contrast = rates(1, 0, 300)
    assert float(contrast.difference.standard_error[0]) < 0.004
    assert fine(contrast, margin, of) < SHOWN < fine(rates(10, 10, 4_000), margin, seen(4_000, rate=True))


def test_units_that_return_count_as_one_until_their_events_are_seen_to_be_independent() -> None:
    contrast, margin = rates(1, 1, 1_200), limit(0.01, -1.0)
    once, often = (fine(contrast, margin, seen(1_200 / r, rate=True, per_unit=r)) for r in (1.0, 6.0))
    assert once > SHOWN > often


@pytest.mark.parametrize("noise", [0.0, 1e-15])
def test_identical_values_are_an_answer(noise: float) -> None:
    x = np.random.default_rng(1).poisson(20, (2, 1, 256)).astype(float)
    rounding = 1.0 + noise * np.random.default_rng(2).integers(-3, 4, x.shape)
    contrast = one_stratum(*(arm_ratio(0.17 * x[arm] * rounding[arm], x[arm]) for arm in range(2)))
    assert contrast.difference.identical.all()
    assert harm(contrast, limit(0.0)) == harm(contrast, limit(0.1)) == 0.0
    assert superior_log_e(contrast, limit(0.0), mde=0.2) == 0.0
    # 3 % of the units would be hit, each with all of its value, or more of them with less.
    margin = limit(0.03, relative=True)
    assert fine(contrast, margin, seen(170)) < SHOWN < fine(contrast, margin, seen(180))
    assert fine(contrast, margin, seen(170)) == pytest.approx(-170 * np.log(0.97) + np.log(0.1))


def test_nothing_everywhere_proves_no_relative_margin() -> None:
    nothing = one_stratum(*(arm_mean(np.array([5_000]), np.zeros(1), np.zeros(1)) for _ in range(2)))
    assert fine(nothing, limit(0.1, -1.0, relative=True), seen(5_000)) == 0.0


@pytest.mark.parametrize(("control", "treatment"), [(0.17, 0.12), (0.0, 1.0), (1.0, 0.999)])
def test_one_value_in_each_arm_and_not_the_same_is_found(control: float, treatment: float) -> None:
    def arm(value: float, n: int) -> ArmRatio:
        return arm_ratio(np.full((1, n), value), np.ones((1, n)))

    better = np.sign(control - treatment)
    for n in (30, 256):
        contrast = one_stratum(arm(treatment, n), arm(control, 256))
        assert contrast.difference.usable.all()
        mde = 0.03 * max(control, 0.5)
        assert harm_log_e(contrast, limit(0.0, better), mde=mde) > SHOWN
    same = one_stratum(arm(treatment, 30), arm(treatment, 256))
    assert harm_log_e(same, limit(0.0, better), mde=0.01) == 0.0


def test_few_units_accept_nothing_however_little_they_vary() -> None:
    n = 60
    value = np.full((1, n), 1.0)
    almost = value.copy()
    almost[0, 0] = 0.999
    contrast = one_stratum(arm_ratio(value, np.ones((1, n))), arm_ratio(almost, np.ones((1, n))))
    margin = limit(0.03, relative=True)
    assert fine(contrast, margin, seen(n)) < SHOWN  # a worsening by the margin may hit only 3 % of units


@pytest.mark.parametrize("better", [1.0, -1.0, 0.0])
def test_the_forecast_of_acceptance_is_where_its_evidence_suffices(better: float) -> None:
    margin, of = limit(0.3, better), seen(500)

    def after(times: float) -> Contrast:
        """The same values from so many times as many units."""
        arm = [ArmRatio(*(np.array([v]) for v in (mean, 90 * times, 90 * times, 90.0))) for mean in means]
        return one_stratum(*arm)

    means = 5 - 0.05 * better, 5.0
    more = float(units_to_acceptable(after(1.0), margin, of, np.array([180]), mde=0.2, alpha=0.05)[0])
    assert 0 < more < np.inf
    assert (
        fine(after((180 + more + 1) / 180), margin, of) > SHOWN > fine(after((178 + more) / 180), margin, of)
    )
