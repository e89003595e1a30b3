"""What the source contract needs of each implementation, and a ledger that stands for the store."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka import KafkaError, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.raw import Gap, IngestedEvent, RawBatch, TopicPartition
from coalmine_consumers.sources.base import Source
from coalmine_consumers.sources.kafka_renewal import RenewedKafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_consumers.sources.memory import MemoryBroker, MemorySource
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter, list_sealed
from coalmine_schemas.topics import topic_name
from tests.support.servers.kafka_broker import KafkaBroker


class Ledger:
    """Commits batches the way the store does, and remembers every message."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.values: dict[str, list[bytes | None]] = {}
        self.gaps: list[Gap] = []
        self.skipped: Counter[TopicPartition] = Counter()
        self.firsts: dict[TopicPartition, int] = {}
        self.retired = 0
        self.quiesced = 0

    def read_positions(self) -> Mapping[TopicPartition, int]:
        return dict(self.positions)

    def quiesce(self) -> None:
        self.quiesced += 1

    def commit(self, batch: RawBatch, source: Source | None = None) -> None:
        assert batch.starts.keys() == batch.positions.keys()
        assert not set(batch.retired) & batch.positions.keys()
        for partition, start in batch.starts.items():
            assert self.positions.get(partition, start) == start, f"{partition} does not start where we stand"
            self.firsts.setdefault(partition, start)
        for event, column in batch.columns.items():
            self.values.setdefault(event, []).extend(column.values)
        self.gaps.extend(batch.gaps)
        self.skipped.update(batch.skipped)
        self.positions.update(batch.positions)
        for partition in batch.retired:
            self.retired += self.positions.pop(partition, 0) - self.firsts.pop(partition, 0)
        if source is not None:
            source.committed(batch.positions)

    def check_accounts(self) -> None:
        """Positions say how many messages were read, as an audit has it."""
        passed = sum(at - self.firsts[partition] for partition, at in self.positions.items()) + self.retired
        unread = sum(
            gap.available_offset - gap.expected_offset for gap in self.gaps if gap.reason != "recreated"
        )
        assert passed - unread - self.skipped.total() == self.total()

    def total(self) -> int:
        return sum(map(len, self.values.values()))


class SourceHarness(Protocol):
    """One implementation with its storage."""

    poll_s: float
    """How long one poll may have to wait on a loaded machine for something that was produced already."""

    def produce(self, event: IngestedEvent, values: Sequence[bytes | None], partition: int = 0) -> None:
        """Make messages available; keys are b"key-" + value, and time is 1700000000000 ms."""

    def open(self) -> Source:
        """A source not started yet, as a new process would make it."""

    def lose(self) -> int:
        """Lose some of ten produced requests; returns how many remain, those consumed before included."""

    def origin(self, event: IngestedEvent, partition: int, index: int) -> tuple[str, str | None, int]:
        """Topic, partition (None: any) and offset of a produced message."""


class MemoryHarness:
    poll_s = 0.2

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def produce(self, event: IngestedEvent, values: Sequence[bytes | None], partition: int = 0) -> None:
        for value in values:
            key = b"key-" + (value or b"")
            self.broker.append(event, value, key=key, partition=partition, timestamp_ms=1_700_000_000_000)

    def open(self) -> Source:
        return MemorySource(self.broker)

    def lose(self) -> int:
        self.broker.expire("requests", 5)
        return 8

    def origin(self, event: IngestedEvent, partition: int, index: int) -> tuple[str, str | None, int]:
        return topic_name(event), str(partition), index


class SpoolHarness:
    poll_s = 0.2

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writers: dict[int, SpoolWriter] = {}

    def produce(self, event: IngestedEvent, values: Sequence[bytes | None], partition: int = 0) -> None:
        writer = SpoolWriter(self.directory, fsync=False)
        for first in range(0, len(values), 7):
            block = [
                SpoolRecord(event, b"key-" + (value or b""), value or b"", 1_700_000_000_000_000)
                for value in values[first : first + 7]
            ]
            writer.write(block)
        writer.seal()

    def open(self) -> Source:
        return SpoolSource(self.directory)

    def lose(self) -> int:
        path = list_sealed(self.directory)[0]
        path.write_bytes(path.read_bytes()[:-30])  # its only block, three records, is torn
        return 7

    def origin(self, event: IngestedEvent, partition: int, index: int) -> tuple[str, str | None, int]:
        return "spool", None, index


TOPIC_CONFIG = {
    "max.message.bytes": "8388608",
    "retention.ms": "-1",  # the messages are years old: the broker would soon delete them
}


SOON: Final = {"heartbeat.interval.ms": 300, "topic.metadata.refresh.interval.ms": 500}
"""Of a consumer: hears of other members, and of topics that change, in a tenth of the usual time."""


class KafkaHarness:
    poll_s = 5.0

    def __init__(self, broker: KafkaBroker, prefix: str, partitions: int = 2) -> None:
        self.broker = broker
        self.prefix = prefix
        self.renew_producer()
        names = [topic_name(event, prefix) for event in ("requests", "feedback", "scores", "deployments")]
        broker.create_topics(*names, partitions=partitions, config=TOPIC_CONFIG)

    def renew_producer(self) -> None:
        """One that goes on counting what it sent would have it refused by a topic that was made anew."""
        # Idempotent: a retry must not change the order.
        self.producer = Producer(
            {"bootstrap.servers": self.broker.bootstrap_servers, "linger.ms": 0, "enable.idempotence": True}
        )

    def settings(self) -> KafkaSourceSettings:
        return KafkaSourceSettings(
            self.broker.bootstrap_servers,
            group_id=self.prefix + "group",
            topic_prefix=self.prefix,
            instance_id=self.prefix + "one",
            extra=SOON,
        )

    def produce(self, event: IngestedEvent, values: Sequence[bytes | None], partition: int = 0) -> None:
        refused: list[KafkaError] = []
        for value in values:
            self.producer.produce(
                topic_name(event, self.prefix),
                value,
                b"key-" + (value or b""),
                partition=partition,
                timestamp=1_700_000_000_000,
                on_delivery=lambda error, _: refused.append(error) if error is not None else None,
            )
        assert self.producer.flush(30) == 0
        assert refused == []

    def open(self) -> Source:
        return RenewedKafkaSource(self.settings())

    def lose(self) -> int:
        topic = topic_name("requests", self.prefix)
        admin = self.broker.admin()
        for future in admin.delete_records([KafkaPartition(topic, 0, 5)]).values():
            future.result(30)
        return 8

    def origin(self, event: IngestedEvent, partition: int, index: int) -> tuple[str, str | None, int]:
        return topic_name(event, self.prefix), str(partition), index


def poll_until(source: Source, done: Callable[[RawBatch], bool], *, timeout_s: float = 60.0) -> None:
    """Poll, handing each batch to `done`, until it says so."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        batch = source.poll(1000, 0.2)
        assert not isinstance(batch, DecodedBatch)
        if batch is not None and done(batch):
            return
    raise AssertionError(f"not done after {timeout_s:.0f} s")


def drain(source: Source, ledger: Ledger, total: int, *, timeout_s: float = 60.0) -> None:
    """Poll and commit until the ledger holds `total` messages, and never more."""
    deadline = time.monotonic() + timeout_s
    while ledger.total() < total and time.monotonic() < deadline:
        batch = source.poll(1000, 0.2)
        assert not isinstance(batch, DecodedBatch)
        if batch is not None:
            ledger.commit(batch, source)
    assert ledger.total() == total, f"{source.lag()}; stored {ledger.positions}"
