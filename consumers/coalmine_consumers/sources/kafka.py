"""Reads the Kafka topics, starting only from the positions the store holds."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as KafkaPartition

from coalmine_consumers.errors import SourceMisconfigured
from coalmine_consumers.raw import Gap, GapReason, RawBatch, TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly, Run
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.sources.complaints import Complaints
from coalmine_consumers.sources.kafka_messages import (
    is_fatal,
    kafka_partition,
    names_of,
    offset_of,
    origin_of,
    partition_of,
    runs,
)
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, consumer_config
from coalmine_schemas.events import EventName
from coalmine_schemas.topics import topic_name

DRY_AFTER_S: Final = 0.1
"""A poll that has messages returns when none came for this long."""
PROBE_EVERY_S: Final = 5.0
"""How often a broker with problems is asked whether it is back, while no message arrives."""
REPORT_EVERY_S: Final = 1.0
"""How often positions are committed to the broker, for lag tools."""
WATERMARK_TIMEOUT_S: Final = 5.0
"""How long a question for a partition's first and last offset may take."""
SMALLEST_CHUNK: Final = 20
"""Messages taken from librdkafka at once when they are huge."""

_CLIENT_TROUBLES: Final = ("client", "messages", "watermarks")
"""Problems that are over once a message, or any reply of the broker, arrives."""

_log = logging.getLogger(__name__)


