"""A broker in memory and the source that reads it: for tests, and for trying the collector out.

It follows every rule of `Source`, including rebalances and expired messages, and does nothing on its own.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from coalmine_consumers.raw import Origin, RawBatch, TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly, Run
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.sources.resume import PartitionLog, resume
from coalmine_schemas.events import EventName
from coalmine_schemas.topics import topic_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MemoryMessage:
    """One message of an in-memory partition."""

    value: bytes | None
    key: bytes | None
    timestamp_ms: int | None


@dataclass(slots=True)
class _Log:
    event: EventName
    first: int = 0
    messages: list[MemoryMessage] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.messages)


class MemoryBroker:
    """Partitions that hold messages; safe to use from several threads."""

    def __init__(self, prefix: str = "coalmine.") -> None:
        self._prefix = prefix
        self._lock = threading.Condition()
        self._logs: dict[TopicPartition, _Log] = {}
        self._made: dict[EventName, int] = {}
        """How often each topic was created."""

    def append(
        self,
        event: EventName,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int = 0,
        timestamp_ms: int | None = None,
    ) -> int:
        """Appends a message and returns its offset."""
        where = self.partition(event, partition)
        with self._lock:
            log = self._logs.setdefault(where, _Log(event))
            log.messages.append(MemoryMessage(value, key, timestamp_ms))
            self._lock.notify_all()
            return log.end - 1

    def expire(self, event: EventName, before: int, *, partition: int = 0) -> None:
        """Deletes the messages before an offset, as retention does."""
        where = self.partition(event, partition)
        with self._lock:
            log = self._logs.setdefault(where, _Log(event))
            del log.messages[: max(0, before - log.first)]
            log.first = max(log.first, before)

    def recreate(self, event: EventName) -> None:
        """Deletes a topic and creates it again, with another id."""
        with self._lock:
            for where in [each for each, log in self._logs.items() if log.event == event]:
                del self._logs[where]
            self._made[event] = self._made.get(event, 1) + 1

    def partition(self, event: EventName, partition: int = 0) -> TopicPartition:
        """The name of a partition."""
        topic_id = str(self._made.get(event, 1))
        return TopicPartition(topic_name(event, self._prefix), str(partition), topic_id)

    def partitions(self) -> list[TopicPartition]:
        """All partitions that ever held a message."""
        with self._lock:
            return list(self._logs)

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        """First offset held and next offset to be written."""
        with self._lock:
            log = self._logs.get(partition)
            return (0, 0) if log is None else (log.first, log.end)

    def read(
        self, partition: TopicPartition, offset: int, limit: int
    ) -> tuple[EventName, list[MemoryMessage]] | None:
        """Up to `limit` messages from an offset that lies within the watermarks; None if unknown."""
        with self._lock:
            log = self._logs.get(partition)
            if log is None:
                return None
            at = offset - log.first
            return log.event, log.messages[at : at + limit]

    def wait(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Waits until `ready`, which is asked after every append, or until the time is over."""
        with self._lock:
            self._lock.wait_for(ready, timeout_s)


class MemorySource:
    """Reads a `MemoryBroker`; all its partitions unless `assign` says otherwise."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._assign: frozenset[TopicPartition] | None = None
        self._next: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._rewind = True
        self._positions: Callable[[], Positions] | None = None
        self._quiesce: Callable[[], None] | None = None
        self._closed = False

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """See `Source.start`."""
        self._positions = positions
        self._quiesce = quiesce

    def assign(self, partitions: frozenset[TopicPartition] | None) -> None:
        """Owns only these partitions from the next poll on; None means all there are."""
        self._assign = partitions

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
        """See `Source.poll`."""
        if self._closed:
            return None
        assembly = BatchAssembly()
        self._rebalance(assembly)
        if assembly.empty and not self._ready():
            self._broker.wait(self._ready, timeout_s)
            self._rebalance(assembly)
        for partition in sorted(self._next):
            self._read(partition, max_messages - assembly.messages, assembly)
        return assembly.build()

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        self._committed.update(positions)

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._rewind = True

    def lag(self) -> SourceLag:
        """See `Source.lag`."""
        waiting = {}
        for partition in list(self._next):
            low, high = self._broker.watermarks(partition)
            waiting[partition] = max(0, high - max(low, self._committed.get(partition, low)))
        return SourceLag(sum(waiting.values()), waiting)

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        self._next.clear()

    def _ready(self) -> bool:
        wanted = self._broker.partitions() if self._assign is None else list(self._assign)
        for partition in wanted:
            if partition not in self._next or self._next[partition] != self._broker.watermarks(partition)[1]:
                return True
        return False

    def _rebalance(self, assembly: BatchAssembly) -> None:
        assert self._positions is not None and self._quiesce is not None, "start comes first"
        wanted = frozenset(self._broker.partitions()) if self._assign is None else self._assign
        if self._rewind:
            self._next.clear()
            self._rewind = False
        gained = wanted - self._next.keys()
        for partition in self._next.keys() - wanted:
            del self._next[partition]
        if gained:
            self._quiesce()
            stored = self._positions()
            for partition in gained:
                goes_on = resume(PartitionLog(partition, *self._broker.watermarks(partition)), stored)
                goes_on.note(assembly, _log)
                self._next[partition] = self._committed[partition] = goes_on.position

    def _read(self, partition: TopicPartition, limit: int, assembly: BatchAssembly) -> None:
        at = self._next[partition]
        low, high = self._broker.watermarks(partition)
        goes_on = resume(PartitionLog(partition, low, high), {partition: at})
        goes_on.note(assembly, _log)
        self._next[partition] = at = goes_on.position
        found = self._broker.read(partition, at, limit) if limit > 0 else None
        if found is None or not found[1]:
            return
        event, messages = found

        def origin(index: int) -> Origin:
            message = messages[index]
            return Origin(partition.topic, partition.partition, at + index, message.timestamp_ms, message.key)

        values = [message.value for message in messages]
        assembly.add(Run(partition, event, values, origin, sum(len(value or b"") for value in values)))
        assembly.advance(partition, at, at + len(messages))
        self._next[partition] = at + len(messages)
