"""The tests' Kafka broker does what the tests of everything else rest on."""

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.support.servers.kafka_broker import KafkaBroker

pytestmark = pytest.mark.kafka

# Bigger than the largest message any test sends: a 5 MB poison message with its frame.
_BIG = 6 * 1024 * 1024


def _produce(broker: KafkaBroker, topic: str, values: list[bytes]) -> None:
    failures: list[object] = []

    def delivered(error: object, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "enable.idempotence": True,
            "message.max.bytes": 8 * 1024 * 1024,
            "log_level": 0,
        }
    )
    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=delivered)
    assert producer.flush(60) == 0
    assert failures == []


def _read(broker: KafkaBroker, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "reader",
            "fetch.message.max.bytes": _BIG + 100,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        values: list[bytes] = []
        while len(values) < count:
            messages = consumer.consume(count - len(values), timeout=30)
            assert messages, f"only {len(values)} of {count} messages came"
            for message in messages:
                assert message.error() is None
                value = message.value()
                assert isinstance(value, bytes)
                values.append(value)
        return values
    finally:
        consumer.close()


def test_a_message_of_six_megabytes_passes_through_the_shared_broker(
    kafka: KafkaBroker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}big"
    kafka.create_topics(topic)
    _produce(kafka, topic, [b"small", b"x" * _BIG])
    assert [len(value) for value in _read(kafka, topic, 2)] == [5, _BIG]


def test_topics_have_the_partitions_asked_for_and_creating_them_twice_is_no_error(
    kafka: KafkaBroker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}many"
    kafka.create_topics(topic, partitions=3)
    kafka.create_topics(topic, partitions=3)
    metadata = kafka.admin().list_topics(timeout=10)
    assert sorted(metadata.topics[topic].partitions) == [0, 1, 2]


def test_a_deleted_topic_is_gone_and_deleting_it_twice_is_no_error(
    kafka: KafkaBroker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}gone"
    kafka.create_topics(topic)
    kafka.delete_topics(topic)
    kafka.delete_topics(topic)
    assert topic not in kafka.admin().list_topics(timeout=10).topics


def test_topics_are_not_created_by_merely_naming_them(kafka: KafkaBroker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}unasked"
    kafka.admin().list_topics(topic, timeout=10)
    assert topic not in kafka.admin().list_topics(timeout=10).topics


def test_a_broker_that_cannot_start_says_why_with_its_own_log() -> None:
    broker = KafkaBroker(settings={"log.retention.bytes": "not a number"})
    try:
        with pytest.raises((RuntimeError, TimeoutError), match="not a number"):
            broker.start()
        assert not broker.running
    finally:
        broker.close()
