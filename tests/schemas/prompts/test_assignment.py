"""Who gets which arm: uniform, independent, sticky, monotone, and the same in every language."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import Arm, assignment_point, check_arms, choose_arm
from tests.support.repository.tree import ROOT

_UNITS = 1_000_000


def reference(salt: str, units: range) -> NDArray[np.float64]:
    """The same, written from docs/assignment.md, for many units at once."""
    start = salt.encode() + b"\0"
    heads = b"".join(hashlib.sha256(start + b"user-%d" % unit).digest()[:8] for unit in units)
    points: NDArray[np.float64] = (np.frombuffer(heads, dtype=">u8") >> np.uint64(11)) / 2.0**53
    return points


@pytest.fixture(scope="module")
def points() -> NDArray[np.float64]:
    return reference("salt-a", range(_UNITS))


def two(treatment: float) -> list[Arm]:
    return [Arm("treatment", "1.1.0", treatment), Arm("control", "1.0.0", 1.0 - treatment)]


def test_the_reference_is_the_same_function(points: NDArray[np.float64]) -> None:
    for unit in range(0, _UNITS, 997):
        assert assignment_point("salt-a", f"user-{unit}") == points[unit]


def test_points_of_a_million_units_are_uniform(points: NDArray[np.float64]) -> None:
    assert points.min() >= 0.0
    assert points.max() < 1.0
    counts = np.histogram(points, bins=1000, range=(0.0, 1.0))[0]
    assert stats.chisquare(counts).pvalue > 1e-4
    assert stats.kstest(points[:100_000], "uniform").pvalue > 1e-4


def test_experiments_are_independent(points: NDArray[np.float64]) -> None:
    other = reference("salt-b", range(_UNITS))
    table = np.histogram2d(points, other, bins=20, range=((0.0, 1.0), (0.0, 1.0)))[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4
    assert abs(np.corrcoef(points, other)[0, 1]) < 0.005


def test_no_unit_leaves_treatment_while_it_ramps_up(points: NDArray[np.float64]) -> None:
    for low, high in pairwise((0.05, 0.25, 0.5, 1.0)):
        stayed = 0
        for point in points[:20_000]:
            if choose_arm(two(low), point).variant == "treatment":
                assert choose_arm(two(high), point).variant == "treatment"
                stayed += 1
        assert stayed > 500


def test_each_of_several_arms_gets_its_share(points: NDArray[np.float64]) -> None:
    arms = [Arm("a", "2.0.0", 0.1), Arm("b", "2.1.0", 0.2), Arm("control", "1.0.0", 0.7)]
    chosen = [choose_arm(arms, point).variant for point in points[:100_000]]
    counts = [chosen.count(arm.variant) for arm in arms]
    assert stats.chisquare(counts, [arm.weight * len(chosen) for arm in arms]).pvalue > 1e-4


def test_an_arm_without_weight_gets_nobody_and_the_last_one_the_rest() -> None:
    assert choose_arm(two(0.0), 0.0).variant == "control"
    thirds = [Arm("a", "1.0.0", 1 / 3), Arm("b", "1.1.0", 1 / 3), Arm("c", "1.2.0", 1 / 3)]
    assert choose_arm(thirds, 1.0 - 2.0**-53).variant == "c"
    # Ten tenths add up to less than 1.
    tenths = [Arm(str(place), "1.0.0", 0.1) for place in range(10)]
    assert choose_arm(tenths, 1.0 - 2.0**-53).variant == "9"


def test_the_published_vectors_hold() -> None:
    published = json.loads((ROOT / "docs/assignment-vectors.json").read_text(encoding="utf-8"))
    assert len(published["points"]) >= 10
    for vector in published["points"]:
        digest = hashlib.sha256(vector["salt"].encode() + b"\0" + vector["unit_id"].encode()).hexdigest()
        assert digest == vector["sha256"]
        assert assignment_point(vector["salt"], vector["unit_id"]) == vector["point"]
    assert len(published["arms"]) >= 5
    for vector in published["arms"]:
        arms = [Arm(arm["variant"], "1.0.0", arm["weight"]) for arm in vector["arms"]]
        check_arms(arms)
        point = assignment_point(vector["salt"], vector["unit_id"])
        assert choose_arm(arms, point).variant == vector["variant"]


@given(st.text(), st.text())
def test_any_text_has_a_point(salt: str, unit_id: str) -> None:
    assert 0.0 <= assignment_point(salt, unit_id) < 1.0


def test_half_a_surrogate_pair_has_a_point_too() -> None:
    assert 0.0 <= assignment_point("salt", "\ud800") < 1.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0, exclude_max=True))
def test_growing_a_treatment_only_ever_adds(first: float, second: float, point: float) -> None:
    low, high = sorted((first, second))
    if choose_arm(two(low), point).variant == "treatment":
        assert choose_arm(two(high), point).variant == "treatment"


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        ([], "at least one arm"),
        ([Arm("a", "1.0.0", 0.5), Arm("a", "1.1.0", 0.5)], "a name of its own"),
        ([Arm("a", "1.0.0", -0.1), Arm("b", "1.1.0", 1.1)], "from 0 to 1"),
        ([Arm("a", "1.0.0", 0.5), Arm("b", "1.1.0", 0.4)], "add up to 1"),
        ([Arm("a", "1.0.0", float("nan")), Arm("b", "1.1.0", 1.0)], "from 0 to 1"),
    ],
)
def test_arms_that_cannot_be_assigned_are_refused(arms: list[Arm], says: str) -> None:
    with pytest.raises(InvalidParameter, match=says):
        check_arms(arms)
