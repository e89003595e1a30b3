"""The collector: nothing lost, nothing twice, whatever fails; it stops in order and says how it is."""

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import duckdb
import pytest

from coalmine_consumers.collector.collector import MAX_REFUSED, Collector, CollectorSettings
from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.collector.pace import PacePolicy
from coalmine_consumers.errors import PositionConflict, SourceUnavailable, StoreDamaged
from coalmine_consumers.raw import RawBatch
from coalmine_consumers.sources.base import Positions
from coalmine_consumers.sources.memory import MemoryBroker, MemorySource
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.errors import RegistryUnavailable, Transient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.retry import RetryPolicy
from tests.support.data.event_factory import EventFactory
from tests.support.doubles.fake_store import FakeStore
from tests.support.eventually import eventually

FAST = CollectorSettings(
    pace=PacePolicy(live_min_wait_s=0.01, live_messages=50, catch_up_messages=200, catch_up_wait_s=0.05),
    retry=RetryPolicy(first_s=0.005, max_s=0.02),
)


@functools.cache
def frames() -> list[bytes]:
    encoder, factory = Encoder(SingleObjectFraming()), EventFactory()
    return [encoder.encode("requests", factory.request(number)) for number in range(600)]


def produce(broker: MemoryBroker, first: int, last: int, partition: int = 0) -> None:
    for frame in frames()[first:last]:
        broker.append("requests", frame, partition=partition)


