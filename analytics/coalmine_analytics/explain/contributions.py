"""Contributions of single values to the parts of a change, largest first, the rest as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, known
from coalmine_analytics.explain.decomposition import Decomposition
from coalmine_analytics.explain.words import named
from coalmine_analytics.results.explain import Contribution, PartName
from coalmine_consumers.explain import MixCells

MOST_SHOWN = 10
"""Values of one part and dimension that are listed; the others are one line, so the sums stay complete."""

_SEGMENTS, _MODEL, _VERSION = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class _Dimension:
    name: str
    values: Sequence[str]
    axis: int


def contributions(found: Decomposition, cells: MixCells) -> tuple[Contribution, ...]:
    """List what each value contributed to each part; dimensions of a single value are left out.

    Args:
        found: The decomposed change.
        cells: Its segments, models and versions.
    """
    segments = _Dimension("segments", [mix_name(cells.traffic, mix) for mix in cells.mixes], _SEGMENTS)
    models = _Dimension("model", cells.models, _MODEL)
    versions = _Dimension("version", cells.versions, _VERSION)
    of_times = any(cells.versions)
    within: PartName = "within versions" if of_times else "prompt"
    listed: list[tuple[PartName, _Dimension, FloatArray]] = [
        (within, each, found.within.sum(axis=tuple(axis for axis in range(3) if axis != each.axis)))
        for each in (versions, models, segments)
    ]
    if of_times:
        listed.insert(0, ("versions served", versions, found.versions))
    listed += [("model mix", models, found.models), ("traffic mix", segments, found.traffic)]
    return tuple(
        row
        for part, dimension, values in listed
        if len(dimension.values) > 1
        for row in _rows(part, dimension, values, found)
    )


def mix_name(traffic: Sequence[str], mix: Sequence[str]) -> str:
    """The name of a mix of traffic."""
    return ", ".join(named(key, value) for key, value in zip(traffic, mix, strict=True))


def _rows(
    part: PartName, dimension: _Dimension, values: FloatArray, found: Decomposition
) -> Iterator[Contribution]:
    others = tuple(axis for axis in range(1, 4) if axis != dimension.axis + 1)
    x, y = found.x.sum(axis=others), found.y.sum(axis=others)  # (2, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, ratio = x / x.sum(axis=1, keepdims=True), y / x
    order = np.argsort(-np.abs(values), kind="stable").tolist()
    shown = order if len(order) <= MOST_SHOWN else order[: MOST_SHOWN - 1]
    for at in shown:
        yield Contribution(
            part=part,
            dimension=dimension.name,
            value=dimension.values[at],
            contribution=float(values[at]),
            a_share=float(share[0, at]),
            b_share=float(share[1, at]),
            a_value=known(ratio[0, at]),
            b_value=known(ratio[1, at]),
        )
    if rest := order[len(shown) :]:
        yield Contribution(
            part=part,
            dimension=dimension.name,
            value=f"({len(rest):,} others)",
            contribution=float(values[rest].sum()),
            a_share=None,
            b_share=None,
            a_value=None,
            b_value=None,
        )
