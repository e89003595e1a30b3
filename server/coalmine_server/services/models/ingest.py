"""How the collector and its store are."""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer


class Counts(Answer):
    """What became of the messages that were read, since the store was made."""

    consumed: int
    """Messages read."""
    stored: int
    """Events stored."""
    duplicates: int
    """Events that were stored already."""
    dead_lettered: int
    """Messages that cannot be events."""


class PartitionStatus(Answer):
    """One ordered stream of messages."""

    topic: str
    """A Kafka topic, or `spool`."""
    partition: str
    """A Kafka partition, or a spool file."""
    position: int | None
    """Next offset to read; null before the first commit."""
    lag: int | None
    """Messages that wait; null if unknown."""


class GapRow(Answer):
    """Positions that could not be read any more: a loss, recorded."""

    topic: str
    partition: str
    expected_offset: int
    available_offset: int
    reason: str
    detected_at: datetime


class StoreSizes(Answer):
    """What the store takes."""

    database_bytes: int
    """The DuckDB file."""
    segment_bytes: int
    """Parquet segments that are live."""
    segments: int
    """Number of live segments."""
    rows: dict[str, int]
    """Raw rows by event, hot table and segments together."""


class IngestStatus(Answer):
    """How the collector is."""

    state: Literal["running", "waiting", "embedded"]
    """`waiting`: the source cannot be read now, see `reason`. `embedded`: a command, without a server."""
    reason: str | None
    """Why it waits, or null."""
    source: Literal["kafka", "spool"]
    """Where events come from."""
    started_at: datetime
    """When this process took the store over, UTC."""
    last_commit_at: datetime | None
    """When a batch was last committed, UTC."""
    events_per_s: float
    """Messages committed per second, over the last ten seconds."""
    lag: int | None
    """Messages that wait in the source; null if unknown."""
    lag_note: str | None
    """Why the lag may be wrong now, or null."""
    counts: Counts
    """Over all events."""
    by_event: dict[str, Counts]
    """By event; `unroutable` are messages of which nothing says which event they are."""
    dead_letters_open: int
    """Dead letters that were neither replayed nor discarded."""
    unattributed_feedback: int
    """Feedback whose request has not come."""
    unattributed_scores: int
    """Scores whose request has not come."""
    ahead_of_clock: int
    """Events that claim to be from the future."""
    gaps: list[GapRow]
    """Losses, newest first, at most 100."""
    gaps_total: int
    """Number of losses."""
    partitions: list[PartitionStatus]
    """Positions and lags."""
    store: StoreSizes
    """What the store takes on disk."""
