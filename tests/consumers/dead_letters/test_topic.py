"""Dead letters reach their topic once they are committed, and are marked only when delivered."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from coalmine_consumers.collector.decode import DecodedBatch, FailedMessage
from coalmine_consumers.dead_letters.topic import DeadLetterPublisher, StoreOutbox, publisher_config
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import topic_name
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.ports import free_port

AT = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=UTC)


def letter(number: int, payload: bytes = b"broken") -> FailedMessage:
    return FailedMessage(
        dead_letter_id=uuid7(),
        failed_at=AT + timedelta(seconds=number),
        source_topic="coalmine.requests",
        source_partition="3",
        source_offset=number,
        source_timestamp=AT if number % 2 else None,
        event="requests",
        stage="decode",
        reason=f"number {number} is broken",
        schema_ref=None if number % 2 else "id:7",
        payload=payload,
        key=b"user" if number % 2 else None,
    )


def commit(store: Store, letters: list[FailedMessage]) -> None:
    where = TopicPartition("coalmine.requests", "3")
    start = store.positions().get(where, 0)
    end = start + len(letters)
    store.commit(DecodedBatch({}, letters, {"requests": len(letters)}, {where: start}, {where: end}))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store.open(tmp_path)
    yield store
    store.close()


def waiting(store: Store) -> int:
    sql = "SELECT count(*) AS n FROM dead_letters WHERE published_at IS NULL"
    return int(store.reader().table(sql).to_pylist()[0]["n"])


def publisher(servers: str, store: Store, prefix: str, **config: Any) -> DeadLetterPublisher:
    producer = Producer(publisher_config(servers, {"log_level": 0, **config}))
    return DeadLetterPublisher(StoreOutbox(store), lambda: producer, Encoder(SingleObjectFraming()), prefix)


def read(servers: str, prefix: str, count: int) -> list[tuple[bytes | None, dict[str, Any]]]:
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": prefix + "r", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic_name("dead_letters", prefix)])
    decoder = Decoder(SchemaResolver())
    found: list[tuple[bytes | None, dict[str, Any]]] = []
    deadline = time.monotonic() + 60
    try:
        while len(found) < count:
            assert time.monotonic() < deadline
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                value = message.value()
                assert value is not None
                found.append((message.key(), decoder.decode("dead_letters", value)))
    finally:
        consumer.close()
    return found


@pytest.mark.kafka
def test_every_dead_letter_is_published_with_all_it_knows(
    kafka: KafkaBroker, topic_prefix: str, store: Store
) -> None:
    ensure_topics(kafka.admin(), topic_prefix)
    letters = [letter(number) for number in range(5)] + [letter(5, bytes(5_000_000))]
    commit(store, letters)
    publishing = publisher(kafka.bootstrap_servers, store, topic_prefix)
    while waiting(store):
        assert publishing.publish() > 0
    assert publishing.publish() == 0
    commit(store, [late := letter(6)])
    assert publishing.publish() == 1
    found = {
        record["dead_letter_id"]: (key, record)
        for key, record in read(kafka.bootstrap_servers, topic_prefix, 7)
    }
    for row in [*letters, late]:
        key, record = found[row.dead_letter_id]
        assert key == b"coalmine.requests/3"
        assert record["payload"] == row.payload
        assert record["key"] == row.key
        assert record["event_time"] == row.failed_at
        assert record["source_timestamp"] == row.source_timestamp
        assert (record["source_offset"], record["stage"], record["reason"], record["schema_ref"]) == (
            row.source_offset,
            row.stage,
            row.reason,
            row.schema_ref,
        )


def test_nothing_is_marked_while_the_broker_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coalmine_consumers.dead_letters.topic.DELIVERY_TIMEOUT_S", 0.2)
    commit(store, [letter(1), letter(2)])
    away = publisher(f"127.0.0.1:{free_port()}", store, "x.", **{"delivery.timeout.ms": 200})
    assert away.publish() == 0
    assert waiting(store) == 2


@pytest.mark.kafka
def test_a_letter_too_large_for_the_topic_stays_and_holds_up_no_other(
    kafka: KafkaBroker, topic_prefix: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.create_topics(topic_name("dead_letters", topic_prefix), config={"max.message.bytes": "2000"})
    commit(store, [letter(1), letter(2, b"\x00\xff" * 20_000), letter(3)])
    publishing = publisher(kafka.bootstrap_servers, store, topic_prefix, **{"compression.type": "none"})
    deadline = time.monotonic() + 60
    while waiting(store) > 1:
        assert time.monotonic() < deadline
        publishing.publish()
    assert publishing.publish() == 0
    published = [record["source_offset"] for _, record in read(kafka.bootstrap_servers, topic_prefix, 2)]
    assert sorted(published) == [1, 3]
    assert sum("too large" in message for message in caplog.messages) == 1


def test_a_batch_is_bounded_in_letters_and_in_bytes_but_never_empty(store: Store) -> None:
    commit(store, [letter(number, bytes(100)) for number in range(10)])
    outbox = StoreOutbox(store)

    def offsets(letters: int, size_bytes: int, refused: list[str]) -> list[int]:
        return [row["source_offset"] for row in outbox.unpublished(letters, size_bytes, refused)]

    assert offsets(4, 10_000, []) == [0, 1, 2, 3]
    assert offsets(100, 250, []) == [0, 1, 2]
    assert offsets(100, 1, []) == [0]
    first = [str(row["dead_letter_id"]) for row in outbox.unpublished(2, 10_000, [])]
    assert offsets(2, 10_000, first) == [2, 3]
    outbox.mark_published(first[:1])
    assert offsets(2, 10_000, []) == [1, 2]


def test_letters_keep_their_identity(store: Store) -> None:
    row = letter(1)
    commit(store, [row])
    (found,) = StoreOutbox(store).unpublished(1, 1, [])
    assert str(found["dead_letter_id"]) == row.dead_letter_id
    assert replace(row, payload=found["payload"]) == row
