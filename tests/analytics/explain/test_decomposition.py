"""Parts of a change sum to it, exactly; each is what it is called; none is surer than chance allows."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.explain.decomposition import (
    MODELS,
    TRAFFIC,
    VERSIONS,
    WITHIN,
    Cells,
    Decomposition,
    decompose,
)
from coalmine_schemas.errors import InvalidParameter

GROUPS = 256


def cells_of(x: FloatArray, y: FloatArray, groups: int = GROUPS) -> Cells:
    """Cells of dense sums, shape (2, S, M, V, K)."""
    places = np.argwhere(x > 0)
    at = tuple(places.T)
    shape = (x.shape[1], x.shape[2], x.shape[3])
    return Cells(shape, groups, places.T, x[at], y[at])


def one_group(x: FloatArray, y: FloatArray) -> Decomposition:
    """The decomposition of sums of shape (2, S, M, V)."""
    return decompose(cells_of(x[..., None], y[..., None], 1))


@st.composite
def sums(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Sums in which anything may be missing on either side, of any size and sign."""
    shape = (2, *(draw(st.integers(1, 3)) for _ in range(3)))
    size = math.prod(shape)
    counts = st.sampled_from([0, 0, 1, 2, 7, 1_000, 10**6])
    x = np.array(draw(st.lists(counts, min_size=size, max_size=size)), np.float64).reshape(shape)
    x[:, 0, 0, 0] += draw(st.integers(1, 3))
    ratios = st.floats(-1e6, 1e6, allow_subnormal=False)
    y = x * np.array(draw(st.lists(ratios, min_size=size, max_size=size))).reshape(shape)
    return x, y


@given(sums())
def test_parts_sum_to_the_change_and_values_to_their_parts(given: tuple[FloatArray, FloatArray]) -> None:
    x, y = given
    found = one_group(x, y)
    a, b = (float(y[side].sum() / x[side].sum()) for side in range(2))
    largest = float(np.abs(np.divide(y, x, out=np.zeros_like(y), where=x > 0)).max()) + 1e-300
    assert found.ratios == pytest.approx((a, b), rel=1e-12)
    for whole, parts in (
        (b - a, found.parts),
        (found.parts[TRAFFIC], found.traffic),
        (found.parts[MODELS], found.models),
        (found.parts[VERSIONS], found.versions),
        (found.parts[WITHIN], found.within),
    ):
        assert abs(float(parts.sum()) - whole) <= 1e-12 * largest


@given(sums())
def test_swapping_the_sides_turns_every_sign_and_nothing_else(given: tuple[FloatArray, FloatArray]) -> None:
    x, y = given
    there, back = one_group(x, y), one_group(x[::-1], y[::-1])
    largest = float(np.abs(np.divide(y, x, out=np.zeros_like(y), where=x > 0)).max())
    np.testing.assert_allclose(there.parts, -back.parts, rtol=0, atol=1e-12 * largest)
    np.testing.assert_allclose(there.traffic, -back.traffic, rtol=0, atol=1e-12 * largest)


