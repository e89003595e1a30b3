"""From events to experiment cells: the sums per arm and unit group that the sequential tests need.

A metric is a ratio, sum(y) / sum(x) over unit groups. Metrics and what they add:

    requests                        x, y: 1 per request
    errors, refusals                x: 1 per request, y: 1 if so
    cost_nano_usd, input_tokens,
    output_tokens, latency_ms,
    time_to_first_token_ms          x: 1 per request where it is known, y: the value
    feedback, corrections           x: 1 per request, y: 1 per feedback (per feedback with a correction)
    thumbs_up                       x: 1 per thumb, y: 1 if up
    rating                          x: 1 per rating, y: the rating
    any other name                  x: 1 per value of that name, in a request's metrics map or a score;
                                    y: the value

Once an experiment has frozen references (see `references.py`), its requests of later batches also add:

    cost_nano_usd.capped,
    latency_ms.capped               x: 1 per request where it is known, y: the value, at most the reference
    cost_nano_usd.over_cap,
    latency_ms.over_cap,
    latency_ms.over_p95,
    time_to_first_token_ms.over_p95 x: likewise, y: 1 if the value exceeds the reference

A custom name that equals one of the built-in ones gets the prefix "custom.". Two metrics are not in cells but
made of units when sums are read (see `experiments/sums.py`):

    requests.aged                   x: 1 per unit that had time to return, y: its requests
    returned                        likewise, y: 1 if it did return
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.additive import MAGNITUDE_LIMIT, count_rows, total
from coalmine_consumers.aggregation.groups import Codes, Groups, codes_of, group_by
from coalmine_consumers.aggregation.measures import spans
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE, References
from coalmine_consumers.aggregation.rollup import REFUSALS, negated
from coalmine_consumers.arrays import (
    FloatArray,
    IntArray,
    Known,
    is_known,
    is_one_of,
    known,
    microseconds,
    timestamps,
)

ARM = ("experiment", "allocation_epoch", "variant")
"""What the cells of one arm in one epoch share."""

VALUES = ("cost_nano_usd", "input_tokens", "output_tokens", "latency_ms", "time_to_first_token_ms")
CAPPED = ("cost_nano_usd", "latency_ms")
"""Measures that are counted capped, too."""
TAILS = ("latency_ms", "time_to_first_token_ms")
"""Measures whose values beyond the reference are counted, too."""
OF_UNITS = ("requests.aged", "returned")
"""Metrics made of units instead of cells."""
BUILT_IN = frozenset(
    (
        *("requests", "errors", "refusals", "feedback", "corrections", "thumbs_up", "rating", *VALUES),
        *OF_UNITS,
        *(f"{name}.{form}" for name in CAPPED for form in ("capped", "over_cap")),
        *(f"{name}.over_p95" for name in TAILS),
    )
)
"""Metric names with a meaning of their own."""

_REQUEST_COLUMNS = [
    *(*ARM, "event_time", "unit_group", "unit_id", "error_type", "finish_reason", *VALUES, "metrics")
]
_NO_REFERENCES = References()


@dataclass(frozen=True, slots=True, eq=False)
class CellRows:
    """Rows to append, by table; None where there are none."""

    experiment_cells: pa.Table | None = None
    experiment_units: pa.Table | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Contribution:
    """What metrics add: one entry per group that has something to add."""

    metric: pa.Array
    """Of each entry."""
    group: IntArray
    n: IntArray
    x: FloatArray
    y: FloatArray


def request_cells(rows: pa.Table, references: References = _NO_REFERENCES) -> CellRows:
    """Cells and units of requests; those outside experiments add nothing.

    Args:
        rows: Columns of a request; `ingest_id`, too, if there are references.
        references: Of the requests' experiments.
    """
    more = [name for name in ("ingest_id",) if name in rows.column_names]
    rows = _in_experiments(rows.select([*_REQUEST_COLUMNS, *more]))
    if not rows.num_rows:
        return CellRows()
    groups = _groups(rows)
    everything = _per_row(rows.num_rows)
    ones = np.ones(rows.num_rows)
    contributions = [
        _ratio("requests", groups, everything, ones),
        _ratio("errors", groups, everything, is_known(rows["error_type"]).astype(np.float64)),
        _ratio("refusals", groups, everything, is_one_of(rows["finish_reason"], REFUSALS).astype(np.float64)),
        _ratio("feedback", groups, everything, 0 * ones),
        _ratio("corrections", groups, everything, 0 * ones),
    ]
    for name in VALUES:
        values = known(rows[name])
        at = _known_rows(values, rows.num_rows)
        contributions.append(_ratio(name, groups, at, values.floats))
        contributions += _against_references(
            name, rows, references, groups=groups, at=at, values=values.floats
        )
    contributions += _custom(NamedValues.of_maps(rows["metrics"]), groups)
    return CellRows(_cells(rows, groups, contributions), _units(rows))


def feedback_cells(rows: pa.Table) -> CellRows:
    """Cells of last words on requests that are known; columns as for `rollup_feedback`."""
    rows = _in_experiments(rows)
    back = rows["takes_back"]
    added, taken = _word_cells(rows.filter(pc.invert(back))), _word_cells(rows.filter(back))
    if taken is not None:
        taken = negated(taken, ("n", "sum_x", "sum_y"))
    tables = [table for table in (added, taken) if table is not None]
    return CellRows(pa.concat_tables(tables) if tables else None)


def _word_cells(rows: pa.Table) -> pa.Table | None:
    if not rows.num_rows:
        return None
    groups = _groups(rows)
    everything = _per_row(rows.num_rows)
    corrected = np.flatnonzero(rows["has_correction"].to_numpy())
    thumbs = np.flatnonzero(is_known(rows["thumbs"]))
    up = is_one_of(rows["thumbs"], ("up",))[thumbs].astype(np.float64)
    rating = known(rows["rating"])
    contributions = [
        _numerator("feedback", groups, everything),
        _numerator("corrections", groups, corrected),
        _ratio("thumbs_up", groups, thumbs, up),
        _ratio("rating", groups, _known_rows(rating, rows.num_rows), rating.floats),
    ]
    return _cells(rows, groups, contributions)


def score_cells(rows: pa.Table) -> CellRows:
    """Cells of scores whose request is known; columns as for `rollup_scores`."""
    rows = _in_experiments(rows)
    if not rows.num_rows:
        return CellRows()
    groups = _groups(rows)
    named = NamedValues.of_columns(rows["name"], rows["value"])
    return CellRows(_cells(rows, groups, _custom(named, groups)))


def _in_experiments(rows: pa.Table) -> pa.Table:
    experiment = rows["experiment"]
    if experiment.null_count == 0:
        return rows
    return rows.filter(experiment.is_valid()) if experiment.null_count < rows.num_rows else rows.slice(0, 0)


def _groups(rows: pa.Table) -> Groups:
    return group_by(*(codes_of(rows[name]) for name in (*ARM, "unit_group")))


def _per_row(rows: int) -> IntArray:
    return np.arange(rows)


def _known_rows(values: Known, rows: int) -> IntArray:
    return _per_row(rows) if values.rows is None else values.rows


def _ratio(metric: str, groups: Groups, rows: IntArray, y: FloatArray) -> _Contribution:
    """Each of `rows` adds 1 to x and its `y` to y."""
    of_row = groups.of_row[rows]
    n = count_rows(of_row, groups.count)
    sums = total(of_row, groups.count, _bounded(y))
    group = np.flatnonzero(n)
    return _Contribution(
        _repeated(metric, len(group)), group, n[group], n[group].astype(np.float64), sums[group]
    )


def _repeated(metric: str, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(metric, pa.string()), times)


def _against_references(
    name: str, rows: pa.Table, references: References, *, groups: Groups, at: IntArray, values: FloatArray
) -> list[_Contribution]:
    """What known values add where they are compared with a frozen reference."""
    found = []
    if name in CAPPED and (caps := references.thresholds(rows, name, CAP_QUANTILE)) is not None:
        held, mine, cap = _held(at, values, caps)
        found.append(_ratio(f"{name}.capped", groups, held, np.minimum(mine, cap)))
        found.append(_ratio(f"{name}.over_cap", groups, held, (mine > cap).astype(np.float64)))
    if name in TAILS and (tails := references.thresholds(rows, name, TAIL_QUANTILE)) is not None:
        held, mine, tail = _held(at, values, tails)
        found.append(_ratio(f"{name}.over_p95", groups, held, (mine > tail).astype(np.float64)))
    return found


def _held(
    at: IntArray, values: FloatArray, thresholds: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Rows that have a threshold, with their values and thresholds."""
    mine = thresholds[at]
    none = np.isnan(mine)
    if not none.any():
        return at, values, mine
    return at[~none], values[~none], mine[~none]


