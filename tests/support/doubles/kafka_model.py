"""A Kafka cluster in memory, as far as a consumer can tell: logs, transactions, deletion, assignments.

It does what the worst broker and client may do: answers come late, or fail; what was fetched ahead outlives
its log; a rebalance strikes in the middle of `consume` and leaves what was gathered before it in the result.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition

FETCH_AHEAD = 7
"""Messages that a client holds of each partition."""

Where = tuple[str, int]


@dataclass(slots=True)
class Entry:
    """One offset: a record, or a marker if it has no value."""

    value: bytes | None
    committed: bool | None = True
    """None while its transaction is open."""


@dataclass(slots=True)
class Log:
    """One partition of one topic."""

    topic_id: str
    first: int = 0
    end: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)

    @property
    def stable_end(self) -> int:
        """Nothing from here on is shown: the first record of an open transaction, or the end."""
        return min((at for at, entry in self.entries.items() if entry.committed is None), default=self.end)

    def append(self, value: bytes | None, *, committed: bool | None = True) -> None:
        """Writes one record or marker."""
        self.entries[self.end] = Entry(value, committed)
        self.end += 1

    def end_transaction(self, *, commit: bool) -> None:
        """Writes the marker that decides about the open records; nothing if there are none."""
        if self.stable_end == self.end:
            return
        for entry in self.entries.values():
            if entry.committed is None:
                entry.committed = commit
        self.append(None)

    def compact(self, offsets: Iterable[int]) -> None:
        """Removes entries; the last one always stays, as in Kafka."""
        for at in offsets:
            if at < min(self.stable_end, self.end - 1):
                self.entries.pop(at, None)

    def delete_before(self, offset: int) -> None:
        """What retention does."""
        self.first = max(self.first, min(offset, self.stable_end))
        for at in [at for at in self.entries if at < self.first]:
            del self.entries[at]


@dataclass(slots=True)
class _Fetcher:
    """What a client holds of an assigned partition."""

    position: int
    queue: deque[Message] = field(default_factory=deque)
    end_said: int = -1
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Bound:
    offset: int


@dataclass(frozen=True, slots=True)
class _Id:
    text: str

    def get_most_significant_bits(self) -> int:
        return 1

    def get_least_significant_bits(self) -> int:
        return 1

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _Part:
    id: int


@dataclass(frozen=True, slots=True)
class _Topic:
    topic_id: _Id
    partitions: Sequence[_Part]


class KafkaModel:
    """The cluster, and the clients made for it, which share their callbacks and questions with the test."""

    def __init__(self, topics: Sequence[str], partitions: int) -> None:
        self.partitions = partitions
        self.logs: dict[Where, Log] = {}
        self.leaderless: set[Where] = set()
        self.made = 0
        self.questions: list[tuple[Future[Any], Callable[[], Any]]] = []
        for topic in topics:
            self.create(topic)

    def create(self, topic: str) -> None:
        """Makes a topic, or makes it anew."""
        self.made += 1
        for number in range(self.partitions):
            self.logs[topic, number] = Log(f"id-{self.made}")

    def answer(self, *, most: int = 1_000, fail: bool = False) -> None:
        """Answers what was asked so far, in order, as things stand now."""
        asked, self.questions = self.questions[:most], self.questions[most:]
        for future, find in asked:
            if fail:
                future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
            else:
                future.set_result(find())

    def consumer(self, config: Mapping[str, Any], **_: Any) -> "ModelConsumer":
        """For `make_consumer`."""
        return ModelConsumer(self)

    def admin(self, config: Mapping[str, Any], **_: Any) -> "ModelAdmin":
        """For `make_admin`."""
        return ModelAdmin(self)


class ModelAdmin:
    """The part of `AdminClient` that a source uses."""

    def __init__(self, cluster: KafkaModel) -> None:
        self._cluster = cluster

    def describe_topics(self, topics: TopicCollection, **_: Any) -> dict[str, Future[Any]]:
        return {topic: self._ask(partial(self._topic, topic)) for topic in topics.topic_names}

    def list_offsets(
        self, wanted: Mapping[KafkaPartition, Any], **_: Any
    ) -> dict[KafkaPartition, Future[Any]]:
        def bound(partition: KafkaPartition, spec: Any) -> _Bound:
            if (partition.topic, partition.partition) in self._cluster.leaderless:
                return _Bound(partition.offset)  # as it was asked for, and no error
            log = self._cluster.logs[partition.topic, partition.partition]
            return _Bound(log.first if type(spec).__name__ == "EarliestSpec" else log.end)

        return {partition: self._ask(partial(bound, partition, spec)) for partition, spec in wanted.items()}

    def list_groups(self, group: str, timeout: float) -> list[Any]:
        return []

    def _topic(self, topic: str) -> _Topic:
        parts = [_Part(number) for number in range(self._cluster.partitions)]
        return _Topic(_Id(self._cluster.logs[topic, 0].topic_id), parts)

    def _ask(self, find: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._cluster.questions.append((future, find))
        return future


class ModelConsumer:
    """The part of `Consumer` that a source uses."""

    def __init__(self, cluster: KafkaModel) -> None:
        self._cluster = cluster
        self._fetchers: dict[Where, _Fetcher] = {}
        self._callbacks: dict[str, Callable[..., None]] = {}
        self._rebalances: deque[tuple[str, list[Where]]] = deque()
        self._untroubled = 0

    def subscribe(self, topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self._callbacks = callbacks

    def rebalance(self, kind: str, partitions: Sequence[Where], *, after: int = 0) -> None:
        """Lets a later `consume` run a callback, in the middle, so many calls after the next one."""
        self._rebalances.append((kind, list(partitions)))
        self._untroubled = max(self._untroubled, after)

    def consume(self, limit: int, timeout: float) -> list[Message]:
        if not self._rebalances or self._untroubled > 0:
            self._untroubled = max(0, self._untroubled - 1)
            return self._take(limit)
        taken = self._take(limit // 2)
        while self._rebalances:
            kind, partitions = self._rebalances.popleft()
            self._callbacks[kind](self, [KafkaPartition(*each) for each in partitions])
        return taken + self._take(limit - len(taken))

    def incremental_assign(self, partitions: Sequence[KafkaPartition]) -> None:
        for each in partitions:
            where = (each.topic, each.partition)
            assert where not in self._fetchers, "assigned twice"
            assert each.offset >= 0, "a late answer about where that is moves even the next assignment there"
            self._fetchers[where] = _Fetcher(each.offset)

    def incremental_unassign(self, partitions: Sequence[KafkaPartition]) -> None:
        for each in partitions:
            del self._fetchers[each.topic, each.partition]

    def get_watermark_offsets(self, partition: KafkaPartition, *, cached: bool) -> tuple[int, int]:
        log = self._cluster.logs[partition.topic, partition.partition]
        return log.first, log.end

    def commit(self, **_: Any) -> None:
        pass

    def close(self) -> None:
        self._fetchers.clear()

    def _take(self, limit: int) -> list[Message]:
        taken: list[Message] = []
        for where, fetcher in self._fetchers.items():
            self._fetch(where, fetcher)
            while fetcher.queue and len(taken) < limit:
                taken.append(fetcher.queue.popleft())
        return taken

    def _fetch(self, where: Where, fetcher: _Fetcher) -> None:
        log = self._cluster.logs[where]
        if fetcher.lost or len(fetcher.queue) >= FETCH_AHEAD:
            return
        if not log.first <= fetcher.position <= log.end:
            fetcher.lost = True
            self._put(where, fetcher, fetcher.position, error=KafkaError._AUTO_OFFSET_RESET)
            return
        while fetcher.position < log.stable_end and len(fetcher.queue) < FETCH_AHEAD:
            entry = log.entries.get(fetcher.position)
            if entry is not None and entry.value is not None and entry.committed:
                self._put(where, fetcher, fetcher.position, value=entry.value)
            fetcher.position += 1
        if fetcher.position == log.stable_end != fetcher.end_said:
            fetcher.end_said = fetcher.position
            self._put(where, fetcher, fetcher.position, error=KafkaError._PARTITION_EOF)

    def _put(
        self,
        where: Where,
        fetcher: _Fetcher,
        offset: int,
        *,
        value: bytes | None = None,
        error: int | None = None,
    ) -> None:
        topic, number = where
        said = None if error is None else KafkaError(error)
        fetcher.queue.append(
            Message(topic=topic, partition=number, offset=offset, value=value, error=said, timestamp=(0, 0))
        )
