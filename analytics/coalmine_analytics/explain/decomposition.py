"""Exact decomposition of a change of a ratio: traffic, models, versions, and the rest within them.

A ratio of sums is a chain of four factors over segments s, models m and versions v,

    R = sum over s, m, v of  p(s) q(m | s) u(v | s, m) r(s, m, v),

the mix of traffic, the mix of models for that traffic, the mix of versions for those, and the ratio itself.
From side a to side b all four change. The part of each in R_b - R_a is its Shapley value: its effect when the
factors change one after the other, averaged over all orders. No order is preferred, swapping the sides only
changes signs, and the four parts sum to the change exactly.

What one side does not have cannot have changed there. A cell without requests on one side gets the ratio it
has on the other, a segment without requests the other side's models, and so on: a model that is new in a
segment counts as model mix in full, a segment that is new as traffic mix in full, and nothing of it as
"within".

References:
    E. M. Kitagawa, J. Am. Stat. Assoc. 50 (1955), two factors; P. Das Gupta, U.S. Bureau of the Census
    P23-186 (1993), symmetric for any number; A. F. Shorrocks, J. Econ. Inequality 11 (2013), as Shapley
    values.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.errors import invalid
from coalmine_consumers.aggregation.additive import total

TRAFFIC, MODELS, VERSIONS, WITHIN = range(4)
"""The four factors, in the order of the chain."""

_WEIGHTS = (1 / 4, 1 / 12, 1 / 12, 1 / 4)
"""Of a factor's effect after so many of the other three have changed: c! (3 - c)! / 4!."""
_BLOCK_CELLS = 2**19
"""Number of cells of leave-one-out sums handled together."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Sums by side, segment, model, version and unit group: N entries, each in one place."""

    shape: tuple[int, int, int]
    """Number of segments S, models M and versions V."""
    groups: int
    place: IntArray
    """Shape (5, N): side (0 or 1), segment, model, version, group."""
    x: FloatArray
    """Denominators, shape (N,), >= 0."""
    y: FloatArray
    """Numerators, shape (N,)."""

    def __post_init__(self) -> None:
        if self.place.shape != (5, len(self.x)) or len(self.x) != len(self.y):
            raise invalid(
                "place, x and y", (self.place.shape, self.x.shape), "give shapes (5, N), (N,), (N,)"
            )
        if not (np.isfinite(self.x) & (self.x >= 0)).all():
            raise invalid("x", float(self.x.min()), "denominators are finite and >= 0")


@dataclass(frozen=True, slots=True, eq=False)
class Decomposition:
    """A change, in the order of the factors."""

    ratios: tuple[float, float]
    """R on side a and on side b."""
    parts: FloatArray
    """Shape (4,): they sum to R_b - R_a."""
    replicates: FloatArray
    """The same without one unit group, shape (G, 4) for the G groups with data."""
    traffic: FloatArray
    """Of the part of traffic, by segment, shape (S,)."""
    models: FloatArray
    """Of the part of models, by model, shape (M,)."""
    versions: FloatArray
    """Of the part of versions, by version, shape (V,)."""
    within: FloatArray
    """Of the part within, by segment, model and version, shape (S, M, V)."""
    x: FloatArray
    """Denominators, shape (2, S, M, V)."""
    y: FloatArray
    """Numerators, same shape."""
    shared: float
    """Share of the denominators, of both sides, in cells that both sides have, 0 to 1."""

    @property
    def change(self) -> float:
        """R_b - R_a."""
        return self.ratios[1] - self.ratios[0]

    def standard_error(self, weights: npt.ArrayLike) -> float:
        """Of a weighted sum of the parts, by the delete-a-group jackknife.

        Units on both sides are in one group, so what they share cancels.

        Args:
            weights: Shape (4,); all ones give the change.

        Returns:
            In the metric's unit; NaN below two groups.

        References:
            P. S. Kott, J. Official Statistics 17 (2001): the delete-a-group jackknife.
        """
        n = len(self.replicates)
        if n < 2:
            return float("nan")
        each = self.replicates @ np.asarray(weights, np.float64)
        return float(np.sqrt((n - 1) / n * np.square(each - each.mean()).sum()))


def decompose(cells: Cells) -> Decomposition:
    """Decompose the change from side a to side b.

    Args:
        cells: Both sides.

    Raises:
        InvalidParameter: A side has no denominator at all.
    """
    size = int(np.prod(cells.shape))
    side, *rest, group = cells.place
    flat = side * size + np.ravel_multi_index(tuple(rest), cells.shape)
    x, y = (total(flat, 2 * size, sums) for sums in (cells.x, cells.y))
    both = (2, 1, *cells.shape)
    whole_x, whole_y = x.reshape(both), y.reshape(both)
    if not (whole_x.sum(axis=(1, 2, 3, 4)) > 0).all():
        raise invalid("x", 0.0, "both sides need requests")
    factors = _factors(whole_x, whole_y)
    ratio_a, ratio_b = (float(sums[1].sum() / sums[0].sum()) for sums in zip(whole_x, whole_y, strict=True))
    return Decomposition(
        (ratio_a, ratio_b),
        _shapley(_coalitions(factors))[:, 0],
        _replicates(cells, flat, group, (x, y)),
        *_contributions(factors),
        whole_x[:, 0],
        whole_y[:, 0],
        _shared(whole_x[:, 0]),
    )


