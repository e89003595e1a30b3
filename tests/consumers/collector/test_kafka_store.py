"""The collector between a real broker and the real store: logs with holes, logs cut off, logs made anew."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition

from coalmine_consumers.audit import audit
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.results import AuditReport
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_look import Look
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, store_instance_id
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import topic_name
from tests.support.data.event_factory import EventFactory
from tests.support.doubles.source_harness import SOON, TOPIC_CONFIG
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker

pytestmark = pytest.mark.kafka


class Pipeline:
    """A topic, and a store that outlives its collectors."""

    def __init__(self, broker: KafkaBroker, prefix: str, directory: Path, partitions: int = 1) -> None:
        self.broker = broker
        self.prefix = prefix
        self.directory = directory
        self.topic = topic_name("requests", prefix)
        self.partitions = partitions
        self.produced = 0
        self.create()

    def create(self) -> None:
        self.broker.create_topics(self.topic, partitions=self.partitions, config=TOPIC_CONFIG)

    def make_anew(self) -> None:
        self.broker.delete_topics(self.topic)
        self.create()

    def producer(self, **config: str) -> Producer:
        return Producer({"bootstrap.servers": self.broker.bootstrap_servers, "linger.ms": 0, **config})

    def frames(self, count: int) -> Sequence[bytes]:
        factory, encoder = EventFactory(), Encoder(SingleObjectFraming())
        first, self.produced = self.produced, self.produced + count
        return [encoder.encode("requests", factory.request(number)) for number in range(first, self.produced)]

    def produce(self, count: int) -> None:
        producer = self.producer()
        for frame in self.frames(count):
            producer.produce(self.topic, frame)
        assert producer.flush(60) == 0

    def transactions(self, count: int, each: int, *, abort_every: int = 0) -> int:
        """Produces transactions; returns how many messages were committed."""
        producer = self.producer(**{"transactional.id": self.prefix + "tx"})
        producer.init_transactions(60)
        committed = 0
        for number in range(count):
            producer.begin_transaction()
            for frame in self.frames(each):
                producer.produce(self.topic, frame)
            if abort_every and number % abort_every == 0:
                # What is aborted has to be in the log; librdkafka has a race if it is not (its issue 4849).
                assert producer.flush(60) == 0
                producer.abort_transaction(60)
            else:
                producer.commit_transaction(60)
                committed += each
        return committed

    def source(self, directory: Path) -> KafkaSource:
        return KafkaSource(
            KafkaSourceSettings(
                self.broker.bootstrap_servers,
                group_id=self.prefix + "group",
                topic_prefix=self.prefix,
                events=("requests",),
                instance_id=store_instance_id(directory),
                session_timeout_s=6.0,
                extra=SOON,
            )
        )

    @contextmanager
    def collecting(self) -> Iterator[tuple[Collector, Store]]:
        store = Store.open(self.directory)
        collector = Collector(self.source(self.directory), store, BatchDecoder(SchemaResolver()))
        collector.start()
        try:
            yield collector, store
        finally:
            assert collector.stop(60)
            store.close()

    def settle(self, stored: int) -> AuditReport:
        """Runs a collector until the store holds as many requests, and nothing waits."""
        with self.collecting() as (collector, store):
            eventually(lambda: rows(store) == stored, what=f"{stored} requests")
            eventually(lambda: collector.wait_until_dry(1), what="dry")
            assert rows(store) == stored
            return audit(store)


def rows(store: Store) -> int:
    (row,) = store.reader().table("SELECT count(*) AS requests FROM requests").to_pylist()
    return int(row["requests"])


@pytest.fixture
def pipeline(kafka: KafkaBroker, topic_prefix: str, tmp_path: Path) -> Pipeline:
    return Pipeline(kafka, topic_prefix, tmp_path / "store")


def losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_position_before_a_marker_skips_nothing_of_what_follows_it(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.transactions(1, 10)
    pipeline.settle(10)
    pipeline.transactions(1, 20_000)
    report = pipeline.settle(20_010)
    assert report.ok, report.missing
    assert report.identity.lost == 0
    assert losses(caplog) == []


def test_markers_and_aborted_transactions_are_no_losses_and_cost_no_questions(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def look(*arguments: Any) -> Look:
        asked.append(arguments)
        return Look(*arguments)

    monkeypatch.setattr("coalmine_consumers.sources.kafka.Look", look)
    committed = pipeline.transactions(150, 2, abort_every=5)
    report = pipeline.settle(committed)
    assert report.ok, report.missing
    assert (report.identity.lost, report.identity.read) == (0, committed)
    assert losses(caplog) == []
    assert len(asked) < 20  # one at the start, and one every five seconds


def test_what_the_broker_deleted_unread_is_a_loss_and_nothing_else_is(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.produce(30)
    pipeline.settle(30)
    pipeline.produce(40)
    (deleted,) = pipeline.broker.admin().delete_records([KafkaPartition(pipeline.topic, 0, 45)]).values()
    deleted.result(30)
    report = pipeline.settle(55)
    assert report.ok, report.missing
    assert report.identity.lost == 15
    (said,) = losses(caplog)
    assert "the broker deleted offsets 30 to 44 before they were read" in said


@pytest.mark.parametrize(
    ("before", "after"),
    [(50, 80), (50, 50), (50, 10), pytest.param(300, 1000, marks=pytest.mark.campaign)],
)
def test_a_topic_made_anew_is_read_from_its_start(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, before: int, after: int
) -> None:
    pipeline.produce(before)
    pipeline.settle(before)
    pipeline.make_anew()
    pipeline.produce(after)
    report = pipeline.settle(before + after)
    assert report.ok, report.missing
    assert (report.identity.lost, report.identity.recreated) == (0, 1)
    assert any("was deleted and created again" in record.getMessage() for record in caplog.records)
    again = pipeline.settle(before + after)
    assert again.identity == report.identity


def test_a_topic_made_anew_under_a_running_collector_is_read_from_its_start(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.kafka.LOOK_EVERY_S", 0.5)
    with pipeline.collecting() as (_, store):
        pipeline.produce(140)
        eventually(lambda: rows(store) == 140, what="stored")
        pipeline.make_anew()
        pipeline.produce(200)
        eventually(lambda: rows(store) == 340, what="stored")
        report = audit(store)
    assert report.ok, report.missing
    assert report.identity.recreated == 1


@pytest.mark.campaign
def test_a_broker_that_lost_its_disk_is_read_from_its_start(
    own_kafka: Callable[..., KafkaBroker], topic_prefix: str, tmp_path: Path
) -> None:
    first = Pipeline(own_kafka(), topic_prefix, tmp_path)
    first.produce(50)
    first.settle(50)
    first.broker.close()
    second = Pipeline(own_kafka(), topic_prefix, tmp_path)
    second.produced = first.produced
    second.produce(80)
    assert second.settle(130).ok


def test_a_store_from_before_topics_had_ids_goes_on_where_it_stood(pipeline: Pipeline) -> None:
    pipeline.produce(20)
    pipeline.settle(20)
    store = Store.open(pipeline.directory)
    with store.transaction() as connection:
        connection.execute("UPDATE source_positions SET topic_id = ''").fetchall()
    store.close()
    pipeline.produce(10)
    report = pipeline.settle(30)
    assert report.ok, report.missing
    assert (report.identity.read, report.identity.duplicates, report.identity.recreated) == (30, 0, 0)


def test_another_store_in_the_group_is_a_problem_that_names_it(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.kafka.LOOK_EVERY_S", 0.5)
    pipeline = Pipeline(kafka, topic_prefix, tmp_path / "store", partitions=2)
    stranger = pipeline.source(tmp_path / "another")
    with pipeline.collecting() as (collector, store):
        pipeline.produce(5)
        eventually(lambda: rows(store) == 5, what="stored")
        assert collector.health().state == "running"
        stranger.start(dict, lambda: None)

        def said() -> bool:
            stranger.poll(10, 0.1)
            return store_instance_id(tmp_path / "another") in str(collector.health().reason)

        eventually(said, what="named")
        assert collector.health().state == "waiting"
        assert "kafka.group_id" in str(collector.health().reason)
        stranger.close()
        eventually(lambda: collector.health().state == "running", what="alone again")
