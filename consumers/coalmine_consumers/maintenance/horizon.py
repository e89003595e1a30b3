"""The horizon: before it raw rows are gone, and rollups cannot be recounted."""

from datetime import UTC, date, datetime, time

import duckdb

from coalmine_consumers.aggregation.resolutions import LENGTH_S, Resolution
from coalmine_consumers.sql import fetch_rows

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
"""Before every event."""

_SET_RESOLUTION = """
MERGE INTO rollup_kept_from AS kept
USING (SELECT $resolution AS resolution, $kept_from AS kept_from) AS fresh
    ON kept.resolution = fresh.resolution
WHEN MATCHED THEN UPDATE SET kept_from = greatest(kept.kept_from, fresh.kept_from)
WHEN NOT MATCHED THEN INSERT (resolution, kept_from) VALUES (fresh.resolution, fresh.kept_from)
"""

_SET_RAW = """
MERGE INTO raw_kept_from AS kept
USING (SELECT $event AS event, $kept_from AS kept_from) AS fresh ON kept.event = fresh.event
WHEN MATCHED THEN UPDATE SET kept_from = greatest(kept.kept_from, fresh.kept_from)
WHEN NOT MATCHED THEN INSERT (event, kept_from) VALUES (fresh.event, fresh.kept_from)
"""


def raw_horizon(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Returns the time from which all requests are still there; earlier rollups cannot be recounted."""
    query = "SELECT max(kept_from) AS kept_from FROM raw_kept_from WHERE event = 'requests'"
    first: date | None = fetch_rows(connection, query)[0]["kept_from"]
    return BEGINNING if first is None else datetime.combine(first, time.min, tzinfo=UTC)


def rollups_kept_from(connection: duckdb.DuckDBPyConnection) -> dict[Resolution, datetime]:
    """Returns the time from which each resolution has all its buckets."""
    rows = fetch_rows(
        connection, "SELECT resolution, max(kept_from) AS kept_from FROM rollup_kept_from GROUP BY ALL"
    )
    found = {row["resolution"]: row["kept_from"] for row in rows}
    return {resolution: found.get(resolution, BEGINNING) for resolution in LENGTH_S}


def keep_rollups_from(
    connection: duckdb.DuckDBPyConnection, resolution: Resolution, moment: datetime
) -> None:
    """Records that a resolution lost its buckets before a moment. It never moves back."""
    connection.execute(_SET_RESOLUTION, {"resolution": resolution, "kept_from": moment}).fetchall()


def keep_raw_from(connection: duckdb.DuckDBPyConnection, event: str, day: date) -> None:
    """Records that raw rows of an event lost their days before one. It never moves back."""
    connection.execute(_SET_RAW, {"event": event, "kept_from": day}).fetchall()
