"""The views `requests`, `feedback` and `scores`: hot rows and live segments as one table.

A view names its files, because DuckDB's reader takes no sub-query for them and a glob would show files
that are not committed. So code that changes the manifest refreshes the view in the same transaction, and
a query sees either the old files or the new ones.
"""

import logging
from pathlib import Path

import duckdb

from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import quote_identifier, quote_literal, statement

_log = logging.getLogger(__name__)

_LIVE_PATHS = """
SELECT path FROM segments WHERE retired_at IS NULL AND event = $event ORDER BY created_at, segment_id
"""


def refresh_view(connection: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent) -> None:
    """Redefines an event's view from the manifest as this transaction sees it.

    A file that is gone is left out, so that an accident to one file stops neither ingest nor queries nor
    opening the store; `audit` says what is missing.
    """
    rows = raw_relation(connection, directory, event)
    rows = with_outcomes(rows) if event == "scores" else rows
    connection.execute(f"CREATE OR REPLACE VIEW {quote_identifier(event)} AS FROM {rows}")


def raw_relation(connection: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent) -> str:
    """A relation of an event's raw rows, hot and in live segments, as this transaction sees them."""
    return relation_of(connection, event, live_paths(connection, directory, event))


def relation_of(connection: duckdb.DuckDBPyConnection, event: IngestedEvent, paths: list[str]) -> str:
    """A relation of an event's raw rows, hot and in these files."""
    rows = f"SELECT * FROM {quote_identifier(f'{event}_hot')}"  # noqa: S608 - a closed set of names
    if paths:
        stored = segment_scan(connection, event, paths)
        rows += f" UNION ALL BY NAME SELECT * FROM {stored}"  # noqa: S608 - quoted by segment_scan
    return f"({rows})"


def with_outcomes(scores: str) -> str:
    """A relation of raw scores, with late outcomes as scores of the requests they are attributed to.

    Args:
        scores: A relation of raw scores.
    """
    text = statement("scores_with_outcomes", __package__)
    # In one line: statements name in a comment what they read.
    lines = (line.strip() for line in text.splitlines() if not line.startswith("--"))
    return f"({' '.join(lines).format(scores=scores)})"


def live_paths(connection: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent) -> list[str]:
    """The files that hold an event's rows, as this transaction sees them, without those that are gone."""
    live = connection.execute(_LIVE_PATHS, {"event": event}).fetchall()
    return existing_paths(directory, event, live)


def existing_paths(directory: Path, event: IngestedEvent, live: list[tuple[str]]) -> list[str]:
    """Those of some live files that are there, each with its folder; says how many are not."""
    paths = [str(directory / path) for (path,) in live if (directory / path).is_file()]
    if len(paths) < len(live):
        _log.error("%d of %d segment files of %s are missing", len(live) - len(paths), len(live), event)
    return paths


def refresh_views(connection: duckdb.DuckDBPyConnection, directory: Path) -> None:
    """`refresh_view` for every event."""
    for event in INGESTED_EVENTS:
        refresh_view(connection, directory, event)


def segment_scan(connection: duckdb.DuckDBPyConnection, event: IngestedEvent, paths: list[str]) -> str:
    """A table expression that reads these files as rows of the event's hot table.

    The columns are stated, so that DuckDB opens no file to learn them and a column that an older file
    lacks reads as null.
    """
    hot = connection.table(f"{event}_hot")
    columns = zip(map(quote_literal, hot.columns), map(quote_literal, map(str, hot.types)), strict=True)
    schema = ", ".join(
        f"{name}: {{'name': {name}, 'type': {kind}, 'default_value': NULL}}" for name, kind in columns
    )
    files = ", ".join(quote_literal(path) for path in paths)
    return f"read_parquet([{files}], schema = MAP {{{schema}}})"
