"""Recounts raw rows, with the functions that counted them when they were committed.

Of feedback a unit's last word on a request counts: a later one takes back what an earlier one added. A
feedback or score counts when both it and its request are stored, that is with the later of their two
batches. So whatever the batches in (after, through] added to rollups and cells is a function of raw rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.bounds import read_bounds
from coalmine_consumers.aggregation.cell_rows import CellRows
from coalmine_consumers.aggregation.cells import feedback_cells, request_cells, score_cells
from coalmine_consumers.aggregation.last_words import last_words
from coalmine_consumers.aggregation.references import DELAYS, LATE_QUANTILE, References, read_references
from coalmine_consumers.aggregation.rollup import RollupRows, rollup_feedback, rollup_requests, rollup_scores
from coalmine_consumers.aggregation.segments import UNREAD, read_segments
from coalmine_consumers.maintenance.compact import AdditiveTable
from coalmine_consumers.sql import lent, statement
from coalmine_consumers.store.rows import with_model

COUNT_ROWS = 100_000
"""Rows counted at a time."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches by ingest id: those in (after, through]."""

    after: int = 0
    through: int = 2**62


@dataclass(frozen=True, slots=True)
class Relations:
    """Where to read raw rows from: names of views, or table expressions."""

    requests: str = "requests"
    feedback: str = "feedback"
    scores: str = "scores"
    """With late outcomes, see `store.with_outcomes`."""


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What some raw rows add."""

    raw_rows: int
    tables: dict[AdditiveTable, pa.Table]
    """Rows to append."""


def recount(
    connection: duckdb.DuckDBPyConnection, relations: Relations, batches: Batches
) -> Iterator[Counted]:
    """Counts what some batches brought to rollups and cells: requests first, then feedback, then scores.

    The connection streams a result while this runs: use another one for anything else.
    """
    yield from _recount(connection, relations, batches, rollups=True)


def recount_cells(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    batches: Batches,
    references: References | None = None,
) -> Iterator[Counted]:
    """As `recount`, but experiment cells and units only; by the store's references if no others are given."""
    yield from _recount(connection, relations, batches, references, rollups=False)


def _recount(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    batches: Batches,
    references: References | None = None,
    *,
    rollups: bool,
) -> Iterator[Counted]:
    if references is None:
        references = References(
            read_references(connection), read_bounds(connection), read_segments(connection)
        )
    unread = None if references.segments.keys else UNREAD
    query = statement("requests_to_count", __package__).format(
        requests=relations.requests, segments=unread or "segments"
    )
    for rows in _stream(connection, query, batches):
        facts = with_model(rows)
        yield _counted(
            rows.num_rows, [*([rollup_requests(facts)] if rollups else []), request_cells(facts, references)]
        )
    if rollups:
        for rows in _words(connection, relations, batches, UNREAD):
            yield _counted(pc.sum(rows["said"]).as_py(), [rollup_feedback(rows)])
    with lent(connection, late_windows=_late_windows(references)):
        in_time = "" if references.as_they_are else _IN_TIME
        for rows in _words(connection, relations, batches, unread or "request.segments", in_time):
            yield _counted(0, [feedback_cells(rows, references)])
    query = statement("scores_to_count", __package__).format(
        requests=relations.requests, reactions=relations.scores, segments=unread or "request.segments"
    )
    for rows in _stream(connection, query, batches):
        yield _counted(
            rows.num_rows, [*([rollup_scores(rows)] if rollups else []), score_cells(rows, references)]
        )


_IN_TIME = """
    JOIN late_windows AS late
        ON late.experiment = request.experiment
        AND request.ingest_id > late.since_ingest_id
        AND epoch_us(reaction.event_time) - epoch_us(request.event_time) <= late.window_us
"""


def _words(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    batches: Batches,
    segments: str,
    in_time: str = "",
) -> Iterator[pa.Table]:
    """Last words, of all that was said or of what `in_time` leaves."""
    query = statement("feedback_to_count", __package__).format(
        requests=relations.requests,
        reactions=relations.feedback,
        segments=segments,
        in_time=in_time,
        words=last_words("said"),
    )
    return _stream(connection, query, batches)


def _late_windows(references: References) -> pa.Table:
    found = references.values(DELAYS["feedback"], LATE_QUANTILE)
    return pa.table(
        {
            "experiment": pa.array([each.experiment for each in found], pa.string()),
            "since_ingest_id": pa.array([each.since_ingest_id for each in found], pa.int64()),
            "window_us": pc.multiply(pa.array([each.value for each in found], pa.float64()), 1000.0),
        }
    )


def _stream(connection: duckdb.DuckDBPyConnection, query: str, batches: Batches) -> Iterator[pa.Table]:
    """Rows of a query in tables of about `COUNT_ROWS`: DuckDB's batches may be much smaller than asked."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    found = connection.sql(query, params={"after": batches.after, "through": batches.through})
    for batch in found.to_arrow_reader(COUNT_ROWS):
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= COUNT_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if rows:
        yield pa.Table.from_batches(waiting)


def _counted(raw_rows: int, groups: Iterable[RollupRows | CellRows]) -> Counted:
    tables: dict[AdditiveTable, pa.Table] = {}
    for group in groups:
        for each in fields(group):
            rows: pa.Table | None = getattr(group, each.name)
            if rows is not None and rows.num_rows:
                tables[_TABLE[each.name]] = rows
    return Counted(raw_rows, tables)


_TABLE: dict[str, AdditiveTable] = {
    "rollups": "rollups",
    "rollup_histograms": "rollup_histograms",
    "rollup_metrics": "rollup_metrics",
    "experiment_cells": "experiment_cells",
    "experiment_segment_cells": "experiment_segment_cells",
    "experiment_units": "experiment_units",
}