class KafkaSource:
    """One member of the consumer group.

    On every assignment it waits until what was polled is committed, then starts each partition where
    the store stands. A position that the broker no longer has is recorded as a gap.
    """

    def __init__(self, settings: KafkaSourceSettings) -> None:
        """Configures the client; nothing is connected yet.

        Raises:
            SourceMisconfigured: librdkafka refuses the settings.
        """
        self._settings = settings
        self._events: dict[str, EventName] = {
            topic_name(event, settings.topic_prefix): event for event in settings.events
        }
        self._codes: dict[str | None, int] = {topic: code for code, topic in enumerate(self._events)}
        self._topics = list(self._events)
        self._complaints = Complaints(_log)
        librdkafka_log = logging.getLogger(f"{__name__}.librdkafka")
        librdkafka_log.setLevel(logging.CRITICAL)  # what matters arrives through error_cb
        config = {**consumer_config(settings), "error_cb": self._on_error, "on_commit": self._on_reported}
        try:
            self._consumer = Consumer(config, logger=librdkafka_log)
        except KafkaException as error:
            raise SourceMisconfigured(f"Kafka consumer: {error.args[0].str()}") from error
        self._positions: Callable[[], Positions] | None = None
        self._quiesce: Callable[[], None] | None = None
        self._next: dict[TopicPartition, int | None] = {}
        """Next to read of each partition we own; None until its first message when nothing is stored."""
        self._committed: dict[TopicPartition, int] = {}
        self._bounds: dict[TopicPartition, tuple[int, int]] = {}
        """Each partition's first offset and end, as last heard: librdkafka forgets them at assignments."""
        self._out_of_range: set[TopicPartition] = set()
        self._stale: set[TopicPartition] = set()
        """Partitions whose messages of this chunk may come from an assignment that ended within it."""
        self._assembly = BatchAssembly()
        self._rewind = False
        self._rebalance_error: Exception | None = None
        self._fatal: str | None = None
        self._average_bytes = 4096.0
        self._probe_at = 0.0
        self._report_at = 0.0
        self._reported: dict[TopicPartition, int] = {}
        self._reporting = False
        self._closed = False

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """See `Source.start`."""
        self._positions = positions
        self._quiesce = quiesce
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
        """See `Source.poll`."""
        if self._closed:
            return None
        try:
            return self._poll(max_messages, time.monotonic() + timeout_s)
        except Exception:
            self._rewind = True  # what this poll had gathered already is read again
            raise

    def _poll(self, max_messages: int, deadline: float) -> RawBatch | None:
        assembly = self._assembly = BatchAssembly()
        if self._rewind:
            self._restart()
        for partition in list(self._out_of_range):
            self._resolve_out_of_range(partition, assembly)
        while assembly.messages < max_messages and assembly.size_bytes < self._settings.max_batch_bytes:
            remaining_s = max(0.0, deadline - time.monotonic())
            messages = self._consume(
                self._chunk_size(max_messages - assembly.messages, assembly.size_bytes),
                min(remaining_s, DRY_AFTER_S),
            )
            self._take(messages, assembly)
            self._report()
            if remaining_s <= 0 or (not messages and not assembly.empty):
                break
        if assembly.empty:
            self._probe()
        self._note_bounds()
        return assembly.build()

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        self._committed.update(positions)

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._rewind = True

    def lag(self) -> SourceLag:
        """See `Source.lag`."""
        # From another thread than the polling one: the client would make it wait, for seconds, until polls
        # leave it a gap.
        waiting: dict[TopicPartition, int] = {}
        note = self._complaints.current
        bounds = self._bounds.copy()
        for partition in list(self._next):
            if partition not in bounds:
                note = note or "some partitions have not answered yet"
                continue
            low, end = bounds[partition]
            waiting[partition] = max(0, end - self._committed.get(partition, low))
        if not self._next and note is None:
            note = "no partition assigned"
        return SourceLag(sum(waiting.values()), waiting, note)

    def answers(self, within_s: float) -> bool:
        """Asks the broker for a sign of life, from the polling thread."""
        try:
            self._consumer.list_topics(timeout=within_s)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """See `Source.close`."""
        if self._closed:
            return
        self._report_at = 0.0
        self._report()
        self._closed = True
        self._consumer.close()
        self._next.clear()

    def _note_bounds(self) -> None:
        """Keeps for `lag` what the client knows of each partition without asking the broker."""
        for partition in self._next:
            low, end = self._consumer.get_watermark_offsets(kafka_partition(partition), cached=True)
            if end >= 0:
                known = self._bounds.get(partition, (0, 0))
                self._bounds[partition] = (max(low, 0), max(end, known[1]))

    def _chunk_size(self, room: int, size_bytes: int) -> int:
        """How many messages to take at once so that bytes stay bounded, going by the recent average."""
        room_bytes = self._settings.max_batch_bytes - size_bytes
        fitting = max(SMALLEST_CHUNK, int(room_bytes / self._average_bytes))
        return max(1, min(room, fitting, self._settings.chunk_messages))

    def _consume(self, limit: int, timeout_s: float) -> list[Message]:
        self._stale.clear()
        messages = self._consumer.consume(limit, timeout_s)
        if self._fatal is not None:
            raise SourceMisconfigured(self._fatal)
        if self._rebalance_error is not None:
            error, self._rebalance_error = self._rebalance_error, None
            raise error
        errors = list(map(Message.error, messages))
        if not any(errors):  # not `errors.count(None)`: comparing a KafkaError with None breaks
            return messages
        for message, error_or_none in zip(messages, errors, strict=True):
            if error_or_none is not None:
                self._on_message_error(message, error_or_none)
        return [message for message, error_ in zip(messages, errors, strict=True) if error_ is None]

    def _take(self, messages: list[Message], assembly: BatchAssembly) -> None:
        if not messages:
            return
        self._complaints.over(*_CLIENT_TROUBLES)
        average = sum(map(len, messages)) / len(messages)
        self._average_bytes = max(average, 0.8 * self._average_bytes + 0.2 * average)
        for first, last in runs(messages, self._codes):
            self._take_run(messages[first:last], average, assembly)

    def _take_run(self, messages: list[Message], average_bytes: float, assembly: BatchAssembly) -> None:
        first = messages[0]
        partition = TopicPartition(str(first.topic()), str(first.partition()))
        if partition not in self._next:
            return  # revoked meanwhile
        offset = offset_of(first)
        expected = self._next[partition]
        start = offset if expected is None else expected
        if offset < start:  # read twice, after a seek
            messages = messages[start - offset :]
            offset = start
            if not messages:
                return
        elif offset > start:
            if partition in self._stale:
                self._rewind = True  # cannot tell a gap from leftovers of the last assignment: read again
                return
            self._add_gap(partition, start, offset, self._why_jumped(partition, start), assembly)
        values = list(map(Message.value, messages))
        run = Run(
            partition,
            self._events[partition.topic],
            values,
            lambda index: origin_of(partition, messages[index]),
            round(len(messages) * average_bytes),
        )
        assembly.add(run)
        end = offset + len(messages)
        assembly.advance(partition, start, end)
        self._next[partition] = end
        self._complaints.over(f"topic {partition.topic}")

    def _why_jumped(self, partition: TopicPartition, expected: int) -> GapReason:
        watermarks = self._watermarks(partition)
        return "skipped" if watermarks is None or watermarks[0] <= expected else "expired"

    def _resolve_out_of_range(self, partition: TopicPartition, assembly: BatchAssembly) -> None:
        if partition not in self._next:
            self._out_of_range.discard(partition)
            return
        watermarks = self._watermarks(partition)
        if watermarks is None:
            return  # ask again at the next poll
        low, high = watermarks
        expected = self._next[partition]
        target = low if expected is None else expected
        if expected is not None and not low <= expected <= high:
            reason: GapReason = "expired" if expected < low else "truncated"
            self._add_gap(partition, expected, low, reason, assembly)
            assembly.advance(partition, expected, low)
            target = low
        self._consumer.incremental_unassign([kafka_partition(partition)])
        self._consumer.incremental_assign([kafka_partition(partition, target)])
        self._next[partition] = target
        self._out_of_range.discard(partition)

    def _add_gap(
        self,
        partition: TopicPartition,
        expected: int,
        available: int,
        reason: GapReason,
        assembly: BatchAssembly,
    ) -> None:
        gap = Gap(partition.topic, partition.partition, expected, available, datetime.now(UTC), reason)
        assembly.add_gap(gap)
        where = f"{partition.topic}/{partition.partition}"
        _log.error("gap (%s) in %s: expected offset %d, continuing at %d", reason, where, expected, available)

    def _watermarks(self, partition: TopicPartition) -> tuple[int, int] | None:
        try:
            # None after a timeout, whatever the type stubs say.
            found: tuple[int, int] | None = self._consumer.get_watermark_offsets(
                kafka_partition(partition), timeout=WATERMARK_TIMEOUT_S
            )
        except KafkaException as error:
            self._complaints.raise_(
                "watermarks", f"the broker does not report offsets: {error.args[0].str()}"
            )
            return None
        if found is not None:
            self._bounds[partition] = found
        return found

    def _restart(self) -> None:
        """Starts every partition we own from the store again."""
        self._rewind = False
        owned = self._consumer.assignment()
        self._next.clear()
        self._out_of_range.clear()
        if not owned:
            return
        starts = self._starts(owned)
        self._consumer.incremental_unassign(owned)
        self._consumer.incremental_assign(starts)
        self._own(starts)

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._stale.update(map(partition_of, partitions))
        try:
            starts = self._starts(partitions)
        except Exception as error:  # noqa: BLE001 - raised again from `poll`, outside librdkafka's callback
            # The assignment must be answered. Nothing is taken from these until `_restart` has positions.
            consumer.incremental_assign(
                [kafka_partition(partition_of(part), OFFSET_END) for part in partitions]
            )
            self._rewind = True
            self._rebalance_error = error
            return
        consumer.incremental_assign(starts)
        self._own(starts)
        _log.info("assigned %s", names_of(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        for revoked in map(partition_of, partitions):
            self._stale.add(revoked)
            self._assembly.drop(revoked)
            self._next.pop(revoked, None)
            self._committed.pop(revoked, None)
            self._bounds.pop(revoked, None)
            self._out_of_range.discard(revoked)
        if not self._closed:
            _log.info("revoked %s", names_of(partitions))
        consumer.incremental_unassign(partitions)

    def _starts(self, partitions: Sequence[KafkaPartition]) -> list[KafkaPartition]:
        assert self._positions is not None and self._quiesce is not None, "start comes first"
        self._quiesce()
        stored = self._positions()
        return [
            kafka_partition(partition, stored.get(partition, OFFSET_BEGINNING))
            for partition in map(partition_of, partitions)
        ]

    def _own(self, starts: Sequence[KafkaPartition]) -> None:
        for start in starts:
            partition = partition_of(start)
            self._next[partition] = None if start.offset < 0 else start.offset
            if start.offset >= 0:
                self._committed[partition] = start.offset

    def _on_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            self._fatal = f"Kafka: {error.str()}"
            return
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._complaints.current is None:
            self._complaints.raise_("client", f"Kafka: {error.str()}")  # the reason, not what follows from it

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        if is_fatal(error):
            raise SourceMisconfigured(f"Kafka: {error.str()}")
        code = error.code()
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            partition = TopicPartition(str(message.topic()), str(message.partition()))
            self._out_of_range.add(partition)
        elif code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._complaints.raise_(f"topic {message.topic()}", f"topic {message.topic()} does not exist yet")
        elif code != KafkaError._PARTITION_EOF:
            self._complaints.raise_("messages", f"Kafka: {error.str()}")

    def _probe(self) -> None:
        """Finds out that a problem is over although no message arrives."""
        now = time.monotonic()
        if self._complaints.current is None or now < self._probe_at:
            return
        self._probe_at = now + PROBE_EVERY_S
        try:
            known = self._consumer.list_topics(timeout=1.0).topics
        except KafkaException:
            return
        self._complaints.over(*_CLIENT_TROUBLES)
        self._complaints.over(*(f"topic {topic}" for topic in self._topics if topic in known))

    def _report(self) -> None:
        """Commits positions to the broker. Only lag tools read them, so failures do not matter.

        One commit at a time, and none while the broker is away: those that wait there are answered after the
        session has ended, and such an answer (fenced) ends the client.
        """
        now = time.monotonic()
        if now < self._report_at or self._reporting or self._complaints.current is not None:
            return
        self._report_at = now + REPORT_EVERY_S
        positions = {part: at for part, at in self._committed.copy().items() if part in self._next}
        if positions and positions != self._reported:
            try:
                offsets = [kafka_partition(part, at) for part, at in positions.items()]
                self._consumer.commit(offsets=offsets, asynchronous=True)
                self._reported, self._reporting = positions, True
            except KafkaException as error:
                _log.debug("positions not reported to the broker: %s", error)

    def _on_reported(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        del partitions
        self._reporting = False
        if error is not None:
            self._reported = {}
