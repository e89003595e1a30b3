"""The Kafka source on a real broker: rebalances, lost offsets, brokers and topics that come later."""

import gc
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from coalmine_consumers.errors import SourceMisconfigured, SourceUnavailable
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly
from coalmine_consumers.sources.kafka import KEPT_ONE_IN, KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, store_instance_id
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_schemas.topics import topic_name
from tests.support.doubles.source_harness import SOON, TOPIC_CONFIG, KafkaHarness, Ledger, drain
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_proxy import KafkaProxy
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.kafka

Open = Callable[[KafkaSourceSettings, Ledger], KafkaSource]


@pytest.fixture(autouse=True)
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks the broker of topics and members ten times as often."""
    monkeypatch.setattr("coalmine_consumers.sources.kafka.LOOK_EVERY_S", 0.5)


@pytest.fixture
def open_source() -> Iterator[Open]:
    with ExitStack() as stack:

        def open_(settings: KafkaSourceSettings, ledger: Ledger) -> KafkaSource:
            source = KafkaSource(settings)
            stack.callback(source.close)
            source.start(ledger.read_positions, ledger.quiesce)
            return source

        yield open_


@pytest.fixture
def harness(kafka: KafkaBroker, topic_prefix: str) -> KafkaHarness:
    return KafkaHarness(kafka, topic_prefix)


def some(prefix: str, count: int) -> list[bytes | None]:
    return [f"{prefix}{index:05d}".encode() for index in range(count)]


def poll_until(
    source: KafkaSource, ledger: Ledger, done: Callable[[], bool], timeout_s: float = 60.0
) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"not done in time; {source.lag()}"
        batch = source.poll(1000, 0.1)
        if batch is not None:
            ledger.commit(batch, source)


def test_offsets_committed_to_the_broker_mean_nothing(harness: KafkaHarness, open_source: Open) -> None:
    harness.produce("requests", some("a", 10))
    admin = Consumer(
        {"bootstrap.servers": harness.broker.bootstrap_servers, "group.id": harness.prefix + "group"}
    )
    admin.commit(offsets=[KafkaPartition(topic_name("requests", harness.prefix), 0, 8)], asynchronous=False)
    admin.close()
    ledger = Ledger()
    drain(open_source(harness.settings(), ledger), ledger, 10)


def test_messages_are_in_memory_no_longer_than_their_batch(harness: KafkaHarness, open_source: Open) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 10)
    assert not messages_in_memory()


def test_of_many_messages_few_are_kept_until_the_next_poll(harness: KafkaHarness, open_source: Open) -> None:
    harness.produce("requests", some("a", 3 * KEPT_ONE_IN))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 3 * KEPT_ONE_IN)
    assert messages_in_memory() <= 3
    assert source.poll(10, 0.1) is None
    assert not messages_in_memory()


def messages_in_memory() -> int:
    return sum(isinstance(each, Message) for each in gc.get_objects())


def test_committed_positions_show_in_lag_tools(harness: KafkaHarness, open_source: Open) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 10)
    partition = KafkaPartition(topic_name("requests", harness.prefix), 0)
    tool = Consumer(
        {"bootstrap.servers": harness.broker.bootstrap_servers, "group.id": harness.prefix + "group"}
    )

    def reported() -> bool:
        return bool(tool.committed([partition], timeout=10)[0].offset == 10)

    poll_until(source, ledger, reported)
    tool.close()


def test_a_batch_stays_whole_when_its_source_is_closed_before_the_commit(
    harness: KafkaHarness, open_source: Open
) -> None:
    # As the collector does that makes a consumer anew, with a batch on its way to the store.
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    deadline, batch = time.monotonic() + 60, None
    while batch is None or not batch.messages:
        assert time.monotonic() < deadline, f"nothing was read; {source.lag()}"
        batch = source.poll(1000, 0.1)
        if batch is not None and not batch.messages:
            ledger.commit(batch, source)
    source.close()
    ledger.commit(batch, source)
    assert sum(ledger.positions.values()) == 10


def test_another_member_takes_partitions_and_gives_them_back(
    harness: KafkaHarness, open_source: Open, request: pytest.FixtureRequest
) -> None:
    for partition in (0, 1):
        harness.produce("requests", some(f"p{partition}-", 50), partition=partition)
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 100)

    other = Consumer(
        {
            "bootstrap.servers": harness.broker.bootstrap_servers,
            "group.id": harness.prefix + "group",
            "partition.assignment.strategy": "cooperative-sticky",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **SOON,
        }
    )
    request.addfinalizer(other.close)
    other.subscribe([topic_name("requests", harness.prefix)])
    deadline = time.monotonic() + 60
    while not other.assignment():
        assert time.monotonic() < deadline
        assert source.poll(1000, 0.1) is None
        other.poll(0.1)
    taken = other.assignment()
    # Whoever has a partition may commit what it likes to the broker.
    other.commit(
        offsets=[KafkaPartition(each.topic, each.partition, 75) for each in taken], asynchronous=False
    )
    for partition in (0, 1):
        harness.produce("requests", some(f"q{partition}-", 50), partition=partition)
    poll_until(source, ledger, lambda: ledger.total() == 200 - 50 * len(taken))
    assert source.poll(1000, 0.3) is None
    other.close()

    drain(source, ledger, 200)
    expected = [
        value for partition in (0, 1) for value in some(f"p{partition}-", 50) + some(f"q{partition}-", 50)
    ]
    assert sorted(map(str, ledger.values["requests"])) == sorted(map(str, expected))
    assert ledger.gaps == []


def test_a_topic_made_anew_is_read_from_its_beginning_and_the_loss_recorded(
    harness: KafkaHarness, open_source: Open
) -> None:
    harness.produce("requests", some("a", 20))
    ledger = Ledger()
    first = open_source(harness.settings(), ledger)
    drain(first, ledger, 20)
    first.close()
    topic = topic_name("requests", harness.prefix)
    harness.broker.delete_topics(topic)
    harness.broker.create_topics(topic, partitions=2, config=TOPIC_CONFIG)
    harness.renew_producer()
    harness.produce("requests", some("b", 5))
    drain(open_source(harness.settings(), ledger), ledger, 25)
    assert ledger.values["requests"] == some("a", 20) + some("b", 5)
    assert [
        (gap.reason, gap.partition, gap.expected_offset, gap.available_offset) for gap in ledger.gaps
    ] == [
        ("recreated", "0", 20, 0),
        ("recreated", "1", 0, 0),
    ]


def test_a_topic_made_anew_while_it_is_read_is_read_from_its_beginning(
    harness: KafkaHarness, open_source: Open
) -> None:
    harness.produce("requests", some("a", 20))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 20)
    topic = topic_name("requests", harness.prefix)
    harness.broker.delete_topics(topic)
    poll_until(source, ledger, lambda: source.lag().note is not None)
    harness.broker.create_topics(topic, partitions=2, config=TOPIC_CONFIG)
    harness.renew_producer()
    harness.produce("requests", some("b", 5))
    drain(source, ledger, 25)
    assert ledger.values["requests"] == some("a", 20) + some("b", 5)
    assert [
        (gap.reason, gap.partition, gap.expected_offset, gap.available_offset) for gap in ledger.gaps
    ] == [
        ("recreated", "0", 20, 0),
        ("recreated", "1", 0, 0),
    ]


def test_a_second_process_with_the_same_store_id_ends_the_first(
    harness: KafkaHarness, open_source: Open
) -> None:
    harness.produce("requests", some("a", 20))
    ledger = Ledger()
    first = open_source(harness.settings(), ledger)
    drain(first, ledger, 20)
    second = open_source(harness.settings(), copy := Ledger())
    drain(second, copy, 20)
    deadline = time.monotonic() + 60
    with pytest.raises(SourceMisconfigured, match="fenced"):
        while time.monotonic() < deadline:
            first.poll(10, 0.1)
            second.poll(10, 0.1)


def test_messages_deleted_while_we_fall_behind_are_a_gap(harness: KafkaHarness, open_source: Open) -> None:
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    harness.produce("requests", some("a", 10))
    drain(source, ledger, 10)
    harness.produce("requests", some("b", 10))
    partition = KafkaPartition(topic_name("requests", harness.prefix), 0, 15)
    for future in harness.broker.admin().delete_records([partition]).values():
        future.result(30)
    source.rewind()  # what was fetched ahead is given up, and gone on the broker
    drain(source, ledger, 15)
    assert ledger.values["requests"] == some("a", 10) + some("b", 10)[5:]
    assert [(gap.reason, gap.expected_offset, gap.available_offset) for gap in ledger.gaps] == [
        ("expired", 10, 15)
    ]


def test_transaction_markers_and_aborted_messages_are_passed_and_are_no_loss(
    harness: KafkaHarness, open_source: Open
) -> None:
    producer = Producer(
        {"bootstrap.servers": harness.broker.bootstrap_servers, "transactional.id": harness.prefix + "tx"}
    )
    producer.init_transactions(60)
    for commit in (True, False, True):
        producer.begin_transaction()
        for value in some("t", 3):
            producer.produce(topic_name("requests", harness.prefix), value, partition=0)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 6)
    poll_until(source, ledger, lambda: source.lag().messages == 0)
    # 0-2, marker 3, aborted 4-6 and its marker 7, 8-10, marker 11
    assert [position for position in ledger.positions.values() if position] == [12]
    assert [count for count in ledger.skipped.values() if count] == [6]
    assert ledger.gaps == []


def test_topics_that_do_not_exist_yet_are_waited_for(
    kafka: KafkaBroker, topic_prefix: str, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = KafkaSourceSettings(
        kafka.bootstrap_servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix, extra=SOON
    )
    ledger = Ledger()
    source = open_source(settings, ledger)
    poll_until(source, ledger, lambda: "does not exist yet" in str(source.lag().note))
    assert ensure_topics(kafka.admin(), topic_prefix, partitions=2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for event in ("requests", "feedback", "scores"):
        producer.produce(topic_name(event, topic_prefix), b"late")
    assert producer.flush(30) == 0
    drain(source, ledger, 3)
    poll_until(source, ledger, lambda: source.lag().note is None)
    assert sum("does not exist yet" in message for message in caplog.messages) < 10


def test_a_broker_that_is_down_is_waited_for_and_said(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy], harness: KafkaHarness, open_source: Open
) -> None:
    _, proxy = proxied_kafka
    harness.produce("requests", some("a", 5))
    proxy.fault = "refuse"
    ledger = Ledger()
    source = open_source(replace(harness.settings(), bootstrap_servers=proxy.bootstrap_servers), ledger)
    poll_until(source, ledger, lambda: source.lag().note not in (None, "no partition assigned"))
    proxy.fault = "none"
    drain(source, ledger, 5)
    assert source.lag().note is None
    assert ledger.gaps == []


def test_a_group_that_is_refused_is_said_until_partitions_are_assigned(
    harness: KafkaHarness, open_source: Open
) -> None:
    harness.produce("requests", some("a", 1))
    ledger = Ledger()
    source = open_source(harness.settings(), ledger)
    drain(source, ledger, 1)
    refused = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "Group authorization failed")
    source._on_message_error(cast(Message, None), refused, BatchAssembly())  # as librdkafka says it, once
    for _ in range(20):  # of 0.1 s: the broker is asked, and answers
        source.poll(10, 0.1)
    assert source.lag().note == "Kafka: Group authorization failed"
    source._consumer.unsubscribe()
    source.start(ledger.read_positions, ledger.quiesce)
    poll_until(source, ledger, lambda: source.lag().note is None)


def test_a_message_of_five_megabytes_passes(kafka: KafkaBroker, topic_prefix: str, open_source: Open) -> None:
    ensure_topics(kafka.admin(), topic_prefix, partitions=1)
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "message.max.bytes": 8_000_000,
            "enable.idempotence": True,
        }
    )
    huge = bytes(5_000_000)
    for value in (b"before", huge, b"after"):
        producer.produce(topic_name("requests", topic_prefix), value)
    assert producer.flush(30) == 0
    settings = KafkaSourceSettings(
        kafka.bootstrap_servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix, extra=SOON
    )
    ledger = Ledger()
    drain(open_source(settings, ledger), ledger, 3)
    assert ledger.values["requests"] == [b"before", huge, b"after"]


def test_a_poll_ends_early_when_messages_are_large(
    kafka: KafkaBroker, topic_prefix: str, open_source: Open
) -> None:
    ensure_topics(kafka.admin(), topic_prefix, partitions=1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for _ in range(300):
        producer.produce(topic_name("requests", topic_prefix), bytes(100_000))
    assert producer.flush(60) == 0
    settings = KafkaSourceSettings(
        kafka.bootstrap_servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix, extra=SOON
    )
    settings = replace(settings, max_batch_bytes=1_000_000)
    ledger = Ledger()
    source = open_source(settings, ledger)
    sizes = []
    while ledger.total() < 300:
        batch = source.poll(100_000, 5.0)
        if batch is not None:
            sizes.append(batch.size_bytes)
            ledger.commit(batch, source)
    # The first one is taken before it is known how large messages are.
    assert max(sizes[1:]) <= 3_000_000


def test_positions_that_cannot_be_read_during_an_assignment_are_asked_for_again(
    harness: KafkaHarness, open_source: Open
) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = KafkaSource(harness.settings())
    failures = iter([SourceUnavailable("the store is away"), SourceUnavailable("still")])

    def positions() -> dict[TopicPartition, int]:
        for failure in failures:
            raise failure
        return dict(ledger.positions)

    source.start(positions, ledger.quiesce)
    raised = 0
    deadline = time.monotonic() + 60
    while ledger.total() < 10:
        assert time.monotonic() < deadline
        try:
            batch = source.poll(100, 0.1)
        except SourceUnavailable:
            raised += 1
        else:
            if batch is not None:
                ledger.commit(batch, source)
    source.close()
    assert raised == 2
    assert ledger.values["requests"] == some("a", 10)


def test_settings_librdkafka_refuses_are_told_apart() -> None:
    with pytest.raises(SourceMisconfigured, match=r"no\.such\.setting"):
        KafkaSource(KafkaSourceSettings("localhost:9", extra={"no.such.setting": 1}))


def test_each_store_has_an_instance_id_of_its_own_that_stays(tmp_path) -> None:  # type: ignore[no-untyped-def]
    first, second = store_instance_id(tmp_path / "a"), store_instance_id(tmp_path / "b")
    assert first == store_instance_id(tmp_path / "a")
    assert first != second


def test_topics_are_created_once_with_room_for_large_messages(kafka: KafkaBroker, topic_prefix: str) -> None:
    admin = kafka.admin()
    created = ensure_topics(admin, topic_prefix, partitions=3)
    assert len(created) == 7
    assert ensure_topics(admin, topic_prefix, partitions=3) == []
    deadline = time.monotonic() + 30
    while not set(created) <= set(found := admin.list_topics(timeout=10).topics):
        assert time.monotonic() < deadline
    partitions = {topic.removeprefix(topic_prefix): len(found[topic].partitions) for topic in created}
    assert partitions == {
        "requests": 3,
        "feedback": 3,
        "scores": 3,
        "deployments": 1,
        "rollout-transitions": 1,
        "alerts": 1,
        "dead-letters": 1,
    }
    resources = [
        ConfigResource(ResourceType.TOPIC, topic_prefix + name) for name in ("deployments", "dead-letters")
    ]
    compacted, letters = (future.result(30) for future in admin.describe_configs(resources).values())
    assert compacted["cleanup.policy"].value == "compact"
    assert int(letters["max.message.bytes"].value) > 8_000_000


def test_topics_cannot_be_created_while_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.kafka_topics.LIST_TIMEOUT_S", 0.2)
    away = AdminClient({"bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": 0})
    with pytest.raises(SourceUnavailable):
        ensure_topics(away)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("Unable to replicate the partition 1 time(s): All brokers are currently fenced.", SourceUnavailable),
        (
            "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.",
            SourceMisconfigured,
        ),
    ],
)
def test_a_broker_that_is_fenced_for_a_moment_is_waited_for(reason: str, error: type[Exception]) -> None:
    class Admin:
        def list_topics(self, **_: object) -> SimpleNamespace:
            return SimpleNamespace(topics={})

        def create_topics(self, topics: list[NewTopic], **_: object) -> dict[str, Future[None]]:
            refused: Future[None] = Future()
            refused.set_exception(KafkaException(KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, reason)))
            return {topic.topic: refused for topic in topics}

    with pytest.raises(error):
        ensure_topics(cast(AdminClient, Admin()))