def _shared(x: FloatArray) -> float:
    return float(x[:, (x > 0).all(axis=0)].sum() / x.sum())


Factors = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""p of shape (2, B, S), q (2, B, S, M), u and r (2, B, S, M, V); sides first, B alternatives."""


def _factors(x: FloatArray, y: FloatArray) -> Factors:
    by_model = x.sum(axis=-1)
    by_segment = by_model.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            by_segment / by_segment.sum(axis=-1, keepdims=True),
            _filled(by_model / by_segment[..., None], by_segment[..., None] > 0),
            _filled(x / by_model[..., None], by_model[..., None] > 0),
            _filled(y / x, x > 0),
        )


def _filled(factor: FloatArray, known: BoolArray) -> FloatArray:
    """Fill what one side lacks from the other side; 0 where both lack it."""
    mine = np.where(known, factor, 0.0)
    return np.where(known, mine, mine[::-1])


def _coalitions(factors: Factors) -> FloatArray:
    """R with each factor from either side, shape (2, 2, 2, 2, B): p, q, u, r."""
    p, q, u, r = factors
    found = np.empty((2, 2, 2, 2, p.shape[1]))
    for of_u, of_r in itertools.product(range(2), repeat=2):
        of_models = np.einsum("bsmv,bsmv->bsm", u[of_u], r[of_r])
        for of_q in range(2):
            of_segments = np.einsum("bsm,bsm->bs", q[of_q], of_models)
            for of_p in range(2):
                found[of_p, of_q, of_u, of_r] = np.einsum("bs,bs->b", p[of_p], of_segments)
    return found


def _shapley(coalitions: FloatArray) -> FloatArray:
    """Each factor's part, shape (4, B)."""
    parts = []
    for factor in range(4):
        effect = np.moveaxis(coalitions, factor, 0)
        parts.append(
            sum(
                _WEIGHTS[sum(others)] * (effect[(1, *others)] - effect[(0, *others)])
                for others in itertools.product(range(2), repeat=3)
            )
        )
    return np.array(parts)


def _contributions(factors: Factors) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """By segment, by model, by version, and within cells: each sums to its factor's part."""
    p, q, u, r = (factor[:, 0] for factor in factors)
    p, q = p[..., None, None], q[..., None]
    value_p, value_q, value_u, weight_r = (np.zeros(u.shape[1:]) for _ in range(4))
    for first, second, third in itertools.product(range(2), repeat=3):
        weight = _WEIGHTS[first + second + third]
        value_p += weight * (q[first] * u[second] * r[third])
        value_q += weight * (p[first] * u[second] * r[third])
        value_u += weight * (p[first] * q[second] * r[third])
        weight_r += weight * (p[first] * q[second] * u[third])
    of_segment = _centred(p[:, :, 0, 0], value_p.sum(axis=(1, 2)))
    of_model = _centred(q[..., 0], value_q.sum(axis=2))
    of_version = _centred(u, value_u)
    return of_segment, of_model.sum(axis=0), of_version.sum(axis=(0, 1)), weight_r * (r[1] - r[0])


def _centred(share: FloatArray, value: FloatArray) -> FloatArray:
    """The effect of each share's change against the overall mean: more of what is above it raises the ratio.

    Shares sum to one, so their changes to zero, and taking the mean off changes no sum.
    """
    mean = (share.mean(axis=0) * value).sum(axis=-1, keepdims=True)
    weight = share.mean(axis=0).sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        reference = np.where(weight > 0, mean / weight, 0.0)
    return np.asarray((share[1] - share[0]) * (value - reference))


def _replicates(
    cells: Cells, flat: IntArray, group: IntArray, whole: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Parts without one group, for each group with data; none where a side would be left empty."""
    present = np.flatnonzero(np.bincount(group, weights=cells.x, minlength=cells.groups))
    size = len(whole[0])
    step = max(1, _BLOCK_CELLS // size)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(cells.groups + 1))
    found = [np.empty((0, 4))]
    for begin in range(0, len(present), step):
        block = present[begin : begin + step]
        mine = np.concatenate([order[starts[each] : starts[each + 1]] for each in block])
        at = np.searchsorted(block, group[mine]) * size + flat[mine]
        without = []
        for everything, sums in zip(whole, (cells.x, cells.y), strict=True):
            mine_only = total(at, len(block) * size, sums[mine]).reshape(-1, size)
            left = everything - mine_only
            without.append(np.moveaxis(left.reshape(len(block), 2, *cells.shape), 1, 0))
        # A cell whose only group is left out is empty, whatever rounding leaves of it.
        x = np.where(without[0] > 1e-9 * whole[0].reshape(2, 1, *cells.shape), without[0], 0.0)
        kept = (x.sum(axis=(2, 3, 4)) > 0).all(axis=0)
        if not kept.all():
            return np.empty((0, 4))
        found.append(_shapley(_coalitions(_factors(x, without[1]))).T)
    return np.concatenate(found)
