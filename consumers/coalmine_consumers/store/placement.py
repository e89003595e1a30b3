"""Placement of raw rows: large batches as Parquet segments, one per day, the rest in the hot table."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import microseconds
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.sql import append_rows

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


def by_day(rows: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Rows of each UTC day, in their order."""
    days = microseconds(rows["event_time"]) // _DAY_US
    present = np.unique(days)
    for day in present:
        part = rows if len(present) == 1 else rows.take(np.flatnonzero(days == day))
        yield _EPOCH + timedelta(days=int(day)), part


def split(
    rows: pa.Table, *, min_rows: int, min_day_rows: int
) -> tuple[list[tuple[date, pa.Table]], pa.Table]:
    """Decides what becomes a segment at once.

    Args:
        rows: New rows of one event.
        min_rows: Fewer rows than this are all hot.
        min_day_rows: A day with fewer rows than this is hot, so that stragglers do not make tiny files.

    Returns:
        Days and their rows for segments, and the rows for the hot table.
    """
    if rows.num_rows < max(min_rows, 1):
        return [], rows
    days = list(by_day(rows))
    large = [(day, part) for day, part in days if part.num_rows >= min_day_rows]
    small = [part for _, part in days if part.num_rows < min_day_rows]
    return large, pa.concat_tables(small) if small else rows.slice(0, 0)


def insert_hot(connection: duckdb.DuckDBPyConnection, event: IngestedEvent, rows: pa.Table) -> None:
    """Appends rows to the event's hot table."""
    if rows.num_rows:
        append_rows(connection, f"{event}_hot", rows)
