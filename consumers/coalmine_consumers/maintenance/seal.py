"""Seal: hot rows become Parquet segments.

The file is written from a snapshot while commits go on; only the exchange of rows for a manifest row
happens in a transaction of the writer. So ingest waits for milliseconds, and a reader sees every row
once: in the hot table before that transaction, in the segment after it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import duckdb

from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.maintenance.files import discarded_on_error
from coalmine_consumers.maintenance.plan import HotDay, days_to_seal
from coalmine_consumers.maintenance.policy import SealPolicy
from coalmine_consumers.maintenance.row_groups import READ_ROWS, write_stream
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.sql import fetch_rows, statement
from coalmine_consumers.store import Segment, Store, record_segment, refresh_view
from coalmine_consumers.store.segments import SegmentWriter


@dataclass(frozen=True, slots=True)
class Sealed:
    """Hot rows of one event that became segments."""

    event: IngestedEvent
    segments: tuple[Segment, ...]

    @property
    def rows(self) -> int:
        """Rows moved."""
        return sum(segment.rows for segment in self.segments)


def seal(store: Store, event: IngestedEvent, policy: SealPolicy, now: datetime) -> Sealed | None:
    """Moves hot rows of the days that are due into segments, one per day, sorted by event time.

    Returns:
        What moved, or None if nothing was due.

    Raises:
        MaintenanceConflict: Somebody else sealed the same rows meanwhile; nothing changed.
    """
    with turn(store):
        return _seal(store, event, policy, now)


def _seal(store: Store, event: IngestedEvent, policy: SealPolicy, now: datetime) -> Sealed | None:
    written: list[Segment] = []
    with discarded_on_error(store.directory, written):
        through = _write_due_days(store, event, policy, now, into=written)
    if not written:
        return None
    with store.transaction() as connection, discarded_on_error(store.directory, written):
        for segment in written:
            _exchange(connection, segment, through)
        refresh_view(connection, store.directory, event)
    return Sealed(event, tuple(written))


def _write_due_days(
    store: Store, event: IngestedEvent, policy: SealPolicy, now: datetime, *, into: list[Segment]
) -> int:
    """Writes the files; returns the last ingest id they may hold rows of."""
    with store.cursor() as cursor:
        cursor.begin()  # one snapshot for all queries: commits that end meanwhile stay out of the files
        rows = fetch_rows(cursor, statement("hot_days", __package__).format(hot=f"{event}_hot"))
        through = max((row.pop("last_ingest_id") for row in rows), default=0)
        for day in days_to_seal([HotDay(**row) for row in rows], policy, now):
            query = f"SELECT * FROM {event}_hot WHERE {_OF_DAY} ORDER BY event_time"  # noqa: S608 - closed set
            found = cursor.sql(query, params=_bounds(day)).to_arrow_reader(READ_ROWS)
            with SegmentWriter(store.directory, event, day, created_at=now) as writer:
                write_stream(writer, found)
                into.append(writer.finish())
        cursor.rollback()
    return through


def _exchange(connection: duckdb.DuckDBPyConnection, segment: Segment, through: int) -> None:
    """Takes the segment's rows out of the hot table and make its file data."""
    delete = f"DELETE FROM {segment.event}_hot WHERE {_OF_DAY} AND ingest_id <= $through"  # noqa: S608
    ((deleted,),) = connection.execute(delete, {**_bounds(segment.day), "through": through}).fetchall()
    if deleted != segment.rows:
        raise MaintenanceConflict(
            f"{segment.event} of {segment.day}: {segment.rows} hot rows were written, {deleted} were found"
        )
    record_segment(connection, segment)


# Not in Python, whose calendar ends with the last day that an old store may have.
_OF_DAY = "event_time >= $first AND event_time < $first::TIMESTAMPTZ + INTERVAL 1 DAY"


def _bounds(day: date) -> dict[str, datetime]:
    return {"first": datetime.combine(day, time.min, tzinfo=UTC)}
