"""Sums of both sides: by everything a change is taken apart by, and by each value looked at by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.experiments import UNIT_GROUPS
from coalmine_consumers.explain.dimensions import (
    MODEL,
    MOST_MIXES,
    MOST_TESTED,
    MOST_TRAFFIC_VALUES,
    OTHER,
    SEPARATOR,
    TIME,
    VERSION,
    Dimension,
    Value,
    told_apart,
)
from coalmine_consumers.explain.selection import CountMixes, MixCount
from coalmine_consumers.sql import fetch_table, statement

MOST_COUNTED = 100_000
"""Requests that mixes are counted in, about."""
MOST_NAMED = 9
"""Versions, and models, that are told apart; the others count as one."""


@dataclass(frozen=True, slots=True, eq=False)
class MixCells:
    """Sums by version, model and mix of traffic; N cells that have any."""

    versions: tuple[str, ...]
    """One, empty, where the sides are versions: what is served does not change within a side."""
    models: tuple[str, ...]
    mixes: tuple[tuple[str, ...], ...]
    """Values of `traffic`."""
    traffic: tuple[str, ...]
    """Segments, or "app"."""
    side: IntArray
    """Shape (N,), 0 or 1; the next four likewise index what they are named after."""
    version: IntArray
    model: IntArray
    mix: IntArray
    group: IntArray
    x: FloatArray
    """Denominators, shape (N,)."""
    y: FloatArray
    """Numerators, shape (N,), as in experiment cells."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueSums:
    """Sums by value of each dimension; D values."""

    dimension: tuple[str, ...]
    value: tuple[str, ...]
    requests: IntArray
    """Shape (D, 2)."""
    x: FloatArray
    """Denominators, shape (D, 2, 256); a before b."""
    y: FloatArray
    """Numerators, same shape."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainSums:
    """Sums by what every request has: version, model, application and period."""

    table: pa.Table

    def dimension(self, name: str) -> Dimension:
        """One of the four, with its values."""
        grouped = (
            self.table.group_by([name, "side"]).aggregate([("requests", "sum"), ("x", "sum")]).to_pylist()
        )
        found: dict[str, list[float]] = {}
        for row in grouped:
            mine = found.setdefault(row[name], [0, 0.0, 0.0])
            mine[0] += row["requests_sum"]
            mine[1 + row["side"]] += row["x_sum"]
        values = (Value(value, int(requests), x_a, x_b) for value, (requests, x_a, x_b) in found.items())
        return Dimension(
            name,
            is_segment=False,
            values=tuple(sorted(values, key=lambda each: (-each.requests, each.value))),
        )


def plain_sums(cursor: duckdb.DuckDBPyConnection) -> PlainSums:
    """Sums of the requests laid out."""
    return PlainSums(fetch_table(cursor, statement("dimension_sums", __package__)))


def mix_cells(
    cursor: duckdb.DuckDBPyConnection, plain: PlainSums, traffic: Sequence[Dimension], *, of_versions: bool
) -> MixCells:
    """Sums of the requests laid out, by version, model and mix of traffic.

    Args:
        cursor: Where they are laid out.
        plain: Their plain sums.
        traffic: What the mix of traffic is made of.
        of_versions: True if the sides are versions.
    """
    parameters: dict[str, Any] = {}
    version = "''" if of_versions else _lumped(plain.dimension(VERSION), MOST_NAMED, "version", parameters)
    model = _lumped(plain.dimension(MODEL), MOST_NAMED, "model", parameters)
    mix = _mix(traffic, parameters)
    query = statement("mix_cells", __package__).format(version=version, model=model, mix=mix)
    table = fetch_table(cursor, query, parameters)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    versions, at_version = _coded(table["version"])
    models, at_model = _coded(table["model"])
    mixes, at_mix = _coded(table["mix"])
    at_mix, mixes = _fewer(at_mix, mixes, x, len(traffic))
    return MixCells(
        versions,
        models,
        tuple(tuple(each.split(SEPARATOR)) if traffic else () for each in mixes),
        tuple(each.name for each in traffic),
        table["side"].to_numpy().astype(np.int64),
        at_version,
        at_model,
        at_mix,
        table["unit_group"].to_numpy().astype(np.int64),
        x,
        y,
    )


def mix_counter(cursor: duckdb.DuckDBPyConnection, plain: PlainSums, *, of_versions: bool) -> CountMixes:
    """Counts mixes of the requests laid out, in a sample where there are very many.

    Args:
        cursor: Where they are laid out.
        plain: Their plain sums.
        of_versions: True if the sides are versions.
    """
    requests = sum(plain.table["requests"].to_pylist())
    below = int(2**32 * min(1.0, MOST_COUNTED / requests))

    def count(traffic: Sequence[Dimension]) -> MixCount:
        parameters: dict[str, Any] = {"below": below}
        version = "''" if of_versions else "version"
        query = statement("mix_counts", __package__).format(version=version, mix=_mix(traffic, parameters))
        ((different, effective, cells),) = cursor.execute(query, parameters).fetchall()
        return MixCount(int(different), float(effective or 0.0), float(cells or 0.0))

    return count


def _mix(traffic: Sequence[Dimension], parameters: dict[str, Any]) -> str:
    parts = [
        _lumped(each, each.different if each.name == TIME else MOST_TRAFFIC_VALUES, f"mix_{at}", parameters)
        for at, each in enumerate(traffic)
    ]
    return f"concat_ws(chr(31), {', '.join(parts)})" if parts else "''"


def _lumped(dimension: Dimension, most: int, name: str, parameters: dict[str, Any]) -> str:
    """Expression of a dimension's value, with `OTHER` for rare ones; adds the parameters it names."""
    value = dimension.expression
    if dimension.is_segment:
        parameters[f"{name}_key"] = dimension.name
        value = value.format(key=f"${name}_key")
    if dimension.different <= most:
        return value
    parameters[f"{name}_values"] = told_apart(dimension, most)
    return f"CASE WHEN list_contains(${name}_values::VARCHAR[], {value}) THEN {value} ELSE '{OTHER}' END"


