"""Collectors killed at random moments, over and over, while producers send good, repeated and bad events.

In the end everything produced is stored, a duplicate, or a dead letter: exactly, and every row is right.
Meanwhile a second member of the consumer group takes partitions and leaves, and a standby takes over.
"""

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store
from coalmine_schemas.topics import topic_name
from tests.support.campaign import SEED
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.torture.check import check_all
from tests.support.torture.load import TortureLoad, expected
from tests.support.torture.processes import STORE, TortureCollector, Where, producing

PRODUCERS = 3
FULL = pytest.param(100, 1_000_000, id="100-kills", marks=pytest.mark.campaign)
REDUCED = pytest.param(2, 4_500, id="2-kills")


def torture(where: Where, kills: int, events: int, log: Path) -> None:
    rng = random.Random(SEED)
    loads = [TortureLoad(seed, events // PRODUCERS) for seed in range(1, PRODUCERS + 1)]
    with producing(where, loads, seconds=1.2 * kills) as producers:
        collector = TortureCollector(where, log)
        for kill in range(kills):
            collector.wait_for("running")
            time.sleep(rng.uniform(0.0, 1.5))  # the moment of the kill, not a wait for something
            if kill == kills // 3 and where.servers is not None:
                other_member_comes_and_goes(where)
            if kill == kills // 2:
                standby = TortureCollector(where, log)
                standby.wait_for("standby")
                collector.kill()
                collector = standby
                continue
            collector.kill()
            collector = TortureCollector(where, log)
        collector.wait_for("running")
        collector.kill()
        for producer in producers:
            producer.join(600)
    wanted = expected(loads)
    last = TortureCollector(where, log, until_consumed=sum(map(wanted.consumed, wanted.rows)))
    last.join(0, timeout_s=3600)
    # All rows are sorted at once.
    store = Store.open(where.store, replace(STORE, memory_limit_mb=4096))
    try:
        check_all(store, wanted)
    finally:
        store.close()


def other_member_comes_and_goes(where: Where) -> None:
    """Joins the group, is given partitions, reads some of them, and leaves."""
    consumer = Consumer(
        {
            "bootstrap.servers": str(where.servers),
            "group.id": where.group,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": True,  # and it commits what it read, which must not matter
        }
    )
    try:
        consumer.subscribe([topic_name("requests", where.prefix)], on_assign=_from_the_beginning)
        deadline = time.monotonic() + 60
        read = 0
        while not consumer.assignment() or read == 0:
            assert time.monotonic() < deadline, "the other member was given nothing"
            read += len(consumer.consume(1000, 0.2))
    finally:
        consumer.close()


def _from_the_beginning(consumer: Consumer, partitions: list[TopicPartition]) -> None:
    """There is always something to read, also when the collector has read everything already."""
    consumer.incremental_assign(
        [TopicPartition(part.topic, part.partition, OFFSET_BEGINNING) for part in partitions]
    )


@pytest.mark.kafka
@pytest.mark.parametrize(("kills", "events"), [REDUCED, FULL])
def test_killed_collectors_lose_and_repeat_nothing_on_kafka(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, kills: int, events: int
) -> None:
    ensure_topics(kafka.admin(), topic_prefix, partitions=4)
    where = Where(tmp_path / "store", servers=kafka.bootstrap_servers, prefix=topic_prefix)
    torture(where, kills, events, tmp_path / "log")


@pytest.mark.parametrize(("kills", "events"), [REDUCED, FULL])
def test_killed_collectors_lose_and_repeat_nothing_on_the_spool(
    tmp_path: Path, kills: int, events: int
) -> None:
    where = Where(tmp_path / "store", spool=tmp_path / "spool")
    torture(where, kills, events, tmp_path / "log")
    assert [path.name for path in (tmp_path / "spool").iterdir()] == []
