"""The sums of one experiment in each of its declared segments."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.arrays import FloatArray, IndexArray
from coalmine_consumers.experiments.sums import UNIT_GROUPS, ExperimentSums
from coalmine_consumers.sql import Source, statement


@dataclass(frozen=True, slots=True, eq=False)
class SegmentSums:
    """What the cells of segments say. Sparse: most segments have requests in few groups of units."""

    cells: pa.Table
    """segment_key, segment_value, metric, epoch, arm, unit_group, sum_x, sum_y; what has one key adds up."""

    def names(self) -> list[tuple[str, str]]:
        """Keys and values of the segments, sorted."""
        found = self.cells.group_by(["segment_key", "segment_value"]).aggregate([])
        return sorted(zip(found["segment_key"].to_pylist(), found["segment_value"].to_pylist(), strict=True))

    def of(
        self, key: str, value: str, metrics: Sequence[str], like: ExperimentSums
    ) -> tuple[FloatArray, FloatArray]:
        """Denominators and numerators of one segment, shape (M, E, A, 256).

        Args:
            key: Of the segment.
            value: Likewise.
            metrics: M names of cells.
            like: Sums of the same experiment, with its epochs and arms.
        """
        shape = (len(metrics), len(like.epochs), len(like.arms), UNIT_GROUPS)
        x, y = np.zeros(shape), np.zeros(shape)
        mine = pc.and_(pc.equal(self.cells["segment_key"], key), pc.equal(self.cells["segment_value"], value))
        cells = self.cells.filter(mine)
        place = (
            _places(cells["metric"], metrics, pa.string()),
            _places(cells["epoch"], like.epochs, cells["epoch"].type),
            _places(cells["arm"], like.arms, pa.string()),
            cells["unit_group"].to_numpy(),
        )
        known = np.flatnonzero((place[0] >= 0) & (place[1] >= 0) & (place[2] >= 0))
        at = tuple(each[known] for each in place)
        np.add.at(x, at, cells["sum_x"].to_numpy()[known])
        np.add.at(y, at, cells["sum_y"].to_numpy()[known])
        # What is taken back later, such as a thumb, may leave less than nothing in a group.
        return np.maximum(x, 0.0), np.where(x > 0, y, 0.0)

    def to_bytes(self) -> bytes:
        """The sums as bytes."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.cells.schema) as writer:
            writer.write_table(self.cells)
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


def _places(column: pa.ChunkedArray, values: Sequence[str] | Sequence[int], kind: pa.DataType) -> IndexArray:
    found = pc.index_in(column, value_set=pa.array(values, kind)).fill_null(-1)
    places: IndexArray = found.to_numpy().astype(np.intp)
    return places
