"""Status of the collector and its store."""

from datetime import date, datetime
from typing import Literal

from coalmine_schemas.results import result


@result
class Counts:
    """What became of the messages that were read, since the store was created."""

    consumed: int
    """Messages read: the sum of the other three."""
    stored: int
    """Events that were stored as rows."""
    duplicates: int
    """Events that were stored already."""
    dead_lettered: int
    """Messages that cannot be decoded as events."""


@result
class PartitionStatus:
    """One ordered stream of messages."""

    topic: str
    """A Kafka topic, or `spool`."""
    partition: str
    """A Kafka partition, or a spool file."""
    position: int | None
    """Next offset to read; null before the first commit."""
    lag: int | None
    """Messages waiting; null if unknown."""


@result
class GapRow:
    """Positions that could no longer be read: a recorded loss."""

    topic: str
    """A Kafka topic, or `spool`."""
    partition: str
    """A Kafka partition, or a spool file."""
    expected_offset: int
    """First offset that is missing."""
    available_offset: int
    """First offset after it that could be read."""
    reason: str
    """Cause of the loss."""
    detected_at: datetime
    """Time of the commit that recorded it, UTC."""


@result
class StoreSizes:
    """Size of the store."""

    database_bytes: int
    """The DuckDB file and its write-ahead log."""
    segment_bytes: int
    """Parquet segments that are live."""
    segments: int
    """Number of live segments."""
    rows: dict[str, int]
    """Raw rows by event, hot table and segments together."""


@result
class SegmentRow:
    """One Parquet file of raw rows."""

    event: Literal["requests", "feedback", "scores"]
    """What its rows are."""
    day: date
    """UTC day of every event in it."""
    path: str
    """Path below the store's folder."""
    rows: int
    """Number of rows."""
    size_bytes: int
    """Size on disk."""
    min_event_time: datetime
    """Time of its first event, UTC."""
    max_event_time: datetime
    """Time of its last event, UTC."""
    created_at: datetime
    """When it was written, UTC."""


@result
class IngestStatus:
    """Collector status."""

    state: Literal["running", "waiting", "embedded", "replica"]
    """`waiting`: the source cannot be read now, see `reason`. `embedded`: a command, without a server.
    `replica`: a snapshot, which another server renews, see `as_of`."""
    reason: str | None
    """Why it waits, or null."""
    source: Literal["kafka", "spool", "spark"]
    """Where events are read from."""
    started_at: datetime
    """When this process took over the store, UTC."""
    last_commit_at: datetime | None
    """When a batch was last committed, UTC; null before the first."""
    events_per_s: float
    """Messages committed per second, over the last ten seconds."""
    lag: int | None
    """Messages waiting in the source; null if unknown."""
    lag_note: str | None
    """Why the lag may be wrong now, or null."""
    counts: Counts
    """What became of messages of all events together."""
    by_event: dict[str, Counts]
    """By event; `unroutable` are messages that do not say which event they are."""
    dead_letters_open: int
    """Dead letters that were neither replayed nor discarded."""
    unattributed_feedback: int
    """Feedback whose request has not arrived."""
    unattributed_scores: int
    """Scores whose request has not arrived."""
    ahead_of_clock: int
    """Events whose time lies in the future."""
    names_beyond_limit: dict[str, int]
    """Events by kind of name (prompt, version, model ...) whose name was one too many new ones on its day.

    They are stored and counted under the name `(other)`.
    """
    gaps: list[GapRow]
    """Losses, newest first, at most 100."""
    gaps_total: int
    """Number of losses recorded since the store was created."""
    partitions: list[PartitionStatus]
    """Position and lag of each partition."""
    store: StoreSizes
    """Size of the store on disk."""
    as_of: datetime | None = None
    """Until when everything committed is in the answers of a replica, UTC; null where the store itself
    answers."""
