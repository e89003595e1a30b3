"""Reads the Kafka topics, starting only from the positions the store holds."""

import logging
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from coalmine_consumers.errors import SourceMisconfigured
from coalmine_consumers.raw import RawBatch, TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.sources.complaints import Complaints
from coalmine_consumers.sources.kafka_look import Look, strangers
from coalmine_consumers.sources.kafka_messages import (
    is_fatal,
    kafka_partition,
    names_of,
    partition_of,
    runs,
)
from coalmine_consumers.sources.kafka_partitions import OwnedPartitions, partition_of_message
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, admin_config, consumer_config
from coalmine_consumers.sources.resume import resume
from coalmine_schemas.events import EventName
from coalmine_schemas.topics import topic_name

DRY_AFTER_S: Final = 0.1
"""A poll that has messages returns when none came for this long."""
LOOK_EVERY_S: Final = 5.0
"""How often the broker is asked whether topics are still the same and the group is ours."""
LOOK_AGAIN_AFTER_S: Final = 0.02
"""How often an answer is looked for that partitions wait for."""
REPORT_EVERY_S: Final = 1.0
"""How often positions are committed to the broker, for lag tools."""
SMALLEST_CHUNK: Final = 20
"""Messages taken from librdkafka at once when they are huge."""

KEPT_ONE_IN: Final = 500
"""While catching up, one in so many messages of a poll is kept until the next one. Python gives memory that
holds no object back to the system, which clears it all again for the next poll: a third of the work here."""

_CLIENT_TROUBLES: Final = ("client", "messages", "look")
"""Problems that are over once a message, or any reply of the broker, arrives."""

_DOUBTFUL: Final = (
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._LOG_TRUNCATION,
)
"""Errors by which the client says that the broker does not have our position."""

_log = logging.getLogger(__name__)


