"""The sums of two versions of a prompt, from raw requests, kept apart by model and segments.

The same functions count that count experiment cells: a version stands in for an arm, and a mix (a model
together with values of some segments) for an experiment. So every metric means what it means there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.cells import NOT_BINARY
from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE, Reference, References
from coalmine_consumers.arrays import FloatArray, IndexArray
from coalmine_consumers.errors import UnknownSegment
from coalmine_consumers.experiments.overlap import Periods, VersionSpan, beside, is_change, side_by_side
from coalmine_consumers.experiments.sums import UNIT_GROUPS
from coalmine_consumers.maintenance.recount import Batches, Relations, recount_cells
from coalmine_consumers.sql import fetch_rows, quote_literal, statement
from coalmine_schemas.prompts import PREFERRED

MOST_VALUES = 12
"""Segments with more values are not used: too little is left in each."""
MOST_SEGMENTS = 2
"""Segments that are adjusted for by default."""
_MOST_MIXES = 600
"""Mixes, times periods, that are kept apart."""

_SEPARATOR = "\x1f"
_PAIR = "compared_requests"
_MIXED = "compared_mixes"
_FIRST = "first_compared_requests"
"""Views of the cursor's own."""


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Which requests."""

    prompt: str
    a: str
    b: str
    environment: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VersionSums:
    """Sums of both versions."""

    metrics: tuple[str, ...]
    """As in the cells; M of them."""
    mixes: tuple[tuple[str, ...], ...]
    """Model, the values of `segments`, and the period where there are any; S of them."""
    segments: tuple[str, ...]
    x: FloatArray
    """Denominators, shape (M, S, 2, 256); a before b."""
    y: FloatArray
    """Numerators, same shape."""
    spans: tuple[VersionSpan, VersionSpan]
    """When they ran, as far as it is compared."""
    periods: Periods | None
    """What time is divided into; None: they never ran in the same hour."""
    experiment: str | None
    """The experiment whose requests these are: both were arms of it. None: all requests."""


def version_sums(
    cursor: duckdb.DuckDBPyConnection, pair: VersionPair, segments: Sequence[str] | None = None
) -> VersionSums | None:
    """Sums of two versions over the raw requests there still are; None if one of them has none.

    Where both were arms of an experiment, its requests alone count. Versions that never ran in the same hour,
    but for that of the change, are compared around it, at the same hours of the day. Costs and latencies are
    compared with the quantiles of version a.

    Args:
        cursor: For reading; it streams while this runs.
        pair: Which requests.
        segments: Whose mix to keep apart; None: those with few values.

    Raises:
        InvalidParameter: No request has one of `segments`.
    """
    _create_pair(cursor, pair)
    spans = _spans(cursor, pair)
    if spans is None:
        return None
    experiment = side_by_side(*spans)
    if experiment is not None:
        _create_pair(cursor, pair, f"variant IS NOT NULL AND experiment = {quote_literal(experiment)}")
        spans = _spans(cursor, pair) or spans
    changed = experiment is None and is_change(*spans)
    if changed:
        spans = _compared_beside(cursor, pair, spans)
    keys = _segments(cursor, segments)
    mixes = _mixes(cursor, keys, None)
    periods = None if changed else Periods.of(*spans, most=_MOST_MIXES // max(len(mixes), 1))
    if periods is not None:
        mixes = _mixes(cursor, keys, periods)
    references = references_of(cursor, _FIRST, mixes)
    total = Totals(mixes, (pair.a, pair.b))
    for counted in recount_cells(cursor, Relations(requests=_MIXED), Batches(), references):
        if (cells := counted.tables.get("experiment_cells")) is not None:
            total.add(cells)
    metrics, x, y = total.arrays()
    split = tuple(tuple(mix.split(_SEPARATOR)) for mix in mixes)
    return VersionSums(metrics, split, keys, x, y, spans, periods, experiment)


def _spans(cursor: duckdb.DuckDBPyConnection, pair: VersionPair) -> tuple[VersionSpan, VersionSpan] | None:
    """When both ran; None if one has no requests."""
    found = {row["version"]: VersionSpan.of_row(row) for row in _rows(cursor, "version_spans", _PAIR)}
    return (found[pair.a], found[pair.b]) if pair.a in found and pair.b in found else None


def _compared_beside(
    cursor: duckdb.DuckDBPyConnection, pair: VersionPair, spans: tuple[VersionSpan, VersionSpan]
) -> tuple[VersionSpan, VersionSpan]:
    """Leaves in the views what is compared of versions of which one took over."""
    for windows in beside(*spans):
        of_version = [
            f"(version = {quote_literal(name)} AND event_time BETWEEN {_moment(since)} AND {_moment(until)})"
            for name, (since, until) in zip((pair.a, pair.b), windows, strict=True)
        ]
        _create_pair(cursor, pair, f"({' OR '.join(of_version)})")
        if (found := _spans(cursor, pair)) is not None:
            return found
    return spans


def _moment(at: datetime) -> str:
    return f"TIMESTAMPTZ {quote_literal(at.isoformat())}"


class Totals:
    """Adds up cells, some thousand at a time."""

    def __init__(self, mixes: Sequence[str], versions: Sequence[str]) -> None:
        self._mixes = pa.array(mixes, pa.string())
        self._versions = pa.array(versions, pa.string())
        self._sums: dict[str, tuple[FloatArray, FloatArray]] = {}

    def add(self, cells: pa.Table) -> None:
        """Cells whose experiment is a mix and whose variant is a version."""
        names = cells["metric"]
        mix = _places(cells["experiment"], self._mixes)
        version = _places(cells["variant"], self._versions)
        group = cells["unit_group"].to_numpy()
        x, y = cells["sum_x"].to_numpy(), cells["sum_y"].to_numpy()
        for name in pc.unique(names).to_pylist():
            if name.startswith(NOT_BINARY):  # of a metric, and none itself
                continue
            at = np.flatnonzero(pc.equal(names, name).to_numpy())
            shape = (len(self._mixes), len(self._versions), UNIT_GROUPS)
            sums = self._sums.setdefault(name, (np.zeros(shape), np.zeros(shape)))
            place = (mix[at], version[at], group[at])
            np.add.at(sums[0], place, x[at])
            np.add.at(sums[1], place, y[at])

    def arrays(self) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
        """Names, denominators and numerators."""
        names = tuple(sorted(self._sums))
        x, y = (np.stack([self._sums[name][axis] for name in names]) for axis in range(2))
        return names, x, y


def _places(column: pa.ChunkedArray, values: pa.Array) -> IndexArray:
    places: IndexArray = pc.index_in(column, value_set=values).to_numpy().astype(np.intp)
    return places


def conditions_of(
    prompt: str, environment: str | None, since: datetime | None, until: datetime | None
) -> list[str]:
    """Conditions of SQL on raw requests: of a prompt, without those of people who chose their version."""
    conditions = [
        f"prompt = {quote_literal(prompt)}",
        f"variant IS DISTINCT FROM {quote_literal(PREFERRED)}",  # who chose a version is not like the others
    ]
    if environment is not None:
        conditions.append(f"environment = {quote_literal(environment)}")
    if since is not None:
        conditions.append(f"event_time >= TIMESTAMPTZ {quote_literal(since.isoformat())}")
    if until is not None:
        conditions.append(f"event_time < TIMESTAMPTZ {quote_literal(until.isoformat())}")
    return conditions


def _create_pair(cursor: duckdb.DuckDBPyConnection, pair: VersionPair, *more: str) -> None:
    """Views of the pair's raw requests, and of those of version a."""
    conditions = [
        *conditions_of(pair.prompt, pair.environment, pair.since, pair.until),
        f"version IN ({quote_literal(pair.a)}, {quote_literal(pair.b)})",
        *more,
    ]
    create_view(cursor, _PAIR, f"SELECT * FROM requests WHERE {' AND '.join(conditions)}")  # noqa: S608
    create_view(cursor, _FIRST, f"SELECT * FROM {_PAIR} WHERE version = {quote_literal(pair.a)}")  # noqa: S608


