"""What operators do to a topic under a service and a collector that go on: more partitions, a new topic."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.cimpl import NewPartitions

from coalmine import Coalmine
from coalmine_consumers.audit import audit
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, store_instance_id
from tests.consumers.collector.test_kafka_store import Pipeline, rows
from tests.support.campaign import size
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker

ROUNDS: Final = size(1, 10)
BATCH: Final = size(200, 5_000)
QUICK: Final = {"topic.metadata.refresh.interval.ms": 500}
"""How often both sides ask what there is; every five minutes, and every five seconds, by themselves."""


class QuickPipeline(Pipeline):
    """Its collectors soon find new partitions."""

    def source(self, directory: Path) -> KafkaSource:
        return KafkaSource(
            KafkaSourceSettings(
                self.broker.bootstrap_servers,
                group_id=self.prefix + "group",
                topic_prefix=self.prefix,
                events=("requests",),
                instance_id=store_instance_id(directory),
                extra=QUICK,
            )
        )

    def add_partitions(self, count: int) -> None:
        """The topic has so many more, now."""
        self.partitions += count
        more = NewPartitions(self.topic, self.partitions)
        (added,) = self.broker.admin().create_partitions([more]).values()
        added.result(60)


@pytest.mark.kafka
def test_what_operators_do_to_topics_costs_nothing(
    kafka: KafkaBroker,
    topic_prefix: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    pipeline = QuickPipeline(kafka, topic_prefix, tmp_path / "store", partitions=2)
    made = 0
    with (
        pipeline.collecting() as (_, store),
        Coalmine(
            "bot",
            home=tmp_path,
            kafka_bootstrap_servers=kafka.bootstrap_servers,
            kafka_config=QUICK,
            topic_prefix=topic_prefix,
        ) as client,
    ):

        def call(count: int = BATCH) -> None:
            nonlocal made
            for _ in range(count):
                with client.call("p", version="1", unit_id=f"u{made}"):
                    pass
                made += 1

        def settle(what: str) -> None:
            assert client.flush(60)
            eventually(lambda: rows(store) == made, what=f"{made} calls {what}")

        for number in range(ROUNDS):
            call()
            pipeline.add_partitions(2)

            def all_are_read() -> bool:
                call(20)
                read = {int(each.partition) for each, at in store.positions().items() if at > 0}
                return read == set(range(pipeline.partitions))

            eventually(all_are_read, what="the new partitions read")
            settle("after partitions were added")

            kafka.delete_topics(pipeline.topic)
            call()
            pipeline.create()
            call()
            settle("after the topic was made anew")
            report = audit(store)
            assert report.ok, report.missing
            assert report.identity.lost == 0
            assert report.identity.recreated > number
        assert client.stats().dropped == {}
    record_property("tried", f"{ROUNDS} times, {made:,} calls")
