"""A broker that cleans its logs by itself: retention deletes what nobody read, compaction empties offsets."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from coalmine_consumers.audit import audit
from tests.consumers.collector.test_kafka_store import Pipeline, losses, rows
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker

pytestmark = [pytest.mark.kafka, pytest.mark.campaign]

CLEANS_SOON: Final = {
    "log.retention.check.interval.ms": "300",
    "log.cleaner.backoff.ms": "300",
    "log.segment.delete.delay.ms": "300",
}


def configure(broker: KafkaBroker, topic: str, **values: str) -> None:
    """Set settings of a topic, with `_` for the points in their names."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    (done,) = broker.admin().incremental_alter_configs([resource]).values()
    done.result(30)


def kept(broker: KafkaBroker, topic: str) -> tuple[int, int, int]:
    """The first offset that the broker has, the one after the last, and how many messages there are."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "looks", "enable.partition.eof": True}
    )
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        consumer.assign([TopicPartition(topic, 0, low)])
        found = 0
        while low < high:
            message = consumer.poll(30)
            assert message is not None
            if message.error() is not None:  # the end
                break
            found += 1
        return low, high, found
    finally:
        consumer.close()


def test_what_retention_deletes_unread_is_counted_as_lost(
    own_kafka: Callable[..., KafkaBroker],
    topic_prefix: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    broker = own_kafka(settings=CLEANS_SOON)
    pipeline = Pipeline(broker, topic_prefix, tmp_path / "store")
    stored = lost = 0
    for number in range(5):
        pipeline.produce(3_000)
        stored += 3_000
        assert pipeline.settle(stored).identity.lost == lost
        pipeline.produce(4_000 + number)
        configure(broker, pipeline.topic, retention_ms="1")
        eventually(lambda: kept(broker, pipeline.topic)[0] == pipeline.produced, what="nothing kept")
        configure(broker, pipeline.topic, retention_ms="-1")
        lost += 4_000 + number
        pipeline.produce(2_500)
        stored += 2_500
        report = pipeline.settle(stored)
        assert report.ok, report.missing
        assert report.identity.lost == lost
        assert "before they were read" in losses(caplog)[-1]
    record_property("tried", f"{lost:,} events deleted unread by retention, {stored:,} stored")


def test_offsets_that_compaction_emptied_are_no_loss(
    own_kafka: Callable[..., KafkaBroker],
    topic_prefix: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    broker = own_kafka(settings=CLEANS_SOON)
    pipeline = Pipeline(broker, topic_prefix, tmp_path / "store")
    configure(
        broker,
        pipeline.topic,
        cleanup_policy="compact",
        min_cleanable_dirty_ratio="0.001",
        segment_ms="200",
        max_compaction_lag_ms="200",
    )
    stored = 0
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            producer = pipeline.producer()
            for position, frame in enumerate(pipeline.frames(4_000)):
                producer.produce(pipeline.topic, frame, key=b"%d" % (position % 7))
                if position % 1_000 == 0:
                    assert producer.flush(60) == 0
            assert producer.flush(60) == 0

            def compacted(producer: Producer = producer, number: int = number) -> bool:
                # A segment that is written to is not compacted: one message more begins the next.
                producer.produce(pipeline.topic, pipeline.frames(1)[0], key=b"%d" % pipeline.produced)
                assert producer.flush(60) == 0
                low, high, found = kept(broker, pipeline.topic)
                return found < high - low - 3_000 * (number + 1)

            eventually(compacted, what="compaction")
            with pipeline.collecting() as (_, store):
                _, end, _ = kept(broker, pipeline.topic)
                eventually(
                    lambda store=store, end=end: set(store.positions().values()) == {end},  # type: ignore[misc]
                    what=f"read up to {end}",
                )
                report = audit(store)
                stored = rows(store)
            assert report.ok, report.missing
            assert report.identity.lost == 0
            assert 0 < stored < pipeline.produced - 3_000 * (number + 1)
    assert losses(caplog) == []
    record_property("tried", f"{pipeline.produced:,} events, of which compaction left {stored:,}")
