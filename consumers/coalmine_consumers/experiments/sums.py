"""The sums of one experiment, as dense arrays."""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.cells import BUILT_IN, NOT_BINARY, OF_UNITS, PER_UNIT
from coalmine_consumers.aggregation.late import OUTCOME_WINDOW_US
from coalmine_consumers.arrays import FloatArray, IndexArray, IntArray
from coalmine_consumers.experiments.listing import last_batch
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store.unit_outcomes import unit_outcomes

if TYPE_CHECKING:
    from coalmine_consumers.experiments.segment_sums import SegmentSums

UNIT_GROUPS = 256
"""Hash groups of units: the first byte of the SHA-256 of a unit's id."""
TIME_TO_RETURN = timedelta(hours=24)
"""A unit first seen this long ago has had time to return."""
APART = timedelta(hours=1)
"""A unit has returned if its first and last request are at least this far apart."""


HEAVY_SHARE = 0.1
"""Of an arm's requests: a unit with at least this share is heavy."""


class HeavyUnit(NamedTuple):
    """A unit with a large share of an arm's requests: one user's robot, not its users."""

    arm: str
    unit_id: str
    requests: int
    share: float
    """Of the arm's requests in all epochs, 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentSums:
    """What the cells and units of one experiment say."""

    experiment: str
    metrics: tuple[str, ...]
    """Names as in the cells, sorted, then those made of units; M of them."""
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
    first_units: IntArray
    """Units first exposed to the experiment in this epoch and arm, shape (E, A): each counts once."""
    binary: frozenset[str] = frozenset()
    """Of the metrics that are values of a name, those whose values were all 0 or 1: rates."""
    heavy_units: tuple[HeavyUnit, ...] = ()
    """The heaviest first."""
    heaviest: pa.Table | None = None
    """Of each epoch, arm and group the unit with most requests, from which `heavy_units` are made."""
    segments: "SegmentSums | None" = None
    """The same in declared segments, if these were read."""
    left_out_requests: int = 0
    """Requests of arms and epochs that were left out."""
    is_maturing: bool = False
    """True if requests are too young for what is said of them to count."""
    different_units: IntArray | None = None
    """Different units of each arm over all epochs, shape (A,); None: as if no unit was in two epochs."""

    @property
    def units_of_arms(self) -> IntArray:
        """Different units of each arm, shape (A,)."""
        return self.units.sum(axis=(0, 2)) if self.different_units is None else self.different_units

    @property
    def requests(self) -> int:
        """Requests in all arms and epochs."""
        return int(self.x[self.metrics.index("requests")].sum()) if "requests" in self.metrics else 0

    def only(self, epochs: Container[int], arms: Container[str]) -> "ExperimentSums":
        """The same without other epochs and arms; their requests are counted as left out."""
        of_epochs, of_arms = (
            [place for place, name in enumerate(names) if name in kept]
            for names, kept in ((self.epochs, epochs), (self.arms, arms))
        )
        at = np.ix_(of_epochs, of_arms)
        kept = replace(
            self,
            epochs=tuple(self.epochs[place] for place in of_epochs),
            arms=tuple(self.arms[place] for place in of_arms),
            x=self.x[:, at[0], at[1]],
            y=self.y[:, at[0], at[1]],
            units=self.units[at],
            first_units=self.first_units[at],
        )
        if kept.requests != self.requests and self.heaviest is not None:
            epochs = pa.array(kept.epochs, self.heaviest["epoch"].type)
            heaviest = self.heaviest.filter(pc.is_in(self.heaviest["epoch"], epochs))
            of_arms = kept.x[kept.metrics.index("requests")].sum(axis=(0, 2)).tolist()
            heavy = _heavy_units(heaviest, dict(zip(kept.arms, of_arms, strict=True)))
            kept = replace(kept, heaviest=heaviest, heavy_units=heavy)
        return replace(kept, left_out_requests=self.left_out_requests + self.requests - kept.requests)

    def with_arms(self, arms: Iterable[str]) -> "ExperimentSums":
        """The same with these arms among its own; those that had no requests have no units."""
        names = tuple(sorted({*self.arms, *arms}))
        if names == self.arms:
            return self
        at = [names.index(arm) for arm in self.arms]
        shape = (*self.units.shape[:1], len(names), UNIT_GROUPS)
        x, y = np.zeros((len(self.metrics), *shape)), np.zeros((len(self.metrics), *shape))
        units, first_units = np.zeros(shape, np.int64), np.zeros(shape[:2], np.int64)
        x[:, :, at], y[:, :, at], units[:, at] = self.x, self.y, self.units
        first_units[:, at] = self.first_units
        return replace(self, arms=names, x=x, y=y, units=units, first_units=first_units)


def experiment_sums(
    source: Source,
    experiment: str,
    *,
    at: datetime | None = None,
    time_to_return: timedelta = TIME_TO_RETURN,
) -> ExperimentSums | None:
    """Sums of one experiment; None if none of its requests has an arm.

    Args:
        source: A snapshot, so that cells, units and the last batch are of one state.
        experiment: Its name.
        at: When they are looked at, now if None: feedback and scores of younger requests are left out.
        time_to_return: Units first seen this long before `at` count in `requests.aged` and `returned`.
    """
    at = at or datetime.now(UTC)
    cells = source.table(statement("cell_sums", __package__), {"experiment": experiment, "at": at})
    if not cells.num_rows:
        return None
    names = pc.unique(cells["metric"]).to_pylist()
    other = {name.removeprefix(NOT_BINARY) for name in names if name.startswith(NOT_BINARY)}
    cells = cells.filter(pc.invert(pc.starts_with(cells["metric"], NOT_BINARY)))
    cells = pa.concat_tables([cells, _unit_outcomes(source, experiment, at, cells.schema)])
    units = source.table(
        statement("unit_counts", __package__),
        {
            "experiment": experiment,
            "aged_before": at - time_to_return,
            "apart_s": APART.total_seconds(),
        },
    )
    metrics, of_metric = _coded(cells["metric"])
    epochs, of_epoch = _coded(cells["epoch"])
    arms, of_arm = _coded(cells["arm"])
    group = cells["unit_group"].to_numpy()
    shape = (len(metrics) + len(OF_UNITS), len(epochs), len(arms), UNIT_GROUPS)
    of_cell = np.ravel_multi_index((of_metric, of_epoch, of_arm, group), shape)
    x, y = (added_up(of_cell, cells[name].to_numpy(), shape) for name in ("sum_x", "sum_y"))
    counts = np.zeros(shape[1:], np.int64)
    place = _places(units["epoch"], epochs), _places(units["arm"], arms), units["unit_group"].to_numpy()
    counts[place] = units["units"].to_numpy()
    for metric, numerator in zip((-2, -1), ("requests_of_aged", "returned"), strict=True):
        x[metric][place] = units["aged"].to_numpy()
        y[metric][place] = units[numerator].to_numpy()
    first_units, exposed = _first_units(source, experiment, epochs, arms, at)
    for metric, name in enumerate(metrics):
        if name.startswith(PER_UNIT):  # of those that had none, too
            x[metric] = exposed
    return ExperimentSums(
        experiment,
        (*metrics, *OF_UNITS),
        tuple(epochs),
        tuple(arms),
        x,
        y,
        counts,
        last_batch(source),
        first_units,
        frozenset(name for name in metrics if name.removeprefix(PER_UNIT) not in other) - BUILT_IN,
        _heavy_units(units, _requests(cells)),
        units.select(["epoch", "arm", "heaviest", "most_requests"]),
    )


def added_up(place: IndexArray, values: FloatArray, shape: Sequence[int]) -> FloatArray:
    """Sums of values.

    Args:
        place: Of each value among all sums.
        values: The values.
        shape: Of the sums.
    """
    sums = np.bincount(place, weights=values, minlength=math.prod(shape))
    return np.asarray(sums, np.float64).reshape(shape)


def units_since(source: Source, sums: ExperimentSums, since: datetime) -> IntArray:
    """Different units with a request since a moment, shape (E, A, 256).

    Args:
        source: The snapshot of the sums.
        sums: Of the experiment.
        since: The moment.
    """
    found = source.table(
        statement("units_since", __package__), {"experiment": sums.experiment, "since": since}
    )
    units = np.zeros(sums.units.shape, np.int64)
    at_epoch, at_arm = _places(found["epoch"], sums.epochs), _places(found["arm"], sums.arms)
    units[at_epoch, at_arm, found["unit_group"].to_numpy()] = found["units"].to_numpy()
    return units


def is_maturing(source: Source, sums: ExperimentSums, at: datetime) -> bool:
    """True if something that is known of an experiment counts only once it is older.

    Args:
        source: The snapshot of the sums.
        sums: Of the experiment.
        at: When they are looked at.
    """
    found = source.rows(
        "SELECT max(matures_at) > $at OR $has_outcomes AND (SELECT max(first_event_time) > $exposed_before "
        "FROM experiment_units WHERE experiment = $experiment) AS is_maturing "
        "FROM experiment_cells WHERE experiment = $experiment",
        {
            "experiment": sums.experiment,
            "at": at,
            "has_outcomes": any(name.startswith(PER_UNIT) for name in sums.metrics),
            "exposed_before": at - timedelta(microseconds=OUTCOME_WINDOW_US),
        },
    )
    return bool(found[0]["is_maturing"])


def different_units(source: Source, sums: ExperimentSums, since: datetime | None = None) -> IntArray:
    """Different units of each arm over all epochs, shape (A,): who came back after weights changed is one.

    Args:
        source: The snapshot of the sums.
        sums: Of the experiment.
        since: Only units with a request since then; None: all.
    """
    units = sums.units.sum(axis=(0, 2))
    if len(sums.epochs) > 1:
        found = source.table(
            statement("different_units", __package__),
            {"experiment": sums.experiment, "epochs": list(sums.epochs), "since": since},
        )
        of_arm = dict(zip(found["arm"].to_pylist(), found["units"].to_pylist(), strict=True))
        units = np.array([of_arm.get(arm, 0) for arm in sums.arms], np.int64)
    return np.asarray(units)


def _requests(cells: pa.Table) -> dict[str, float]:
    """Requests of each arm."""
    requests = cells.filter(pc.equal(cells["metric"], "requests"))
    found = requests.group_by("arm", use_threads=False).aggregate([("sum_x", "sum")])
    return dict(zip(found["arm"].to_pylist(), found["sum_x_sum"].to_pylist(), strict=True))


def _heavy_units(units: pa.Table, requests: Mapping[str, float]) -> tuple[HeavyUnit, ...]:
    """Units with a large share of an arm's requests.

    Args:
        units: The unit of each epoch, arm and group that has most requests there.
        requests: Of each arm.
    """
    found = units.group_by(["arm", "heaviest"], use_threads=False).aggregate([("most_requests", "sum")])
    columns = (found[name].to_pylist() for name in ("arm", "heaviest", "most_requests_sum"))
    each = (
        HeavyUnit(arm, unit, most, most / requests[arm])
        for arm, unit, most in zip(*columns, strict=True)
        if requests.get(arm)
    )
    heavy = (one for one in each if one.share >= HEAVY_SHARE)
    return tuple(sorted(heavy, key=lambda one: (-one.share, one.arm, one.unit_id)))


def _unit_outcomes(source: Source, experiment: str, at: datetime, schema: pa.Schema) -> pa.Table:
    """Outcomes of units that are old enough, like cells."""
    found = unit_outcomes(source.table, experiment=experiment, at=at)
    if found is None:
        return schema.empty_table()
    found = found.filter(found["matures_at"].is_null())
    units = pa.repeat(pa.scalar(0.0), found.num_rows)  # counted apart: all, not those with outcomes
    return found.append_column("sum_x", units).select(schema.names).cast(schema)


def _first_units(
    source: Source, experiment: str, epochs: Sequence[int], arms: Sequence[str], at: datetime
) -> tuple[IntArray, IntArray]:
    """Units by the place where they were first exposed.

    Returns:
        All, shape (E, A), and those whose late outcomes are known, shape (E, A, 256).
    """
    places = list(product(epochs, arms))
    found = source.table(
        statement("first_exposures", __package__),
        {
            "experiment": experiment,
            "epochs": [epoch for epoch, _ in places],
            "arms": [arm for _, arm in places],
            "exposed_before": at - timedelta(microseconds=OUTCOME_WINDOW_US),
        },
    )
    shape = (len(epochs), len(arms), UNIT_GROUPS)
    units, exposed = np.zeros((2, len(places), UNIT_GROUPS), np.int64)
    at_place = found["place"].to_numpy(), found["unit_group"].to_numpy()
    units[at_place], exposed[at_place] = found["units"].to_numpy(), found["exposed"].to_numpy()
    return units.sum(axis=-1).reshape(shape[:2]), exposed.reshape(shape)


def _coded(column: pa.ChunkedArray) -> tuple[list[Any], IndexArray]:
    values = sorted(pc.unique(column).to_pylist())
    return values, _places(column, values)


def _places(column: pa.ChunkedArray, values: Sequence[Any]) -> IndexArray:
    places: IndexArray = (
        pc.index_in(column, value_set=pa.array(values, column.type)).to_numpy().astype(np.intp)
    )
    return places