def _fewer(
    at_mix: IntArray, mixes: tuple[str, ...], x: FloatArray, keys: int
) -> tuple[IntArray, tuple[str, ...]]:
    """At most `MOST_MIXES` mixes: the rarest become one."""
    if len(mixes) <= MOST_MIXES:
        return at_mix, mixes
    order = np.argsort(-np.bincount(at_mix, weights=x, minlength=len(mixes)), kind="stable")
    place = np.full(len(mixes), MOST_MIXES - 1)
    place[order[: MOST_MIXES - 1]] = np.arange(MOST_MIXES - 1)
    kept = [mixes[each] for each in order[: MOST_MIXES - 1]]
    return place[at_mix], (*kept, SEPARATOR.join([OTHER] * keys))


def value_sums(
    cursor: duckdb.DuckDBPyConnection, plain: PlainSums, dimensions: Sequence[Dimension]
) -> ValueSums:
    """Sums of the requests laid out, by value of each dimension."""
    place: dict[tuple[str, bool, str], int] = {}
    for each in dimensions:
        for value in each.values[:MOST_TESTED]:
            place[each.name, each.is_segment, value.value] = len(place)
    requests = np.zeros((len(place), 2), np.int64)
    x, y = (np.zeros((len(place), 2, UNIT_GROUPS)) for _ in range(2))

    def add(table: pa.Table, at: IntArray) -> None:
        mine = at >= 0
        side, group = (table[name].to_numpy().astype(np.int64)[mine] for name in ("side", "unit_group"))
        np.add.at(requests, (at[mine], side), table["requests"].to_numpy()[mine])
        np.add.at(x, (at[mine], side, group), table["x"].to_numpy()[mine])
        np.add.at(y, (at[mine], side, group), table["y"].to_numpy()[mine])

    for name in {each.name for each in dimensions if not each.is_segment}:
        values, codes = _coded(plain.table[name])
        at = np.array([place.get((name, False, value), -1) for value in values], np.int64)
        add(plain.table, at[codes])
    wanted = [f"{name}{SEPARATOR}{value}" for name, is_segment, value in place if is_segment and value]
    if wanted:
        found = fetch_table(cursor, statement("segment_sums", __package__), {"wanted": wanted})
        keys = zip(found["key"].to_pylist(), found["value"].to_pylist(), strict=True)
        add(found, np.array([place[key, True, value] for key, value in keys], np.int64))
    for (name, is_segment, text), at_absent in place.items():
        if is_segment and not text:
            found = fetch_table(cursor, statement("unsegmented_sums", __package__), {"key": name})
            add(found, np.full(found.num_rows, at_absent))
    return ValueSums(
        tuple(name for name, _, _ in place), tuple(value for _, _, value in place), requests, x, y
    )


def _coded(column: pa.ChunkedArray) -> tuple[tuple[str, ...], IntArray]:
    values = sorted(pc.unique(column).to_pylist())
    codes: IntArray = pc.index_in(column, value_set=pa.array(values, column.type)).to_numpy().astype(np.int64)
    return tuple(values), codes
