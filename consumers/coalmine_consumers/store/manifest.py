"""The manifest: which segments are part of the data. All functions run inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import duckdb

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.sql import fetch_rows
from coalmine_consumers.store.segments import SEGMENTS_FOLDER, Segment

RetiredReason = Literal["merged", "retention", "forgotten"]

_COLUMNS = tuple(field.name for field in fields(Segment))
_UUIDS = ("segment_id", "min_id", "max_id")  # which DuckDB hands to Arrow as text


def record_segment(connection: duckdb.DuckDBPyConnection, segment: Segment) -> None:
    """Makes a written file part of the data. The event's view must be refreshed in the same transaction."""
    places = ", ".join("?" for _ in _COLUMNS)
    connection.execute(
        f"INSERT INTO segments ({', '.join(_COLUMNS)}) VALUES ({places})",  # noqa: S608 - our own column names
        list(astuple(segment)),
    )


def retire_segments(
    connection: duckdb.DuckDBPyConnection, segment_ids: Iterable[UUID], reason: RetiredReason, at: datetime
) -> None:
    """Takes segments out of the data. Their files stay for queries that already read them."""
    connection.execute(
        "UPDATE segments SET retired_at = $at, retired_reason = $reason "
        "WHERE segment_id IN (SELECT unnest($ids)) AND retired_at IS NULL",
        {"at": at, "reason": reason, "ids": list(segment_ids)},
    )


def live_segments(connection: duckdb.DuckDBPyConnection, event: IngestedEvent | None = None) -> list[Segment]:
    """Segments that are part of the data, oldest first."""
    rows = fetch_rows(
        connection,
        f"SELECT {', '.join(_COLUMNS)} FROM segments "  # noqa: S608 - our own column names
        "WHERE retired_at IS NULL AND ($event IS NULL OR event = $event) ORDER BY created_at, segment_id",
        {"event": event},
    )
    return [Segment(**{**row, **{name: UUID(row[name]) for name in _UUIDS}}) for row in rows]


def remove_strays(connection: duckdb.DuckDBPyConnection, directory: Path, at: datetime) -> list[Path]:
    """Removes files without a row, and files of retired rows, when nothing can be reading: at start-up.

    Returns:
        What was removed, relative to the store's folder.
    """
    kept = {segment.path for segment in live_segments(connection)}
    strays = [
        path
        for path in sorted((directory / SEGMENTS_FOLDER).rglob("*"))
        if path.is_file() and path.relative_to(directory).as_posix() not in kept
    ]
    for path in strays:
        path.unlink()
    connection.execute(
        "UPDATE segments SET deleted_at = $at WHERE retired_at IS NOT NULL AND deleted_at IS NULL", {"at": at}
    )
    return [path.relative_to(directory) for path in strays]


def missing_files(directory: Path, segments: Sequence[Segment]) -> list[Segment]:
    """Segments whose file is gone."""
    return [segment for segment in segments if not (directory / segment.path).is_file()]
