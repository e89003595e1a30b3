"""From events to experiment cells: the sums per arm and unit group that the sequential tests need.

A metric is a ratio, sum(y) / sum(x) over unit groups. Metrics and what they add:

    requests                        x, y: 1 per request
    errors, refusals                x: 1 per request, y: 1 if so
    cost_nano_usd, input_tokens,
    cost_uncached_nano_usd,
    output_tokens, latency_ms,
    time_to_first_token_ms          x: 1 per request where it is known, y: the value
    feedback, corrections           x: 1 per request, y: 1 per feedback (per feedback with a correction)
    thumbs_up                       x: 1 per thumb, y: 1 if up
    rating                          x: 1 per rating, y: the rating
    any other name                  x: 1 per value of that name, in a request's metrics map or a score;
                                    y: the value, within the experiment's bounds (see `bounds.py`)
    not_binary.<name>               x, y: 1 per such value that is neither 0 nor 1; all in unit group 0

What comes after the request (feedback, scores) counts within a window and once its request is older than that
(see `late.py`): these rows say when in `matures_at`, those of feedback's denominators, too.

Once an experiment has frozen references (see `references.py`), its requests of later batches also add:

    cost_nano_usd.capped,
    cost_uncached_nano_usd.capped,
    latency_ms.capped               x: 1 per request where it is known, y: the value, at most the reference
    cost_nano_usd.over_cap,
    cost_uncached_nano_usd.over_cap,
    latency_ms.over_cap,
    latency_ms.over_p95,
    time_to_first_token_ms.over_p95 x: likewise, y: 1 if the value exceeds the reference
    latency_ms.cached.capped, ...   likewise for all of latency and time to first token, but only of requests
                                    with tokens from the provider's cache

Each declared segment has the same cells, but for `not_binary` (see `segments.py`).

A custom name that equals one of the built-in ones, or begins with "not_binary." or "per_unit.", gets the
prefix "custom.". Some metrics are made of units when sums are read (see `experiments/sums.py`):

    requests.aged                   x: 1 per unit that had time to return, y: its requests
    returned                        likewise, y: 1 if it did return
    per_unit.<name>                 x: 1 per unit first exposed longer ago than the window of late outcomes,
                                    y: the values of its outcomes within that (see `store/unit_outcomes.py`);
                                    in cells only those whose raw rows have expired
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.additive import count_rows
from coalmine_consumers.aggregation.cell_rows import (
    ARM,
    Added,
    CellRows,
    Contribution,
    NamedAdded,
    RowsAdding,
    cell_rows,
    keys_of,
    segment_columns,
    table_of,
    together,
    unit_rows,
)
from coalmine_consumers.aggregation.groups import Codes, codes_of, distinct, group_by
from coalmine_consumers.aggregation.late import OUTCOME_WINDOW_US, maturities, windows_us
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.aggregation.references import CAP_QUANTILE, DELAYS, TAIL_QUANTILE, References
from coalmine_consumers.aggregation.rollup import REFUSALS, negated
from coalmine_consumers.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    Known,
    is_known,
    is_one_of,
    known,
    microseconds,
)

VALUES = (
    "cost_nano_usd",
    "cost_uncached_nano_usd",
    "input_tokens",
    "output_tokens",
    "latency_ms",
    "time_to_first_token_ms",
)
CAPPED = ("cost_nano_usd", "cost_uncached_nano_usd", "latency_ms")
"""Measures that are counted capped, too."""
TAILS = ("latency_ms", "time_to_first_token_ms")
"""Measures whose values beyond the reference are counted, too."""
OF_UNITS = ("requests.aged", "returned")
"""Metrics made of units instead of cells."""
BY_CACHE = ("latency_ms", "time_to_first_token_ms")
"""Measures that are compared with their references apart for requests that the provider's cache served.

