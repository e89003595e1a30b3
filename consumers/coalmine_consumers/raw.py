"""What a source hands over: undecoded messages of one poll, and where each of them came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from coalmine_schemas.events import EventName

GapReason = Literal["expired", "truncated", "recreated", "damaged", "vanished"]
"""Why positions hold no message we could read.

`expired`: the broker deleted them (retention) before they were consumed.
`truncated`: the log ends before the position we had reached (unclean election, a disk that lost writes).
`recreated`: the topic was deleted and created again. What was unread in the old one is gone, however much.
`damaged`: a spool file is corrupt from there on; the file was set aside.
`vanished`: a spool file was removed by another process before it was read to its end.
"""

IngestedEvent = Literal["requests", "feedback", "scores"]
"""The events a collector keeps as raw rows, hot or in segments; a subset of `EventName`."""

INGESTED_EVENTS: tuple[IngestedEvent, ...] = ("requests", "feedback", "scores")
"""`IngestedEvent` as a value, in the order in which the events of one batch are stored."""

ReadEvent = IngestedEvent | Literal["deployments"]
"""The events a collector reads: those, and the few changes of deployments, which have a small table."""

READ_EVENTS: tuple[ReadEvent, ...] = (*INGESTED_EVENTS, "deployments")
"""`ReadEvent` as a value."""

UNROUTABLE: Literal["unroutable"] = "unroutable"
"""Stands for the event in ledgers and dead letters when it is unknown."""


class TopicPartition(NamedTuple):
    """One ordered stream of messages; a named tuple because it is a key in every mapping."""

    topic: str
    """Kafka: the full topic name. Spool: always "spool"."""
    partition: str
    """Kafka: the partition number in decimal. Spool: the file's sealed name."""
    topic_id: str = ""
    """Kafka: tells a topic from an earlier one of its name. Empty: spool, and brokers that have no ids."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one message came from; read only for messages that become dead letters."""

    topic: str
    partition: str
    offset: int
    """The message's own position, counted from 0."""
    timestamp_ms: int | None
    """When the message was produced, in milliseconds since 1970, or None if unknown."""
    key: bytes | None


@dataclass(frozen=True, slots=True)
class RawColumn:
    """All messages of one event in a poll, in the order in which they were read."""

    values: Sequence[bytes | None]
    """Framed payloads; None is a Kafka tombstone."""
    origin: Callable[[int], Origin]
    """Finds where the message at an index of `values` came from. Lazy: most are never asked for."""


@dataclass(frozen=True, slots=True)
class UnroutableMessage:
    """A message of no known event: an unknown spool topic, say. It becomes a dead letter."""

    value: bytes | None
    origin: Origin
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Positions that were expected and cannot be read any more: recorded as loss, never just skipped."""

    topic: str
    partition: str
    expected_offset: int
    """The next position to read before the gap."""
    available_offset: int
    """The position where reading went on. May be below `expected_offset` in a log truncated or recreated."""
    detected_at: datetime
    reason: GapReason

    @property
    def missing(self) -> int:
        """How many positions are known to be lost; 0 when the number cannot be known."""
        return 0 if self.reason == "recreated" else max(0, self.available_offset - self.expected_offset)


@dataclass(frozen=True, slots=True)
class RawBatch:
    """One poll. Committing it moves every partition in `starts` to its value in `positions`.

    It may hold no message at all and still matter: gaps and retired partitions are facts to store.
    """

    columns: Mapping[EventName, RawColumn]
    starts: Mapping[TopicPartition, int]
    """Where each partition stood before this batch, gaps included: equals the stored position, if any."""
    positions: Mapping[TopicPartition, int]
    """Next position to read, after this batch. Same keys as `starts`."""
    gaps: Sequence[Gap] = ()
    skipped: Mapping[TopicPartition, int] = field(default_factory=dict)
    """How many of the positions passed never held a message for us (transaction markers, compaction)."""
    unroutable: Sequence[UnroutableMessage] = ()
    retired: Sequence[TopicPartition] = ()
    """Partitions that are gone for good (consumed spool files, deleted topics): forget their positions.

    A partition is never in `retired` and in `positions` of the same batch.
    """
    size_bytes: int = field(default=0)
    """Payload bytes, about; for bounding memory."""

    @property
    def messages(self) -> int:
        """Messages in this batch, unroutable ones included."""
        return sum(len(column.values) for column in self.columns.values()) + len(self.unroutable)
