"""Raw rows of a stretch of time, or of ids, without opening the files that have none of them.

DuckDB opens every file that a view names, to learn from its footer that nothing in it is wanted. With
hundreds of files that takes longer than reading what is. The manifest knows the extent of each.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import duckdb

from coalmine_consumers.sql import quote_identifier
from coalmine_consumers.store.views import existing_paths, relation_of

_PATHS = """
SELECT path FROM segments
WHERE retired_at IS NULL AND event = $event
  AND ($since IS NULL OR max_event_time >= $since) AND ($until IS NULL OR min_event_time <= $until)
  AND ($least_id IS NULL OR max_id >= $least_id) AND ($greatest_id IS NULL OR min_id <= $greatest_id)
ORDER BY created_at, segment_id
"""
_DATABASE = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Which rows a query may want. None leaves an end open; each end belongs to it."""

    since: datetime | None = None
    """When they happened."""
    until: datetime | None = None
    least_id: UUID | None = None
    """Of the event's own id."""
    greatest_id: UUID | None = None


def narrow(
    cursor: duckdb.DuckDBPyConnection, event: Literal["requests", "feedback"], stretch: Stretch
) -> None:
    """Hides files without a row of a stretch from a cursor, by a view of its own in place of everybody's.

    Rows outside the stretch may still be seen: a query says which it wants all the same.

    Args:
        cursor: In a transaction, at whose end by `rollback` or `widen` all files are back. The list of files
            is of this transaction's state: a later one may have moved rows to other files.
        event: Whose rows.
        stretch: All that is going to be asked for lies in it.
    """
    ((database,),) = cursor.execute(_DATABASE).fetchall()
    parameters = {
        "event": event,
        "since": stretch.since,
        "until": stretch.until,
        "least_id": stretch.least_id,
        "greatest_id": stretch.greatest_id,
    }
    paths = existing_paths(Path(database).parent, event, cursor.execute(_PATHS, parameters).fetchall())
    rows = relation_of(cursor, event, paths)
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quote_identifier(event)} AS FROM {rows}")


def widen(cursor: duckdb.DuckDBPyConnection, event: Literal["requests", "feedback"]) -> None:
    """Lets a cursor see all files again; before its transaction is committed."""
    cursor.execute(f"DROP VIEW temp.{quote_identifier(event)}")
