"""The collector with the real store: what it commits is there, also when the disk was full meanwhile."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coalmine_consumers.collector.collector import Collector, CollectorSettings
from coalmine_consumers.collector.pace import PacePolicy
from coalmine_consumers.sources.memory import MemoryBroker, MemorySource
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.retry import RetryPolicy
from tests.support.data.event_factory import EventFactory

SETTINGS = CollectorSettings(
    pace=PacePolicy(live_min_wait_s=0.01), retry=RetryPolicy(first_s=0.005, max_s=0.02)
)


@contextmanager
def collecting(broker: MemoryBroker, store: Store) -> Iterator[Collector]:
    collector = Collector(MemorySource(broker), store, BatchDecoder(SchemaResolver()), settings=SETTINGS)
    collector.start()
    try:
        yield collector
    finally:
        assert collector.stop(30)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow past 20 kB while this lasts: the nearest to a full disk that needs no rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def produce(broker: MemoryBroker, first: int, last: int) -> None:
    factory, encoder = EventFactory(), Encoder(SingleObjectFraming())
    for number in range(first, last):
        broker.append("requests", encoder.encode("requests", factory.request(number)), partition=number % 2)
        if number % 10 == 0:
            broker.append("feedback", encoder.encode("feedback", factory.feedback(number)))


def counts(store: Store) -> tuple[int, int]:
    table = store.reader().table(
        "SELECT (SELECT count(*) FROM requests) AS requests, (SELECT count(*) FROM feedback) AS feedback"
    )
    row = table.to_pylist()[0]
    return row["requests"], row["feedback"]


def test_what_is_produced_is_in_the_store_and_stays_there(tmp_path: Path) -> None:
    broker = MemoryBroker()
    produce(broker, 0, 500)
    store = Store.open(tmp_path)
    with collecting(broker, store) as collector:
        assert collector.wait_until_dry(30)
        assert counts(store) == (500, 50)
    store.close()
    produce(broker, 500, 800)
    again = Store.open(tmp_path)
    with collecting(broker, again) as collector:
        assert collector.wait_until_dry(30)
        assert counts(again) == (800, 80)
        assert collector.health().stored == 330
    again.close()


def test_a_full_disk_is_waited_out_without_loss_or_repetition(tmp_path: Path) -> None:
    broker = MemoryBroker()
    produce(broker, 0, 300)
    store = Store.open(tmp_path)
    with collecting(broker, store) as collector:
        assert collector.wait_until_dry(30)
        with full_disk():
            produce(broker, 300, 900)
            deadline = time.monotonic() + 30
            while collector.health().state != "waiting":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert str(collector.health().reason).startswith("committing:")
        assert collector.wait_until_dry(30)
        assert collector.health().state == "running"
    assert counts(store) == (900, 90)
    store.close()
    again = Store.open(tmp_path)
    assert counts(again) == (900, 90)
    assert sum(again.positions().values()) == 990
    again.close()