def _numerator(metric: str, groups: Groups, rows: IntArray) -> _Contribution:
    """Each of `rows` adds 1 to y; its request added to n and x."""
    y = count_rows(groups.of_row[rows], groups.count)
    group = np.flatnonzero(y)
    none = np.zeros(len(group), np.int64)
    return _Contribution(
        _repeated(metric, len(group)), group, none, none.astype(np.float64), y[group].astype(np.float64)
    )


def _custom(named: NamedValues, groups: Groups) -> list[_Contribution]:
    """All names at once: a batch may hold as many as it has values."""
    if not len(named.name):
        return []
    of_value = groups.of_row[named.row]
    cells = group_by(Codes(of_value, groups.count), Codes(named.name, len(named.names)))
    n = count_rows(cells.of_row, cells.count)
    sums = total(cells.of_row, cells.count, _bounded(named.values))
    metrics = pa.array(
        [f"custom.{name}" if name in BUILT_IN else name for name in named.names.to_pylist()], pa.string()
    )
    metric = metrics.take(pa.array(named.name[cells.a_row]))
    return [_Contribution(metric, of_value[cells.a_row], n, n.astype(np.float64), sums)]


def _bounded(values: FloatArray) -> FloatArray:
    return np.clip(values, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)


def _cells(rows: pa.Table, groups: Groups, contributions: Sequence[_Contribution]) -> pa.Table:
    keys = _keys(rows, (*ARM, "unit_group"), groups)
    group = np.concatenate([each.group for each in contributions])
    keys = keys.take(group)
    return pa.table(
        {
            **{name: keys[name] for name in keys.column_names},
            "metric": pa.concat_arrays([each.metric for each in contributions]),
            "n": pa.array(np.concatenate([each.n for each in contributions])),
            "sum_x": pa.array(np.concatenate([each.x for each in contributions])),
            "sum_y": pa.array(np.concatenate([each.y for each in contributions])),
        }
    )


def _units(rows: pa.Table) -> pa.Table:
    arms = group_by(*(codes_of(rows[name]) for name in ARM))
    units = group_by(Codes(arms.of_row, arms.count), codes_of(rows["unit_id"]))
    times = microseconds(rows["event_time"])
    first, last = spans(units.of_row, units.count, times, times)
    keys = _keys(rows, (*ARM, "unit_group", "unit_id"), units)
    keys = keys.append_column("requests", pa.array(count_rows(units.of_row, units.count)))
    keys = keys.append_column("first_event_time", timestamps(first))
    return keys.append_column("last_event_time", timestamps(last))


def _keys(rows: pa.Table, names: tuple[str, ...], groups: Groups) -> pa.Table:
    keys = rows.select(names).take(groups.a_row)
    for place, name in enumerate(names):
        if pa.types.is_dictionary(keys[name].type):
            keys = keys.set_column(place, name, keys[name].cast(pa.string()))
    return keys
