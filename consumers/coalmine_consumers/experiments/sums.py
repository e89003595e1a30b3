"""The sums of one experiment, as dense arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.arrays import FloatArray, IndexArray, IntArray
from coalmine_consumers.sql import Source, statement

UNIT_GROUPS = 256
"""Hash groups of units: the first byte of the SHA-256 of a unit's id."""


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentSums:
    """What the cells and units of one experiment say."""

    experiment: str
    metrics: tuple[str, ...]
    """Names as in the cells, sorted; M of them."""
    epochs: tuple[int, ...]
    """Allocation epochs, ascending; E of them."""
    arms: tuple[str, ...]
    """Sorted; A of them."""
    x: FloatArray
    """Denominators, shape (M, E, A, 256)."""
    y: FloatArray
    """Numerators, same shape, in each metric's unit."""
    units: IntArray
    """Different units, shape (E, A, 256)."""
    through_ingest_id: int
    """The last batch counted."""

    @property
    def requests(self) -> int:
        """Requests in all arms and epochs."""
        return int(self.x[self.metrics.index("requests")].sum()) if "requests" in self.metrics else 0

    def with_arms(self, arms: Iterable[str]) -> "ExperimentSums":
        """The same with these arms among its own; those that had no requests have no units."""
        names = tuple(sorted({*self.arms, *arms}))
        if names == self.arms:
            return self
        at = [names.index(arm) for arm in self.arms]
        shape = (*self.units.shape[:1], len(names), UNIT_GROUPS)
        x, y = np.zeros((len(self.metrics), *shape)), np.zeros((len(self.metrics), *shape))
        units = np.zeros(shape, np.int64)
        x[:, :, at], y[:, :, at], units[:, at] = self.x, self.y, self.units
        return replace(self, arms=names, x=x, y=y, units=units)


def experiment_sums(source: Source, experiment: str) -> ExperimentSums | None:
    """Sums of one experiment; None if none of its requests has an arm.

    Args:
        source: A snapshot, so that cells, units and the last batch are of one state.
        experiment: Its name.
    """
    cells = source.table(statement("cell_sums", __package__), {"experiment": experiment})
    if not cells.num_rows:
        return None
    units = source.table(statement("unit_counts", __package__), {"experiment": experiment})
    last = source.table("SELECT coalesce(max(ingest_id), 0) AS last FROM batches")
    metrics, of_metric = _coded(cells["metric"])
    epochs, of_epoch = _coded(cells["epoch"])
    arms, of_arm = _coded(cells["arm"])
    group = cells["unit_group"].to_numpy()
    shape = (len(metrics), len(epochs), len(arms), UNIT_GROUPS)
    x, y = np.zeros(shape), np.zeros(shape)
    x[of_metric, of_epoch, of_arm, group] = cells["sum_x"].to_numpy()
    y[of_metric, of_epoch, of_arm, group] = cells["sum_y"].to_numpy()
    counts = np.zeros(shape[1:], np.int64)
    at_epoch, at_arm = _places(units["epoch"], epochs), _places(units["arm"], arms)
    counts[at_epoch, at_arm, units["unit_group"].to_numpy()] = units["units"].to_numpy()
    return ExperimentSums(
        experiment, tuple(metrics), tuple(epochs), tuple(arms), x, y, counts, int(last["last"][0].as_py())
    )


def _coded(column: pa.ChunkedArray) -> tuple[list[Any], IndexArray]:
    values = sorted(pc.unique(column).to_pylist())
    return values, _places(column, values)


def _places(column: pa.ChunkedArray, values: Sequence[Any]) -> IndexArray:
    places: IndexArray = (
        pc.index_in(column, value_set=pa.array(values, column.type)).to_numpy().astype(np.intp)
    )
    return places