def dense(p: FloatArray, q: FloatArray, u: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of shape (2, S, M, V) from the four factors of both sides."""
    x = 1_000.0 * p[..., None, None] * q[..., None] * u
    return x, x * r


def factors(seed: int) -> list[FloatArray]:
    random = np.random.default_rng(seed)
    p, q, u = (random.uniform(0.1, 1.0, (2, 3, 2, 2)[:dimensions]) for dimensions in (2, 3, 4))
    r = random.normal(0.7, 0.2, (2, 3, 2, 2))
    return [each / each.sum(axis=-1, keepdims=True) for each in (p, q, u)] + [r]


@pytest.mark.parametrize("changed", range(4))
def test_what_alone_changed_is_all_of_the_change(changed: int) -> None:
    each = factors(changed)
    for factor in range(4):
        if factor != changed:
            each[factor][1] = each[factor][0]
    found = one_group(*dense(*each))
    assert abs(found.change) > 1e-3
    np.testing.assert_allclose(found.parts[changed], found.change, rtol=1e-12)
    np.testing.assert_allclose(np.delete(found.parts, changed), 0.0, atol=1e-15)


def test_the_parts_are_the_mean_over_all_orders_of_changing_them() -> None:
    each = factors(9)

    def ratio(sides: tuple[int, ...]) -> float:
        p, q, u, r = (factor[side] for factor, side in zip(each, sides, strict=True))
        return float((p[:, None, None] * q[..., None] * u * r).sum())

    expected = np.zeros(4)
    orders = list(itertools.permutations(range(4)))
    for order in orders:
        sides = [0, 0, 0, 0]
        for factor in order:
            before = ratio(tuple(sides))
            sides[factor] = 1
            expected[factor] += (ratio(tuple(sides)) - before) / len(orders)
    np.testing.assert_allclose(one_group(*dense(*each)).parts, expected, rtol=1e-12)


def test_two_factors_are_kitagawas() -> None:
    p = np.array([[0.5, 0.5], [0.8, 0.2]])
    r = np.array([[0.9, 0.6], [0.8, 0.7]])
    x = 100.0 * p[:, :, None, None]
    found = one_group(x, x * r[:, :, None, None])
    rates = ((p[0] + p[1]) / 2 * (r[1] - r[0])).sum()
    composition = ((r[0] + r[1]) / 2 * (p[1] - p[0])).sum()
    np.testing.assert_allclose(found.parts[[WITHIN, TRAFFIC]], [rates, composition], rtol=1e-12)
    # More of the segment that is above the mean raises the ratio, and so does less of the one below.
    assert (found.traffic > 0).all()
    np.testing.assert_allclose(found.within[:, 0, 0], (p[0] + p[1]) / 2 * (r[1] - r[0]))


@pytest.mark.parametrize(("axis", "part"), [(0, TRAFFIC), (1, MODELS), (2, VERSIONS)])
def test_what_only_one_side_has_counts_as_mix_in_full(axis: int, part: int) -> None:
    shape = [2, 1, 1, 1]
    shape[axis + 1] = 2
    x = np.array([[100.0, 0.0], [60.0, 40.0]]).reshape(shape)
    y = x * np.array([[0.5, 0.0], [0.5, 0.9]]).reshape(shape)
    found = one_group(x, y)
    np.testing.assert_allclose(found.parts[part], 0.4 * 0.4, rtol=1e-12)
    np.testing.assert_allclose(np.delete(found.parts, part), 0.0, atol=1e-15)
    assert found.shared == pytest.approx(0.8)


def test_a_side_without_anything_is_refused() -> None:
    x = np.zeros((2, 1, 1, 1))
    x[0] = 1.0
    with pytest.raises(InvalidParameter, match="both sides need requests"):
        one_group(x, x)
    with pytest.raises(InvalidParameter, match="denominators"):
        Cells((1, 1, 1), 1, np.zeros((5, 1), np.int64), np.array([-1.0]), np.array([1.0]))


def simulated(random: np.random.Generator, units: int = 600) -> Cells:
    """Users with a level of their own who are on both sides; nothing changed but chance."""
    x, y = np.zeros((2, 2, 2, 1, GROUPS)), np.zeros((2, 2, 2, 1, GROUPS))
    requests = 1 + random.poisson(4, units)
    user = np.repeat(np.arange(units), requests)
    level = random.normal(0.0, 0.15, units)[user]
    segment = (random.random(units) < 0.3).astype(int)[user]
    group = random.integers(0, GROUPS, units)[user]
    side, model = (random.integers(0, 2, len(user)) for _ in range(2))
    value = 0.7 + 0.1 * segment - 0.05 * model + level + random.normal(0, 0.1, len(user))
    at = (side, segment, model, np.zeros_like(user), group)
    np.add.at(x, at, 1.0)
    np.add.at(y, at, value)
    return cells_of(x, y)


def test_without_one_group_is_without_one_group() -> None:
    cells = simulated(np.random.default_rng(5))
    found = decompose(cells)
    present = np.unique(cells.place[4])
    assert len(present) == len(found.replicates) < GROUPS  # some groups have no user
    for place in (0, 100, len(present) - 1):
        keep = cells.place[4] != present[place]
        rest = decompose(Cells(cells.shape, GROUPS, cells.place[:, keep], cells.x[keep], cells.y[keep]))
        np.testing.assert_allclose(found.replicates[place], rest.parts, atol=1e-13)


def test_standard_errors_are_as_large_as_chance() -> None:
    """Over many repetitions each part is 1.96 standard errors off about one time in twenty."""
    random = np.random.default_rng(11)
    missed = np.zeros(4)
    missed_by_requests = 0
    runs = 300
    whole = np.ones(4)
    for _ in range(runs):
        cells = simulated(random)
        found = decompose(cells)
        for factor in (TRAFFIC, MODELS, WITHIN):
            se = found.standard_error(np.eye(4)[factor])
            missed[factor] += abs(found.parts[factor]) > 1.96 * se
        missed[VERSIONS] += abs(found.change) > 1.96 * found.standard_error(whole)
        # Negative control: the same as if every request of a side were drawn by itself, once over.
        naive = 0.1 * math.sqrt(2 / (cells.x.sum() / 2))
        missed_by_requests += abs(found.change) > 1.96 * naive
    assert (missed / runs <= 0.085).all(), missed / runs
    assert (missed / runs >= 0.02).all(), missed / runs
    assert missed_by_requests / runs >= 0.15


def test_many_segments_go_through_in_blocks() -> None:
    random = np.random.default_rng(3)
    x = random.poisson(0.02, (2, 100, 5, 5, GROUPS)).astype(np.float64)
    found = decompose(cells_of(x, x * random.normal(0.7, 0.1, x.shape)))
    assert found.replicates.shape == (GROUPS, 4)
    np.testing.assert_allclose(found.replicates.sum(axis=1).mean(), found.change, atol=1e-4)