An arm with less traffic finds its prompt in the cache less often, which is not the version's doing.
"""
BUILT_IN = frozenset(
    (
        *("requests", "errors", "refusals", "feedback", "corrections", "thumbs_up", "rating", *VALUES),
        *OF_UNITS,
        *DELAYS.values(),
        *(f"{name}.{form}" for name in CAPPED for form in ("capped", "over_cap")),
        *(f"{name}.over_p95" for name in TAILS),
        *(f"{name}.cached.{form}" for name in BY_CACHE for form in ("capped", "over_cap", "over_p95")),
    )
)
"""Metric names with a meaning of their own."""
NOT_BINARY = "not_binary."
"""What the name of a metric begins with that counts another's values other than 0 and 1."""
PER_UNIT = "per_unit."
"""What the name of a metric begins with that is made of late outcomes and of units, had they one or not."""

_AS_THEY_ARE = References(as_they_are=True)


def cached_name(name: str) -> str | None:
    """The metric of the cells that counts the same of cached requests alone, if there may be one."""
    measure, _, form = name.partition(".")
    return f"{measure}.cached.{form}" if measure in BY_CACHE and form else None


def cells_name(name: str) -> str:
    """The metric of the cells that counts the values of a name."""
    is_ours = name in BUILT_IN or name.startswith((NOT_BINARY, PER_UNIT))
    return f"custom.{name}" if is_ours else name


def named_in_requests(rows: pa.Table) -> NamedValues:
    """The named values of requests, with names as in the cells."""
    return _renamed(NamedValues.of_maps(rows["metrics"]))


def named_in_scores(rows: pa.Table) -> NamedValues:
    """The values of scores, with names as in the cells."""
    return _renamed(NamedValues.of_columns(rows["name"], rows["value"]))


def _renamed(named: NamedValues) -> NamedValues:
    return replace(named, names=pa.array([cells_name(name) for name in named.names.to_pylist()], pa.string()))


def in_experiments(rows: pa.Table) -> pa.Table:
    """The rows that belong to an experiment."""
    experiment = rows["experiment"]
    if experiment.null_count == 0:
        return rows
    return rows.filter(experiment.is_valid()) if experiment.null_count < rows.num_rows else rows.slice(0, 0)


def request_cells(
    rows: pa.Table, references: References = _AS_THEY_ARE, named: NamedValues | None = None
) -> CellRows:
    """Cells and units of requests; those outside experiments add nothing.

    Args:
        rows: Columns of a request; `ingest_id`, too, if there are references, and `segments`, if some are
            declared.
        references: Of the requests' experiments.
        named: Named values of the requests, if all belong to experiments and the values are there already.
    """
    rows = in_experiments(rows)
    if not rows.num_rows:
        return CellRows()
    rows = references.segments.columns(rows)
    everything = _per_row(rows.num_rows)
    added: list[Added | NamedAdded] = [
        Added("requests", everything, np.ones(rows.num_rows)),
        Added("errors", everything, is_known(rows["error_type"]).astype(np.float64)),
        Added("refusals", everything, is_one_of(rows["finish_reason"], REFUSALS).astype(np.float64)),
    ]
    for name in VALUES:
        values = known(rows[name])
        at = _known_rows(values, rows.num_rows)
        added.append(Added(name, at, values.floats))
        added += _against_references(name, rows, references, at=at, values=values.floats)
    named = named_in_requests(rows) if named is None else named
    custom, not_binary = _custom(rows, named, references)
    cells = cell_rows([(rows, [*added, *custom]), *_late_denominators(rows, references)], not_binary)
    return replace(cells, experiment_units=unit_rows(rows))


def _late_denominators(rows: pa.Table, references: References) -> list[RowsAdding]:
    """Requests that feedback is counted of."""
    window = windows_us(rows, references, "feedback")
    counted = np.flatnonzero(~np.isnan(window))
    if not len(counted):
        return []
    names = [*ARM, "event_time", "unit_group", *segment_columns(rows)]
    rows = _maturing(rows.select(names).take(counted), window[counted])
    everything, none = _per_row(rows.num_rows), np.zeros(rows.num_rows)
    return [(rows, [Added(metric, everything, none) for metric in ("feedback", "corrections")])]


