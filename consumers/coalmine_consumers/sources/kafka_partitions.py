"""The partitions a member of the group owns: each is read, or waits to be set to where the store stands."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Message

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly, Run
from coalmine_consumers.sources.base import Positions
from coalmine_consumers.sources.kafka_messages import offset_of, origin_of
from coalmine_schemas.events import EventName


@dataclass(slots=True)
class Reading:
    """A partition that is read."""

    partition: TopicPartition
    """With the id of its topic."""
    next: int
    """Next to read."""
    committed: int
    """Everything before it is in the store."""
    end: int
    """End of the log, as last heard."""


class OwnedPartitions:
    """Our assignment. Keys are partitions without topic id, as librdkafka names them.

    Nothing is taken from a partition that waits, so nothing passes a position that is to be read again.
    `committed` and `reading` may be used from another thread.
    """

    def __init__(self) -> None:
        self.waiting: set[TopicPartition] = set()
        """To be started from the store."""
        self._reading: dict[TopicPartition, Reading] = {}

    def reading(self) -> dict[TopicPartition, Reading]:
        """What is read now."""
        return self._reading.copy()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Takes partitions on; they wait."""
        self.waiting.update(partitions)

    def revoke(self, unnamed: TopicPartition) -> TopicPartition | None:
        """Gives a partition up; returns its full name if it was read."""
        self.waiting.discard(unnamed)
        reading = self._reading.pop(unnamed, None)
        return None if reading is None else reading.partition

    def clear(self) -> None:
        """Gives everything up."""
        self.waiting.clear()
        self._reading.clear()

    def start(self, unnamed: TopicPartition, partition: TopicPartition, position: int, end: int) -> None:
        """Reads a partition that waited."""
        self.waiting.discard(unnamed)
        self._reading[unnamed] = Reading(partition, position, position, end)

    def read_again(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Stops reading some partitions, or all; they wait."""
        for unnamed in list(self._reading) if partitions is None else partitions:
            if self._reading.pop(unnamed, None) is not None:
                self.waiting.add(unnamed)

    def read_anew(self, topic_ids: Mapping[str, str]) -> None:
        """Stops reading partitions whose topic has another id now; they wait."""
        self.read_again(
            unnamed
            for unnamed, reading in self.reading().items()
            if topic_ids.get(unnamed.topic, reading.partition.topic_id) != reading.partition.topic_id
        )

    def take(
        self, messages: list[Message], event: EventName, average_bytes: float, assembly: BatchAssembly
    ) -> None:
        """Adds messages of one partition, in order, to a batch."""
        reading = self._reading.get(partition_of_message(messages[0]))
        if reading is None:
            return  # revoked meanwhile, or to be read again
        partition = reading.partition
        if offset_of(messages[0]) < reading.next:  # read twice, after a seek
            messages = messages[bisect_left(messages, reading.next, key=offset_of) :]
            if not messages:
                return
        values = list(map(Message.value, messages))
        size_bytes = round(len(messages) * average_bytes)
        assembly.add(
            Run(partition, event, values, lambda index: origin_of(partition, messages[index]), size_bytes)
        )
        _advance(reading, offset_of(messages[-1]) + 1, len(messages), assembly)

    def reached_end(self, message: Message, assembly: BatchAssembly) -> None:
        """Moves past what no message follows (markers, aborted messages), or it would seem to wait for ever.

        Args:
            message: What librdkafka says at the end of a partition, after everything before it was taken.
            assembly: The batch.
        """
        reading = self._reading.get(partition_of_message(message))
        if reading is not None and offset_of(message) > reading.next:
            _advance(reading, offset_of(message), 0, assembly)

    def note_end(self, unnamed: TopicPartition, end: int) -> None:
        """Learns where a log ends."""
        reading = self._reading[unnamed]
        reading.end = max(reading.end, end)

    def committed(self, positions: Positions) -> None:
        """Learns what the store holds."""
        for partition, position in positions.items():
            reading = self._reading.get(partition._replace(topic_id=""))
            if reading is not None and reading.partition == partition:
                reading.committed = position


def partition_of_message(message: Message) -> TopicPartition:
    """Where a message, or an error about a partition, came from."""
    return TopicPartition(str(message.topic()), str(message.partition()))


def _advance(reading: Reading, position: int, messages: int, assembly: BatchAssembly) -> None:
    # Offsets passed without a message never held one for us: the broker serves all it has, in order.
    skipped = position - reading.next - messages
    assembly.advance(reading.partition, reading.next, position, skipped=skipped)
    reading.next = position