class Running:
    """Collectors of a test, all stopped at its end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, source: MemorySource, store: FakeStore, decoder: BatchDecoder | None = None) -> Collector:
        decoder = decoder or BatchDecoder(SchemaResolver())
        collector = Collector(source, store, decoder, settings=FAST)
        collector.start()
        self._stack.callback(collector.stop, 10)
        return collector


@pytest.fixture
def running() -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(stack)


def test_everything_produced_is_stored_once(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    produce(broker, 0, 300)
    collector = running.start(MemorySource(broker), store)
    produce(broker, 300, 600, partition=1)
    produce(broker, 0, 100, partition=2)  # sent twice
    broker.append("requests", b"poison")
    broker.append("requests", None)
    eventually(lambda: sum(store.batches) == 702)
    assert collector.wait_until_dry(10)
    health = collector.health()
    assert (health.consumed, health.stored, health.duplicates, health.dead_lettered) == (702, 600, 100, 2)
    assert health.state == "running"
    assert health.last_commit_at is not None
    assert health.events_per_s > 0
    assert health.lag.messages == 0
    assert [letter.payload for letter in store.dead_letters] == [b"poison", b""]


def test_batches_grow_while_catching_up_and_shrink_again(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    produce(broker, 0, 600)
    collector = running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 600)
    assert store.batches[0] == 50
    assert max(store.batches) == 200
    eventually(lambda: not collector.health().catching_up)


def test_stopping_commits_what_was_read_and_closes_the_source(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    began, go_on = threading.Event(), threading.Event()

    def slow(batch: DecodedBatch) -> None:
        began.set()
        go_on.wait(10)

    store.before_commit = slow
    produce(broker, 0, 600)
    source = MemorySource(broker)
    collector = running.start(source, store)
    assert began.wait(10)
    assert not collector.stop(0.05)
    assert collector.health().state == "stopping"
    go_on.set()
    assert collector.stop(10)
    assert collector.health().state == "stopped"
    assert source.poll(10, 0.0) is None
    positions = dict(store.positions())
    assert positions[broker.partition("requests")] == store.count()

    # Another one goes on exactly there.
    running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 600)
    assert store.duplicates == 0


def test_a_store_that_fails_for_a_while_is_tried_again_and_that_is_said(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    broken = threading.Event()
    broken.set()
    attempts = 0

    def fail(batch: DecodedBatch) -> None:
        nonlocal attempts
        if broken.is_set():
            attempts += 1
            raise Transient("the disk is full")

    store.before_commit = fail
    produce(broker, 0, 300)
    collector = running.start(MemorySource(broker), store)
    eventually(lambda: attempts > 3)
    health = collector.health()
    assert health.state == "waiting"
    assert health.reason == "committing: the disk is full"
    assert health.lag.messages == 300
    broken.clear()
    eventually(lambda: store.count() == 300)
    eventually(lambda: collector.health().state == "running")
    assert store.duplicates == 0


def test_stopping_does_not_wait_for_a_store_that_keeps_failing(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    tried = threading.Event()

    def fail(batch: DecodedBatch) -> None:
        tried.set()
        raise Transient("the disk is full")

    polls: list[RawBatch | None] = []

    class Counting(MemorySource):
        def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
            polls.append(super().poll(max_messages, timeout_s))
            return polls[-1]

    store.before_commit = fail
    produce(broker, 0, 600)
    collector = running.start(Counting(broker), store)
    assert tried.wait(10)
    eventually(lambda: len(polls) == 3)  # one is committed again and again, one waits, one finds no room
    assert collector.stop(10)
    assert store.count() == 0
    store.before_commit = lambda batch: None
    running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 600)


def test_a_store_moved_by_somebody_else_is_read_from_where_it_stands(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    broker, store = MemoryBroker(), FakeStore()
    produce(broker, 0, 300)
    running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 300)
    store.move(broker.partition("requests"), 100)
    produce(broker, 300, 400)
    eventually(lambda: store.count() == 400)
    assert store.duplicates == 200
    assert any("reading again from the stored positions" in message for message in caplog.messages)


def test_conflicts_without_end_are_a_failure(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    partition = broker.partition("requests")

    def meddle(batch: DecodedBatch) -> None:
        store.move(partition, store.positions().get(partition, 0) + 1)

    store.move(partition, 0)
    store.before_commit = meddle
    produce(broker, 0, 300)
    collector = running.start(MemorySource(broker), store)
    with pytest.raises(PositionConflict):
        collector.wait(20)
    assert collector.health().state == "failed"


def test_a_partition_that_comes_back_is_read_on_only_after_what_was_read_of_it_is_committed(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    broker, store = MemoryBroker(), FakeStore()
    began, go_on, asked = threading.Event(), threading.Event(), threading.Event()
    polls = 0

    class Telling(MemorySource):
        def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
            def told() -> None:
                asked.set()
                quiesce()

            super().start(positions, told)

        def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
            nonlocal polls
            polls += 1
            return super().poll(max_messages, timeout_s)

    def slow(batch: DecodedBatch) -> None:
        began.set()
        go_on.wait(20)

    store.before_commit = slow
    produce(broker, 0, 20)
    source = Telling(broker)
    running.start(source, store)
    assert began.wait(10)
    source.assign(frozenset())
    seen = polls
    eventually(lambda: polls >= seen + 2)
    asked.clear()
    source.assign(None)
    produce(broker, 20, 40)
    assert asked.wait(10)
    go_on.set()
    eventually(lambda: store.count() == 40)
    assert sum(store.batches) == 40
    assert not caplog.messages


def test_partitions_that_move_while_batches_wait_lose_and_repeat_nothing(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    store.before_commit = lambda batch: time.sleep(0.002)
    source = MemorySource(broker)
    running.start(source, store)
    partitions = [broker.partition("requests", number) for number in range(3)]
    for first in range(0, 600, 20):
        produce(broker, first, first + 20, partition=first // 20 % 3)
        source.assign(frozenset(partitions[: 1 + first // 20 % 3]))
    source.assign(None)
    eventually(lambda: store.count() == 600)
    assert store.duplicates == 0
    assert sum(store.batches) == 600


def test_a_registry_that_is_away_holds_the_batch_back(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    away = threading.Event()
    away.set()

    class Registry(SchemaResolver):
        def writer_schema(self, header):  # type: ignore[no-untyped-def]
            if away.is_set():
                raise RegistryUnavailable("connection refused")
            return super().writer_schema(header)

    produce(broker, 0, 100)
    collector = running.start(MemorySource(broker), store, BatchDecoder(Registry()))
    eventually(lambda: collector.health().state == "waiting")
    assert str(collector.health().reason).startswith("decoding: connection refused")
    assert store.batches == []
    away.clear()
    eventually(lambda: store.count() == 100)
    assert store.dead_letters == []


def test_a_source_that_is_away_is_polled_again(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    failures = iter([SourceUnavailable("the spool cannot be read")] * 3)

    class Flaky(MemorySource):
        def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
            for failure in failures:
                raise failure
            return super().poll(max_messages, timeout_s)

    produce(broker, 0, 100)
    running.start(Flaky(broker), store)
    eventually(lambda: store.count() == 100)


@pytest.mark.parametrize("where", ["reading", "committing"])
def test_what_nobody_expected_ends_it_and_is_passed_on(
    running: Running, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker, store = MemoryBroker(), FakeStore()

    class Broken(MemorySource):
        def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
            raise StoreDamaged("two rows of one key")

    def fail(batch: DecodedBatch) -> None:
        raise StoreDamaged("two rows of one key")

    if where == "committing":
        store.before_commit = fail
    produce(broker, 0, 600)
    source = Broken(broker) if where == "reading" else MemorySource(broker)
    collector = running.start(source, store)
    with pytest.raises(StoreDamaged):
        collector.wait(20)
    health = collector.health()
    assert health.state == "failed"
    assert health.reason == "StoreDamaged: two rows of one key"
    assert any(record.levelno >= logging.ERROR for record in caplog.records)
    assert collector.stop(10)
    assert collector.health().state == "failed"


def test_gaps_are_stored_with_the_positions_after_them(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    produce(broker, 0, 100)
    first = running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 100)
    assert first.stop(10)
    produce(broker, 100, 300)
    broker.expire("requests", 250)
    second = running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 150)
    assert [(gap.expected_offset, gap.available_offset, gap.reason) for gap in store.gaps] == [
        (100, 250, "expired")
    ]
    assert second.health().gaps == 1


def test_waiting_until_dry_says_when_the_source_holds_more_than_time_allows(running: Running) -> None:
    broker, store = MemoryBroker(), FakeStore()
    go_on = threading.Event()
    store.before_commit = lambda batch: (go_on.wait(10), None)[1]
    produce(broker, 0, 600)
    collector = running.start(MemorySource(broker), store)
    assert not collector.wait_until_dry(0.2)
    go_on.set()
    assert collector.wait_until_dry(20)
    assert store.count() == 600


def test_a_message_that_cannot_be_stored_becomes_a_dead_letter_and_the_others_are_stored(
    running: Running,
) -> None:
    poison = {broken_id(number) for number in (17, 18, 301)}

    def refuse(batch: DecodedBatch) -> None:
        if poison & set(batch.tables["requests"]["request_id"].to_pylist() if batch.tables else ()):
            raise ValueError("no column takes this")

    broker, store = MemoryBroker(), FakeStore(before_commit=refuse)
    produce(broker, 0, 400)
    produce(broker, 400, 600, partition=1)
    collector = running.start(MemorySource(broker), store)
    eventually(lambda: store.count() + len(store.dead_letters) == 600)
    assert not poison & store.ids["requests"]
    assert {letter.payload for letter in store.dead_letters} == {frames()[number] for number in (17, 18, 301)}
    assert {letter.reason for letter in store.dead_letters} == {
        "it cannot be stored: ValueError: no column takes this"
    }
    assert collector.wait_until_dry(10)
    assert (collector.health().state, collector.health().stored) == ("running", 597)


def test_a_batch_too_large_for_memory_is_stored_in_parts(running: Running) -> None:
    def refuse(batch: DecodedBatch) -> None:
        if sum(batch.consumed.values()) > 7:
            raise duckdb.OutOfMemoryException("no more memory")

    broker, store = MemoryBroker(), FakeStore(before_commit=refuse)
    produce(broker, 0, 300)
    running.start(MemorySource(broker), store)
    eventually(lambda: store.count() == 300)
    assert store.dead_letters == []


def test_a_store_that_takes_nothing_at_all_ends_the_collector_and_loses_little(running: Running) -> None:
    def refuse(batch: DecodedBatch) -> None:
        if batch.tables:
            raise ValueError("a bug of ours")

    broker, store = MemoryBroker(), FakeStore(before_commit=refuse)
    produce(broker, 0, 600)
    collector = running.start(MemorySource(broker), store)
    with pytest.raises(ValueError, match="a bug of ours"):
        collector.wait(60)
    assert (store.count(), len(store.dead_letters)) == (0, MAX_REFUSED)


def broken_id(number: int) -> str:
    """The id of one of the frames."""
    return str(Decoder(SchemaResolver()).decode("requests", frames()[number])["request_id"])