def feedback_cells(rows: pa.Table, references: References) -> CellRows:
    """Cells of last words within their window.

    Args:
        rows: As for `rollup_feedback`, and the request's `ingest_id` and `segments`; of requests that have a
            window.
        references: Of their experiments.
    """
    rows = references.segments.columns(in_experiments(rows))
    rows = _maturing(rows, windows_us(rows, references, "feedback"))
    back = rows["takes_back"]
    added, taken = (_word_cells(rows.filter(chosen)) for chosen in (pc.invert(back), back))
    return CellRows(*(together([mine, _taken_back(theirs)]) for mine, theirs in _tables(added, taken)))


def _tables(added: CellRows, taken: CellRows) -> list[tuple[pa.Table | None, pa.Table | None]]:
    return [
        (added.experiment_cells, taken.experiment_cells),
        (added.experiment_segment_cells, taken.experiment_segment_cells),
    ]


def _taken_back(cells: pa.Table | None) -> pa.Table | None:
    return None if cells is None else negated(cells, ("n", "sum_x", "sum_y"))


def _word_cells(rows: pa.Table) -> CellRows:
    if not rows.num_rows:
        return CellRows()
    everything = _per_row(rows.num_rows)
    corrected = np.flatnonzero(rows["has_correction"].to_numpy())
    thumbs = np.flatnonzero(is_known(rows["thumbs"]))
    up = is_one_of(rows["thumbs"], ("up",))[thumbs].astype(np.float64)
    rating = known(rows["rating"])
    added = [
        Added("feedback", everything, np.ones(len(everything)), counts=False),
        Added("corrections", corrected, np.ones(len(corrected)), counts=False),
        Added("thumbs_up", thumbs, up),
        Added("rating", _known_rows(rating, rows.num_rows), rating.floats),
    ]
    return cell_rows([(rows, added)])


def score_cells(rows: pa.Table, references: References = _AS_THEY_ARE) -> CellRows:
    """Cells of scores whose request is known.

    Args:
        rows: As for `rollup_scores`; if there are references, also the request's `ingest_id`, and
            `attributed_in`, the batch that brought the later of score and request; `segments`, if some are
            declared.
        references: Of their experiments.
    """
    rows = in_experiments(rows)
    if rows.num_rows and not references.as_they_are:
        window = windows_us(rows, references, "scores")
        window = np.where(_flags(rows, "is_outcome"), float(OUTCOME_WINDOW_US), window)
        delay = microseconds(rows["said_at"]) - microseconds(rows["event_time"])
        in_time = np.flatnonzero(~(delay > window))
        rows = _maturing(references.segments.columns(rows.take(in_time)), window[in_time])
    if not rows.num_rows:
        return CellRows()
    back = _flags(rows, "takes_back")
    if not back.any():
        return _score_cells(rows, references)
    added, taken = (_score_cells(rows.filter(pa.array(chosen)), references) for chosen in (~back, back))
    return CellRows(*(together([mine, _taken_back(theirs)]) for mine, theirs in _tables(added, taken)))


def _score_cells(rows: pa.Table, references: References) -> CellRows:
    if not rows.num_rows:
        return CellRows()
    custom, not_binary = _custom(rows, named_in_scores(rows), references)
    return cell_rows([(rows, custom)], not_binary)


def _flags(rows: pa.Table, name: str) -> BoolArray:
    found: BoolArray = rows[name].to_numpy().astype(np.bool_)
    return found


def _maturing(rows: pa.Table, window_us: FloatArray) -> pa.Table:
    return rows.append_column("matures_at", maturities(rows, window_us))


def _per_row(rows: int) -> IntArray:
    return np.arange(rows)


def _known_rows(values: Known, rows: int) -> IntArray:
    return _per_row(rows) if values.rows is None else values.rows


