"""Recounts raw rows, with the functions that counted them when they were committed.

Of feedback a unit's last word on a request counts: a later one takes back what an earlier one added. A
feedback or score counts when both it and its request are stored, that is with the later of their two
batches. So whatever the batches in (after, through] added to rollups and cells is a function of raw rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.cells import CellRows, feedback_cells, request_cells, score_cells
from coalmine_consumers.aggregation.last_words import last_words
from coalmine_consumers.aggregation.references import References, read_references
from coalmine_consumers.aggregation.rollup import RollupRows, rollup_feedback, rollup_requests, rollup_scores
from coalmine_consumers.maintenance.compact import AdditiveTable
from coalmine_consumers.sql import statement
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
    yield from _recount(connection, relations, batches, _EVERYTHING)


def recount_cells(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    batches: Batches,
    references: References | None = None,
) -> Iterator[Counted]:
    """As `recount`, but experiment cells and units only; by the store's references if no others are given."""
    yield from _recount(connection, relations, batches, _CELLS, references)


@dataclass(frozen=True, slots=True)
class _Counting:
    """How to count each event."""

    requests: Callable[[pa.Table, References], list[RollupRows | CellRows]]
    feedback: Callable[[pa.Table], list[RollupRows | CellRows]]
    scores: Callable[[pa.Table], list[RollupRows | CellRows]]


_CELLS = _Counting(
    requests=lambda rows, references: [request_cells(rows, references)],
    feedback=lambda rows: [feedback_cells(rows)],
    scores=lambda rows: [score_cells(rows)],
)
_EVERYTHING = _Counting(
    requests=lambda rows, references: [
        rollup_requests(facts := with_model(rows)),
        request_cells(facts, references),
    ],
    feedback=lambda rows: [rollup_feedback(rows), feedback_cells(rows)],
    scores=lambda rows: [rollup_scores(rows), score_cells(rows)],
)


def _recount(
    connection: duckdb.DuckDBPyConnection,
    relations: Relations,
    batches: Batches,
    counting: _Counting,
    references: References | None = None,
) -> Iterator[Counted]:
    if references is None:
        references = References(read_references(connection))
    query = statement("requests_to_count", __package__).format(requests=relations.requests)
    for rows in _stream(connection, query, batches):
        yield _counted(rows.num_rows, counting.requests(rows, references))
    query = statement("feedback_to_count", __package__).format(
        requests=relations.requests, reactions=relations.feedback, words=last_words("said")
    )
    for rows in _stream(connection, query, batches):
        yield _counted(pc.sum(rows["said"]).as_py(), counting.feedback(rows))
    query = statement("scores_to_count", __package__).format(
        requests=relations.requests, reactions=relations.scores
    )
    for rows in _stream(connection, query, batches):
        yield _counted(rows.num_rows, counting.scores(rows))


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
    "experiment_units": "experiment_units",
}
