import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.additive import MAGNITUDE_LIMIT, ExactSums, Moments

FLOATS = st.floats(min_value=-1e6, max_value=1e6)


def one_group(values: list[float]) -> Moments:
    return Moments.of(np.zeros(len(values), np.int64), 1, np.array(values))


@given(st.lists(st.tuples(st.integers(0, 4), FLOATS), min_size=1))
def test_moments_are_numpys(rows: list[tuple[int, float]]) -> None:
    of_row = np.array([group for group, _ in rows])
    values = np.array([value for _, value in rows])
    found = Moments.of(of_row, 5, values)
    for group in range(5):
        mine = values[of_row == group]
        assert found.n[group] == len(mine)
        if len(mine):
            assert found.mean[group] == pytest.approx(np.mean(mine), rel=1e-12, abs=1e-9)
            assert found.m2[group] == pytest.approx(np.var(mine) * len(mine), rel=1e-9, abs=1e-6)
        else:
            assert found.mean[group] == found.m2[group] == 0


@given(st.lists(st.lists(FLOATS), min_size=1))
def test_folding_parts_is_the_moments_of_the_whole(parts: list[list[float]]) -> None:
    of_row = np.concatenate([np.full(len(part), index) for index, part in enumerate(parts)]).astype(np.int64)
    values = np.array([value for part in parts for value in part])
    folded = Moments.of(of_row, len(parts), values).folded(np.zeros(len(parts), np.int64), 1)
    whole = one_group(list(values))
    assert folded.n[0] == whole.n[0]
    assert folded.mean[0] == pytest.approx(whole.mean[0], rel=1e-12, abs=1e-9)
    assert folded.m2[0] == pytest.approx(whole.m2[0], rel=1e-9, abs=1e-6)


def test_a_large_offset_does_not_cancel_the_variance() -> None:
    found = one_group([1e9, 1e9 + 1, 1e9 + 2])
    assert found.m2[0] / found.n[0] == pytest.approx(2 / 3)


def test_folding_large_offsets_does_not_cancel_the_variance() -> None:
    parts = Moments.of(np.array([0, 1, 2]), 3, np.array([1e9, 1e9 + 1, 1e9 + 2]))
    assert parts.folded(np.zeros(3, np.int64), 1).m2[0] == pytest.approx(2)


def test_absurd_values_are_bounded_instead_of_making_sums_infinite() -> None:
    found = one_group([1.7e308, -1.7e308, 1.7e308])
    assert math.isfinite(found.mean[0])
    assert math.isfinite(found.m2[0])
    assert one_group([1.7e308]).mean[0] == MAGNITUDE_LIMIT


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(st.integers(0, 3), INT64)))
def test_integer_sums_are_exact_beyond_64_bits(rows: list[tuple[int, int]]) -> None:
    of_row = np.array([group for group, _ in rows], np.int64)
    found = ExactSums.of(of_row, 4, np.array([value for _, value in rows], np.int64))
    expected = [sum(value for group, value in rows if group == wanted) for wanted in range(4)]
    assert [int(total) for total in found.to_arrow().to_pylist()] == expected
    folded = found.folded(np.array([0, 1, 0, 1]), 2)
    assert [int(total) for total in folded.to_arrow().to_pylist()] == [
        expected[0] + expected[2],
        expected[1] + expected[3],
    ]
