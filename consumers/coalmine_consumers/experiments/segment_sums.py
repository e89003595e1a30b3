"""The sums of one experiment in each of its declared segments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.arrays import FloatArray, IndexArray
from coalmine_consumers.experiments.sums import UNIT_GROUPS, ExperimentSums, added_up
from coalmine_consumers.sql import Source, statement


@dataclass(frozen=True, slots=True, eq=False)
class SegmentSums:
    """What the cells of segments say. Sparse: most segments have requests in few groups of units."""

    cells: pa.Table
    """segment_key, segment_value, metric, epoch, arm, unit_group, sum_x, sum_y; what has one key adds up."""

    def in_each(
        self, metrics: Sequence[str], like: ExperimentSums
    ) -> Iterator[tuple[tuple[str, str], FloatArray, FloatArray]]:
        """Key and value of each segment, sorted, with its denominators and numerators, shape (M, E, A, 256).

        Args:
            metrics: M names of cells.
            like: Sums of the same experiment, with its epochs and arms.
        """
        shape = (len(metrics), len(like.epochs), len(like.arms), UNIT_GROUPS)
        cells = self.cells
        codes = (
            _places(cells["metric"], metrics),
            _places(cells["epoch"], like.epochs),
            _places(cells["arm"], like.arms),
            cells["unit_group"].to_numpy(),
        )
        place = np.ravel_multi_index(codes, shape, mode="clip")
        known = (codes[0] >= 0) & (codes[1] >= 0) & (codes[2] >= 0)
        keys, of_key = _coded(cells["segment_key"])
        values, of_value = _coded(cells["segment_value"])
        segment = np.where(known, of_key * len(values) + of_value, -1)
        order = np.argsort(segment, kind="stable")
        segment, place = segment[order], place[order]
        sum_x, sum_y = (cells[name].to_numpy()[order] for name in ("sum_x", "sum_y"))
        found, first = np.unique(segment, return_index=True)
        ends = [*first[1:].tolist(), len(segment)]
        for number, at in zip(found.tolist(), map(slice, first.tolist(), ends), strict=True):
            if number < 0:
                continue
            x, y = (added_up(place[at], sums[at], shape) for sums in (sum_x, sum_y))
            # What is taken back later, such as a thumb, may leave less than nothing in a group.
            name = keys[number // len(values)], values[number % len(values)]
            yield name, np.maximum(x, 0.0), np.where(x > 0, y, 0.0)

    def to_bytes(self) -> bytes:
        """The sums as bytes, one row per key."""
        sums = ("sum_x", "sum_y")
        keys = [name for name in self.cells.column_names if name not in sums]
        cells = self.cells.group_by(keys).aggregate([(name, "sum") for name in sums])
        cells = cells.rename_columns({f"{name}_sum": name for name in sums})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, cells.schema) as writer:
            writer.write_table(cells)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, written: bytes) -> Self:
        """The sums as `to_bytes` wrote them."""
        return cls(pa.ipc.open_stream(written).read_all())

    def since(self, before: "SegmentSums") -> "SegmentSums":
        """What came after earlier sums of the same experiment."""
        old = before.cells
        for name in ("sum_x", "sum_y"):
            old = old.set_column(old.column_names.index(name), name, pc.negate(old[name]))
        return SegmentSums(pa.concat_tables([self.cells, old.cast(self.cells.schema)]))


def segment_sums(
    source: Source, experiment: str, *, metrics: Iterable[str], keys: Iterable[str], at: datetime
) -> SegmentSums:
    """Sums of one experiment in declared segments.

    Args:
        source: A snapshot, that of the sums of all units.
        experiment: Its name.
        metrics: Names of cells.
        keys: Of segments; all that are declared if there are none.
        at: As for `experiment_sums`.
    """
    parameters = {"experiment": experiment, "metrics": sorted(metrics), "keys": sorted(keys), "at": at}
    return SegmentSums(source.table(statement("segment_cell_sums", __package__), parameters))


def _places(column: pa.ChunkedArray, values: Sequence[Any]) -> IndexArray:
    """Where each is among some values; -1 if it is not."""
    found = pc.index_in(column, value_set=pa.array(values, column.type)).fill_null(-1)
    places: IndexArray = found.to_numpy().astype(np.intp)
    return places


def _coded(column: pa.ChunkedArray) -> tuple[list[Any], IndexArray]:
    values = sorted(pc.unique(column).to_pylist())
    return values, _places(column, values)
