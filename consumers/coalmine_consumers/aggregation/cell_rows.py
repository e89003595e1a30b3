"""From what rows add to metrics to the rows of the tables of cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.additive import MAGNITUDE_LIMIT, add_counts, count_rows, total
from coalmine_consumers.aggregation.groups import Codes, Groups, codes_of, group_by
from coalmine_consumers.aggregation.measures import spans
from coalmine_consumers.aggregation.segments import COLUMN
from coalmine_consumers.arrays import FloatArray, IntArray, microseconds, timestamps

ARM = ("experiment", "allocation_epoch", "variant")
"""What the cells of one arm in one epoch share."""


@dataclass(frozen=True, slots=True, eq=False)
class CellRows:
    """Rows to append, by table; None where there are none."""

    experiment_cells: pa.Table | None = None
    experiment_segment_cells: pa.Table | None = None
    experiment_units: pa.Table | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What some rows add to a metric."""

    metric: str
    rows: IntArray
    """Each once, ascending."""
    y: FloatArray
    """Of each of these rows."""
    counts: bool = True
    """True if each adds 1 to n and x; else its request did."""

    def by(self, groups: Groups) -> "Contribution":
        """The same by groups of rows."""
        everything = len(self.rows) == len(groups.of_row)
        of_row = groups.of_row if everything else groups.of_row[self.rows]
        n = count_rows(of_row, groups.count)
        sums = total(of_row, groups.count, _bounded(self.y))
        group = np.flatnonzero(n)
        n = n[group] if self.counts else np.zeros(len(group), np.int64)
        metric = pa.array([self.metric], pa.string())
        return Contribution(metric, np.zeros_like(group), group, n, n.astype(np.float64), sums[group])


@dataclass(frozen=True, slots=True, eq=False)
class NamedAdded:
    """Named values that count."""

    row: IntArray
    name: IntArray
    values: FloatArray
    names: pa.Array

    def by(self, groups: Groups) -> "Contribution":
        """All names at once: a batch may hold as many as it has values."""
        of_value = groups.of_row[self.row]
        cells = group_by(Codes(of_value, groups.count), Codes(self.name, len(self.names)))
        n = count_rows(cells.of_row, cells.count)
        sums = total(cells.of_row, cells.count, _bounded(self.values))
        name, group = self.name[cells.a_row], of_value[cells.a_row]
        return Contribution(self.names, name, group, n, n.astype(np.float64), sums)


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What metrics add: one entry per metric and group that has something to add."""

    metrics: pa.Array
    metric: IntArray
    """Of each entry, an index into the metrics."""
    group: IntArray
    n: IntArray
    x: FloatArray
    y: FloatArray

    def folded(self, of_group: IntArray, groups: int) -> "Contribution":
        """What they add to coarser groups.

        Args:
            of_group: For each group, the coarser one it belongs to.
            groups: How many coarser groups there are.
        """
        coarse = of_group[self.group]
        cells = group_by(Codes(coarse, groups), Codes(self.metric, len(self.metrics)))
        n = add_counts(cells.of_row, cells.count, self.n)
        x, y = (total(cells.of_row, cells.count, each) for each in (self.x, self.y))
        return Contribution(self.metrics, self.metric[cells.a_row], coarse[cells.a_row], n, x, y)


RowsAdding = tuple[pa.Table, Sequence[Added | NamedAdded]]
"""Rows, and what they add."""


def cell_rows(adding: Sequence[RowsAdding], more: Sequence[pa.Table] = ()) -> CellRows:
    """Cells of rows as a whole and, where they have columns of segments, in these.

    Args:
        adding: Rows and what they add.
        more: Cells beside these.
    """
    found = [_cells(rows, added) for rows, added in adding]
    return CellRows(
        together([*(each.experiment_cells for each in found), *more]),
        together([each.experiment_segment_cells for each in found]),
    )


def together(tables: Sequence[pa.Table | None]) -> pa.Table | None:
    """The rows of all tables, some of which may have more columns than others."""
    found = [table for table in tables if table is not None]
    return pa.concat_tables(found, promote_options="default") if found else None


def segment_columns(rows: pa.Table) -> list[str]:
    """The columns that hold each row's value of a declared segment."""
    return [name for name in rows.column_names if name.startswith(COLUMN)]


def _bounded(values: FloatArray) -> FloatArray:
    return np.clip(values, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)


def _cells(rows: pa.Table, added: Sequence[Added | NamedAdded]) -> CellRows:
    """Cells of all rows, and of those with a value in a column of segments by it."""
    names = [*ARM, "unit_group"]
    if "matures_at" in rows.column_names:
        names.append("matures_at")
    groups = group_by(*(codes_of(rows[name]) for name in names))
    if not added or not groups.count:
        return CellRows()
    by_segment: list[pa.Table] = []
    whole: list[Contribution] | None = None
    for column in segment_columns(rows):
        parts = group_by(groups.as_codes(), codes_of(rows[column]))
        adding = [each.by(parts) for each in added]
        by_segment.append(_in_segments(table_of(keys_of(rows, [*names, column], parts), adding), column))
        if whole is None:  # adding up groups is far less than adding up rows again
            whole = [each.folded(groups.of_row[parts.a_row], groups.count) for each in adding]
    whole = [each.by(groups) for each in added] if whole is None else whole
    return CellRows(table_of(keys_of(rows, names, groups), whole), together(by_segment))


def _in_segments(cells: pa.Table, column: str) -> pa.Table:
    cells = cells.filter(cells[column].is_valid())
    key = pa.repeat(pa.scalar(column.removeprefix(COLUMN), pa.string()), cells.num_rows)
    return cells.append_column("segment_key", key).rename_columns({column: "segment_value"})


def table_of(keys: pa.Table, contributions: Sequence[Contribution]) -> pa.Table:
    """Cells: what metrics add to groups, each with the keys of its group."""
    keys = keys.take(np.concatenate([each.group for each in contributions]))
    return pa.table(
        {
            **{name: keys[name] for name in keys.column_names},
            "metric": pa.concat_arrays([each.metrics.take(pa.array(each.metric)) for each in contributions]),
            "n": pa.array(np.concatenate([each.n for each in contributions])),
            "sum_x": pa.array(np.concatenate([each.x for each in contributions])),
            "sum_y": pa.array(np.concatenate([each.y for each in contributions])),
        }
    )


def unit_rows(rows: pa.Table) -> pa.Table:
    """One row per unit and arm: its requests, and when it made the first and the last of them."""
    arms = group_by(*(codes_of(rows[name]) for name in ARM))
    units = group_by(Codes(arms.of_row, arms.count), codes_of(rows["unit_id"]))
    times = microseconds(rows["event_time"])
    first, last = spans(units.of_row, units.count, times, times)
    keys = keys_of(rows, (*ARM, "unit_group", "unit_id"), units)
    keys = keys.append_column("requests", pa.array(count_rows(units.of_row, units.count)))
    keys = keys.append_column("first_event_time", timestamps(first))
    return keys.append_column("last_event_time", timestamps(last))


def keys_of(rows: pa.Table, names: Sequence[str], groups: Groups) -> pa.Table:
    """One row per group: the values of some columns, in plain types."""
    keys = rows.select(list(names)).take(groups.a_row)
    for place, name in enumerate(names):
        if pa.types.is_dictionary(keys[name].type):
            keys = keys.set_column(place, name, keys[name].cast(pa.string()))
    return keys