def _mixes(cursor: duckdb.DuckDBPyConnection, segments: Sequence[str], periods: Periods | None) -> list[str]:
    """Views the same requests with the mix in place of the experiment, the version in that of the arm.

    Returns:
        The mixes there are.
    """
    parts = ["coalesce(response_model, request_model)"]
    parts += [
        f"coalesce(list_filter(segments, lambda entry: entry.key = {quote_literal(key)})[1].value, '')"
        for key in segments
    ]
    if periods is not None:  # what is of no common time is of no common mix
        parts.append(f"coalesce(nullif({periods.expression}, ''), version)")
    mix = f"concat_ws({quote_literal(_SEPARATOR)}, {', '.join(parts)})"
    columns = f"{mix} AS experiment, 0 AS allocation_epoch, version AS variant"
    create_view(cursor, _MIXED, f"SELECT * REPLACE ({columns}) FROM {_PAIR}")  # noqa: S608
    found = cursor.execute(f"SELECT DISTINCT experiment FROM {_MIXED} ORDER BY ALL").fetchall()  # noqa: S608
    return [mix for (mix,) in found]


def create_view(cursor: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    """Makes a view of the cursor's own."""
    # A view cannot have parameters, so its values are quoted literals.
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}").fetchall()


def _segments(cursor: duckdb.DuckDBPyConnection, wanted: Sequence[str] | None) -> tuple[str, ...]:
    rows = _rows(cursor, "version_segments", _PAIR)
    if wanted is not None:
        known = {row["key"] for row in rows}
        if unknown := [each for each in wanted if each not in known]:
            raise UnknownSegment(unknown[0], known)
        return tuple(dict.fromkeys(wanted))
    return tuple(row["key"] for row in rows if 1 < row["different"] <= MOST_VALUES)[:MOST_SEGMENTS]


def references_of(cursor: duckdb.DuckDBPyConnection, requests: str, mixes: Sequence[str]) -> References:
    """Thresholds from the quantiles of some requests, for every mix alike."""
    (row,) = _rows(cursor, "version_quantiles", requests, cap=CAP_QUANTILE, tail=TAIL_QUANTILE)
    thresholds = (
        ("cost_nano_usd", CAP_QUANTILE, row["cost_cap"]),
        ("cost_uncached_nano_usd", CAP_QUANTILE, row["cost_uncached_cap"]),
        ("latency_ms", CAP_QUANTILE, row["latency_cap"]),
        ("latency_ms", TAIL_QUANTILE, row["latency_tail"]),
        ("time_to_first_token_ms", TAIL_QUANTILE, row["time_to_first_token_tail"]),
    )
    now = datetime.now().astimezone()
    return References(
        (
            Reference(mix, metric, quantile, value, 0, "before", 0, -1, now)
            for mix in mixes
            for metric, quantile, value in thresholds
        ),
        as_they_are=True,
    )


def _rows(
    cursor: duckdb.DuckDBPyConnection, name: str, requests: str, **parameters: float
) -> list[dict[str, Any]]:
    query = statement(name, __package__).format(requests=requests)
    return fetch_rows(cursor, query, parameters)