def _against_references(
    name: str, rows: pa.Table, references: References, *, at: IntArray, values: FloatArray
) -> list[Added]:
    """What known values add where they are compared with a frozen reference."""
    found = []
    if name in CAPPED and (caps := references.thresholds(rows, name, CAP_QUANTILE)) is not None:
        held, mine, cap = _held(at, values, caps)
        found.append(Added(f"{name}.capped", held, np.minimum(mine, cap)))
        found.append(Added(f"{name}.over_cap", held, (mine > cap).astype(np.float64)))
    if name in TAILS and (tails := references.thresholds(rows, name, TAIL_QUANTILE)) is not None:
        held, mine, tail = _held(at, values, tails)
        found.append(Added(f"{name}.over_p95", held, (mine > tail).astype(np.float64)))
    if found and name in BY_CACHE:
        hit = pc.greater(rows["cached_input_tokens"], 0).fill_null(fill_value=False).to_numpy()
        if hit.any():
            found += [_of_cached(each, hit) for each in found]
    return found


def _of_cached(added: Added, hit: BoolArray) -> Added:
    cached = np.flatnonzero(hit[added.rows])
    return Added(cached_name(added.metric) or "", added.rows[cached], added.y[cached])


def _held(
    at: IntArray, values: FloatArray, thresholds: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Rows that have a threshold, with their values and thresholds."""
    mine = thresholds[at]
    none = np.isnan(mine)
    if not none.any():
        return at, values, mine
    return at[~none], values[~none], mine[~none]


def _custom(
    rows: pa.Table, named: NamedValues, references: References
) -> tuple[list[NamedAdded], list[pa.Table]]:
    """What named values add, and cells of those that are neither 0 nor 1."""
    counted, values = _within_bounds(rows, named, references)
    if not len(counted):
        return [], []
    row, name = named.row[counted], named.name[counted]
    original = named.values[counted]
    other = np.flatnonzero((original != 0) & (original != 1))
    found = [_not_binary(rows.select(ARM), row[other], name[other], named.names)] if len(other) else []
    return [NamedAdded(row, name, values, named.names)], found


def _not_binary(arms: pa.Table, row: IntArray, name: IntArray, names: pa.Array) -> pa.Table:
    """Counts values other than 0 and 1, in one group of units: all that matters is whether there are any."""
    groups = group_by(*(codes_of(arms[column]) for column in ARM))
    cells = group_by(Codes(groups.of_row[row], groups.count), Codes(name, len(names)))
    n = count_rows(cells.of_row, cells.count)
    metrics = pa.array([f"{NOT_BINARY}{metric}" for metric in names.to_pylist()], pa.string())
    counts = Contribution(
        metrics,
        name[cells.a_row],
        groups.of_row[row][cells.a_row],
        n,
        n.astype(np.float64),
        n.astype(np.float64),
    )
    rows = arms.append_column("unit_group", pa.array(np.zeros(arms.num_rows, np.int32)))
    return table_of(keys_of(rows, (*ARM, "unit_group"), groups), [counts])


def _within_bounds(rows: pa.Table, named: NamedValues, references: References) -> tuple[IntArray, FloatArray]:
    """Which values count, and as how much."""
    if references.as_they_are or not len(named.names):
        return np.arange(len(named.values)), named.values
    codes, names = codes_of(rows["experiment"]), codes_of(named.names)
    experiments = {name: code for code, name in enumerate(distinct(rows["experiment"]))}
    metrics = {name: code for code, name in enumerate(named.names.unique().to_pylist())}
    low, high = np.full((2, codes.size * len(metrics)), np.nan)
    since = np.zeros(len(low), np.int64)
    for (experiment, metric), each in references.bounds.items():
        if each.low is not None and experiment in experiments and metric in metrics:
            at = experiments[experiment] * len(metrics) + metrics[metric]
            low[at], high[at], since[at] = each.low, each.high, each.since_ingest_id
    batch = rows["attributed_in" if "attributed_in" in rows.column_names else "ingest_id"].to_numpy()
    key = codes.of_row[named.row] * len(metrics) + names.of_row[named.name]
    counted = np.flatnonzero(~np.isnan(low[key]) & (batch[named.row] > since[key]))
    key = key[counted]
    return counted, np.clip(named.values[counted], low[key], high[key])
