"""What a client produced, read back from the spool or from Kafka and decoded."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from coalmine_schemas.codec import Decoder
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import parse_header
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_format import list_sealed, read_blocks
from coalmine_schemas.topics import EVENT_NAMES, topic_name

_ID = {"requests": "request_id", "feedback": "feedback_id", "scores": "score_id"}


@dataclass(frozen=True)
class Produced:
    """One event as a consumer sees it."""

    event: EventName
    key: bytes | None
    record: dict[str, Any]
    frame: bytes

    @property
    def id(self) -> str:
        """What consumers drop copies by."""
        return str(self.record[_ID[self.event]])

    @property
    def schema_ref(self) -> str:
        """The schema its frame names."""
        return parse_header(self.frame).schema_ref


def spooled(home: Path, *, decoder: Decoder | None = None) -> list[Produced]:
    """Everything in the sealed files of a home's spool."""
    decoder = decoder or Decoder(SchemaResolver())
    return [
        Produced(event, record.key, decoder.decode(event, record.value), record.value)
        for path in list_sealed(home / "spool")
        for block in read_blocks(path)
        for record in block
        for event in (_event(record.topic),)
    ]


def requests_of(produced: Iterable[Produced]) -> list[dict[str, Any]]:
    """The records of the calls among them."""
    return [one.record for one in produced if one.event == "requests"]


def ids(produced: Iterable[Produced]) -> Counter[str]:
    """How often each identifier is there."""
    return Counter(one.id for one in produced)


def in_kafka(bootstrap_servers: str, prefix: str, *, decoder: Decoder | None = None) -> list[Produced]:
    """Everything in the topics of that prefix, read to their present ends."""
    decoder = decoder or Decoder(SchemaResolver())
    events = {topic_name(event, prefix): event for event in EVENT_NAMES}
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{prefix}reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        topics = consumer.list_topics(timeout=30).topics
        partitions = [
            TopicPartition(topic, number, 0)
            for topic, metadata in topics.items()
            if topic in events
            for number in metadata.partitions
        ]
        if not partitions:
            return []
        consumer.assign(partitions)
        found: list[Produced] = []
        ended = 0
        deadline = time.monotonic() + 60
        while ended < len(partitions):
            assert time.monotonic() < deadline, "the topics have no end"
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended += 1
                continue
            event = events.get(message.topic() or "")
            value = message.value()
            assert event is not None
            assert isinstance(value, bytes)
            key = message.key()
            assert key is None or isinstance(key, bytes)
            found.append(Produced(event, key, decoder.decode(event, value), value))
        return found
    finally:
        consumer.close()


def _event(name: str) -> EventName:
    (event,) = (event for event in EVENT_NAMES if event == name)
    return event
