import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.assignment import assign, release_at, unit_interval
from coalmine_simulator.profiles import Arm, Release


def canary(treatment_share: float, experiment: str = "canary") -> Release:
    return Release(
        0.0,
        (Arm("treatment", "2.0.0", treatment_share), Arm("control", "1.0.0", 1 - treatment_share)),
        experiment=experiment,
        allocation_epoch=1,
    )


@given(st.text(), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_growing_the_treatment_only_ever_adds_units_to_it(unit: str, before: float, growth: float) -> None:
    if assign(canary(before), unit).variant == "treatment":
        assert assign(canary(before + growth), unit).variant == "treatment"


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5])
def test_arms_get_their_share_of_units(share: float) -> None:
    units = 10_000
    arms = Counter(assign(canary(share), f"user-{n:05d}").variant for n in range(units))
    assert arms["treatment"] / units == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / units))


def test_experiments_assign_independently_of_each_other() -> None:
    units = [f"user-{n:05d}" for n in range(10_000)]
    both = sum(
        assign(canary(0.5, "one"), unit).variant == assign(canary(0.5, "two"), unit).variant for unit in units
    )
    assert both / len(units) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(len(units)))


def test_the_latest_release_is_in_force_from_its_moment_on() -> None:
    first = Release(0.0, (Arm("control", "1.0.0"),))
    second = Release(60.0, (Arm("control", "2.0.0"),))
    releases = (first, second)
    assert [release_at(releases, at_s) for at_s in (0.0, 59.9, 60.0, 1e9)] == [first, first, second, second]


def test_an_arm_of_weight_zero_gets_nobody() -> None:
    assert {assign(canary(0.0), f"user-{n}").variant for n in range(1000)} == {"control"}


@given(st.text(), st.text())
def test_a_unit_s_place_is_in_the_unit_interval(salt: str, unit: str) -> None:
    assert 0.0 <= unit_interval(salt, unit) < 1.0