class KafkaSource:
    """One member of the consumer group.

    A partition is read only once everything polled from it before is committed, the id of its topic and the
    bounds of its log are known, and it was set to where the store stands (`resume`). Whatever casts doubt on
    its position ends the reading: an assignment, a position the broker does not have, a failed poll, a topic
    made anew.
    """

    def __init__(
        self,
        settings: KafkaSourceSettings,
        *,
        make_consumer: Callable[..., Consumer] = Consumer,
        make_admin: Callable[..., AdminClient] = AdminClient,
    ) -> None:
        """Configures the clients; nothing is connected yet.

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
        self._client_id = str(config["client.id"])
        try:
            self._consumer = make_consumer(config, logger=librdkafka_log)
            self._admin = make_admin(admin_config(settings), logger=librdkafka_log)
        except KafkaException as error:
            raise SourceMisconfigured(f"Kafka consumer: {error.args[0].str()}") from error
        self._positions: Callable[[], Positions] | None = None
        self._quiesce: Callable[[], None] | None = None
        self._owned = OwnedPartitions()
        self._assembly = BatchAssembly()
        self._look: Look | None = None
        self._look_at = 0.0
        self._foreign: set[TopicPartition] = set()
        """Partitions that were not ours at the last look."""
        self._stranger: str | None = None
        self._rewind = False
        self._fatal: str | None = None
        self._average_bytes = 4096.0
        self._kept: list[Message] = []
        """Some of the last poll's messages, if they were many."""
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
        kept: list[Message] = []
        if self._rewind:
            self._rewind = False
            self._owned.read_again()
        while assembly.messages < max_messages and assembly.size_bytes < self._settings.max_batch_bytes:
            if assembly.empty:  # what was polled before can only be committed once it is handed over
                self._look_around(assembly)
            remaining_s = max(0.0, deadline - time.monotonic())
            messages = self._consumer.consume(
                self._chunk_size(max_messages - assembly.messages, assembly.size_bytes),
                min(remaining_s, LOOK_AGAIN_AFTER_S if self._owned.waiting else DRY_AFTER_S),
            )
            if self._fatal is not None:
                raise SourceMisconfigured(self._fatal)
            self._take(messages, assembly)
            kept += messages[KEPT_ONE_IN - 1 :: KEPT_ONE_IN]
            self._report()
            if remaining_s <= 0 or (not messages and not assembly.empty):
                break
        self._note_ends()
        self._kept = kept
        self._assembly = BatchAssembly()  # the messages would be in memory until the next poll
        return assembly.build()

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        self._owned.committed(positions)

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._rewind = True

    def lag(self) -> SourceLag:
        """See `Source.lag`."""
        # From another thread than the polling one: the client would make it wait, for seconds, until polls
        # leave it a gap.
        reading = self._owned.reading().values()
        waiting = {each.partition: max(0, each.end - each.committed) for each in reading}
        note = self._complaints.current
        if self._owned.waiting:
            note = note or "some partitions have not answered yet"
        elif not waiting:
            note = note or "no partition assigned"
        return SourceLag(sum(waiting.values()), waiting, note, self._stranger)

    def answers(self, within_s: float) -> bool:
        """Asks the broker for a sign of life by each client, from the polling thread."""
        try:
            self._consumer.list_topics(timeout=within_s)
            self._admin.list_topics(timeout=within_s)
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
        self._owned.clear()
        self._kept.clear()
        # The callbacks make cycles with us. If the garbage collector freed the admin client, on whichever
        # thread it runs, that could be the client's own, and librdkafka ends the process then.
        self._look = None
        del self._admin

    def _note_ends(self) -> None:
        """Keeps for `lag` what the client knows of each partition without asking the broker."""
        for unnamed in self._owned.reading():
            _, end = self._consumer.get_watermark_offsets(kafka_partition(unnamed), cached=True)
            self._owned.note_end(unnamed, end)

    def _chunk_size(self, room: int, size_bytes: int) -> int:
        """How many messages to take at once so that bytes stay bounded, going by the recent average."""
        room_bytes = self._settings.max_batch_bytes - size_bytes
        fitting = max(SMALLEST_CHUNK, int(room_bytes / self._average_bytes))
        return max(1, min(room, fitting, self._settings.chunk_messages))

    def _take(self, received: list[Message], assembly: BatchAssembly) -> None:
        if not received:
            return
        errors = list(map(Message.error, received))
        messages = received
        if any(errors):  # not `errors.count(None)`: comparing a KafkaError with None breaks
            messages = [message for message, error in zip(received, errors, strict=True) if error is None]
        if messages:
            self._complaints.over(*_CLIENT_TROUBLES)
            average = sum(map(len, messages)) / len(messages)
            self._average_bytes = max(average, 0.8 * self._average_bytes + 0.2 * average)
            for first, last in runs(messages, self._codes):
                topic = str(messages[first].topic())
                self._owned.take(messages[first:last], self._events[topic], average, assembly)
                self._complaints.over(f"topic {topic}")
        # An end of a partition comes after its messages, and would pass those that are not taken yet.
        for message, error_or_none in zip(received, errors, strict=True):
            if error_or_none is not None:
                self._on_message_error(message, error_or_none, assembly)

    def _look_around(self, assembly: BatchAssembly) -> None:
        """Asks the broker, or acts on what it has answered; waits for nothing."""
        now = time.monotonic()
        if self._look is None:
            if self._owned.waiting or now >= self._look_at:
                self._look_at = now + LOOK_EVERY_S
                self._look = Look(self._admin, self._topics, self._owned.waiting)
            return
        if not self._look.done():
            return
        look, self._look = self._look, None
        self._note_problems(look)
        self._owned.read_anew(look.topic_ids())
        self._start(look, assembly)

    def _note_problems(self, look: Look) -> None:
        problem = look.problem()
        if problem is not None:
            self._complaints.raise_("look", f"the broker does not answer: {problem}")
            return
        self._complaints.over(*_CLIENT_TROUBLES)
        for topic in look.missing_topics():
            self._complaints.raise_(f"topic {topic}", f"topic {topic} does not exist yet")
        self._complaints.over(*(f"topic {topic}" for topic in look.topic_ids()))
        self._note_strangers(look)

    def _note_strangers(self, look: Look) -> None:
        """A group belongs to one store. Who else reads partitions is named if they are not ours for long."""
        foreign = look.partitions() - self._owned.waiting - self._owned.reading().keys()
        others: list[str] = []
        if foreign and self._foreign:
            others = strangers(self._admin, self._settings.group_id, self._client_id)
        self._foreign = foreign
        if not others:
            self._complaints.over("group")
            self._stranger = None
            return
        self._stranger = (
            f"consumer group {self._settings.group_id} has other members, which take {len(foreign)} of "
            f"{len(look.partitions())} partitions from this store: {', '.join(others)}. Stop them, or set "
            "kafka.group_id so that each store has a group of its own"
        )
        self._complaints.raise_("group", self._stranger)

    def _start(self, look: Look, assembly: BatchAssembly) -> None:
        """Starts from the store what waited for it when the broker was asked."""
        assert self._positions is not None and self._quiesce is not None, "start comes first"
        logs = {unnamed: log for unnamed, log in look.logs().items() if unnamed in self._owned.waiting}
        if not logs:
            return
        self._quiesce()
        stored = self._positions()
        started = {unnamed: resume(log, stored) for unnamed, log in sorted(logs.items())}
        starts = [kafka_partition(unnamed, each.position) for unnamed, each in started.items()]
        self._consumer.incremental_unassign(starts)
        self._consumer.incremental_assign(starts)
        for unnamed, each in started.items():
            each.note(assembly, _log)
            self._owned.start(unnamed, each.partition, each.position, logs[unnamed].end)

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        # The assignment must be answered. Nothing is taken until `_start` has set it to where the store is.
        # By an absolute offset: librdkafka asks the broker where the end is, or what was committed, and an
        # answer that comes late moves even the next assignment there, past everything unread.
        consumer.incremental_assign([kafka_partition(partition_of(each), 0) for each in partitions])
        self._owned.assign(map(partition_of, partitions))
        self._complaints.over("membership")
        _log.info("assigned %s", names_of(partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        for revoked in map(partition_of, partitions):
            read = self._owned.revoke(revoked)
            if read is not None:
                self._assembly.drop(read)
        if not self._closed:
            _log.info("revoked %s", names_of(partitions))
        consumer.incremental_unassign(partitions)

    def _on_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            self._fatal = f"Kafka: {error.str()}"
            return
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._complaints.current is None:
            self._complaints.raise_("client", f"Kafka: {error.str()}")  # the reason, not what follows from it

    def _on_message_error(self, message: Message, error: KafkaError, assembly: BatchAssembly) -> None:
        if is_fatal(error):
            raise SourceMisconfigured(f"Kafka: {error.str()}")
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            self._owned.reached_end(message, assembly)
        elif code in _DOUBTFUL:
            self._owned.read_again([partition_of_message(message)])
        elif code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            self._complaints.raise_(f"topic {message.topic()}", f"topic {message.topic()} does not exist yet")
        else:
            # Of the group it is said once, and is not over because the broker answers other questions.
            key = "membership" if code == KafkaError.GROUP_AUTHORIZATION_FAILED else "messages"
            self._complaints.raise_(key, f"Kafka: {error.str()}")

    def _report(self) -> None:
        """Commits positions to the broker. Only lag tools read them, so failures do not matter.

        One commit at a time, and none while the broker is away: those that wait there are answered after the
        session has ended, and such an answer (fenced) ends the client.
        """
        now = time.monotonic()
        if now < self._report_at or self._reporting or self._complaints.current is not None:
            return
        self._report_at = now + REPORT_EVERY_S
        positions = {unnamed: each.committed for unnamed, each in self._owned.reading().items()}
        if positions and positions != self._reported:
            try:
                offsets = [kafka_partition(unnamed, at) for unnamed, at in positions.items()]
                self._consumer.commit(offsets=offsets, asynchronous=True)
                self._reported, self._reporting = positions, True
            except KafkaException as error:
                _log.debug("positions not reported to the broker: %s", error)

    def _on_reported(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        del partitions
        self._reporting = False
        if error is not None:
            self._reported = {}
