"""One suite that every source passes: memory, spool, and Kafka on a real broker."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coalmine_consumers.raw import INGESTED_EVENTS, RawBatch
from coalmine_consumers.sources.base import Source
from tests.support.doubles.source_harness import (
    KafkaHarness,
    Ledger,
    MemoryHarness,
    SourceHarness,
    SpoolHarness,
    drain,
    poll_until,
)


@pytest.fixture(params=["memory", "spool", pytest.param("kafka", marks=pytest.mark.kafka)])
def harness(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> SourceHarness:
    if request.param == "memory":
        return MemoryHarness()
    if request.param == "spool":
        return SpoolHarness(tmp_path / "spool")
    return KafkaHarness(request.getfixturevalue("kafka"), topic_prefix)


class Reader:
    """Opens sources and closes them all at the end."""

    def __init__(self, harness: SourceHarness, stack: ExitStack) -> None:
        self.harness = harness
        self.stack = stack

    def open(self, ledger: Ledger) -> Source:
        source = self.harness.open()
        self.stack.callback(source.close)
        source.start(ledger.read_positions, ledger.quiesce)
        return source


@pytest.fixture
def reader(harness: SourceHarness) -> Iterator[Reader]:
    with ExitStack() as stack:
        yield Reader(harness, stack)


def some(prefix: str, count: int) -> list[bytes | None]:
    return [f"{prefix}{index:05d}".encode() for index in range(count)]


def test_reads_every_message_once_and_in_order(harness: SourceHarness, reader: Reader) -> None:
    for event in INGESTED_EVENTS:
        harness.produce(event, some(event, 40))
    ledger = Ledger()
    drain(reader.open(ledger), ledger, 120)
    assert ledger.values == {event: some(event, 40) for event in INGESTED_EVENTS}
    assert ledger.gaps == []


def test_reads_several_partitions_keeping_the_order_of_each(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 30), partition=0)
    harness.produce("requests", some("b", 30), partition=1)
    ledger = Ledger()
    drain(reader.open(ledger), ledger, 60)
    values = [value for value in ledger.values["requests"] if value is not None]
    assert [value for value in values if value.startswith(b"a")] == some("a", 30)
    assert [value for value in values if value.startswith(b"b")] == some("b", 30)


def test_a_poll_with_nothing_to_read_gives_nothing(harness: SourceHarness, reader: Reader) -> None:
    assert reader.open(Ledger()).poll(10, 0.05) is None


def test_a_poll_keeps_to_its_limit(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 50))
    ledger = Ledger()
    source = reader.open(ledger)
    sizes: list[int] = []

    def take(batch: RawBatch) -> bool:
        sizes.append(batch.messages)
        ledger.commit(batch, source)
        return ledger.total() == 50

    while ledger.total() < 50:
        batch = source.poll(8, harness.poll_s)
        if isinstance(batch, RawBatch):
            take(batch)
    assert max(sizes) <= 8
    assert ledger.values["requests"] == some("a", 50)


def test_positions_count_the_next_message_to_read(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 12))
    ledger = Ledger()
    drain(reader.open(ledger), ledger, 12)
    assert [position for position in ledger.positions.values() if position] == [12]


def test_what_was_not_committed_is_read_again_after_a_crash(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 20))
    ledger = Ledger()
    first = reader.open(ledger)
    taken: list[RawBatch] = []

    def take_and_commit_one(batch: RawBatch) -> bool:
        if not taken:
            ledger.commit(batch, first)
        taken.append(batch)
        return sum(batch.messages for batch in taken) >= 20

    while not taken or sum(batch.messages for batch in taken) < 20:
        batch = first.poll(6, harness.poll_s)
        if isinstance(batch, RawBatch):
            take_and_commit_one(batch)
    first.close()
    drain(reader.open(ledger), ledger, 20)
    assert ledger.values["requests"] == some("a", 20)


def test_what_was_committed_is_not_read_again(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    first = reader.open(ledger)
    drain(first, ledger, 10)
    first.close()
    harness.produce("requests", some("b", 5))
    second = reader.open(ledger)
    drain(second, ledger, 15)
    assert second.poll(10, 0.2) is None
    assert ledger.values["requests"] == some("a", 10) + some("b", 5)


def test_rewinding_reads_what_was_not_committed_again(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = reader.open(ledger)
    dropped: list[int] = []

    def drop(batch: RawBatch) -> bool:
        dropped.append(batch.messages)
        return sum(dropped) == 10

    poll_until(source, drop)
    quiesced = ledger.quiesced
    source.rewind()
    drain(source, ledger, 10)
    assert ledger.quiesced > quiesced
    assert ledger.values["requests"] == some("a", 10)


def test_a_message_tells_where_it_came_from(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 9))
    harness.produce("requests", some("b", 9), partition=1)
    harness.produce("scores", some("c", 9))
    ledger = Ledger()
    source = reader.open(ledger)
    origins = {}

    def collect(batch: RawBatch) -> bool:
        for event, column in batch.columns.items():
            for index, value in enumerate(column.values):
                origins[value] = (event, column.origin(index))
        ledger.commit(batch, source)
        return len(origins) == 27

    poll_until(source, collect)
    for event, partition, prefix in (("requests", 0, "a"), ("requests", 1, "b"), ("scores", 0, "c")):
        for index, value in enumerate(some(prefix, 9)):
            found_event, origin = origins[value]
            topic, name, offset = harness.origin(event, partition, index)  # type: ignore[arg-type]
            assert (found_event, origin.topic, origin.offset) == (event, topic, offset)
            assert name is None or origin.partition == name
            assert value is not None
            assert (origin.key, origin.timestamp_ms) == (b"key-" + value, 1_700_000_000_000)


def test_messages_that_arrive_later_are_read(harness: SourceHarness, reader: Reader) -> None:
    ledger = Ledger()
    source = reader.open(ledger)
    for round_ in range(4):
        harness.produce("feedback", some(f"r{round_}-", 3))
        drain(source, ledger, 3 * (round_ + 1))
    assert ledger.values["feedback"] == [value for round_ in range(4) for value in some(f"r{round_}-", 3)]


def test_lag_counts_what_is_not_committed(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 10))
    ledger = Ledger()
    source = reader.open(ledger)
    batches: list[RawBatch] = []

    def keep(batch: RawBatch) -> bool:
        batches.append(batch)
        return sum(batch.messages for batch in batches) == 10

    poll_until(source, keep)
    assert source.lag().messages == 10
    for batch in batches:
        ledger.commit(batch, source)
    assert source.lag().messages == 0


def test_a_loss_is_recorded_as_a_gap_and_reading_goes_on(harness: SourceHarness, reader: Reader) -> None:
    harness.produce("requests", some("a", 3))
    ledger = Ledger()
    if isinstance(harness, SpoolHarness):
        harness.produce("requests", some("b", 7))  # sorts after the file that will be damaged
    else:
        first = reader.open(ledger)
        drain(first, ledger, 3)
        first.close()
        harness.produce("requests", some("a", 10)[3:])
    remaining = harness.lose()
    source = reader.open(ledger)
    drain(source, ledger, remaining)
    assert len(ledger.gaps) == 1
    gap = ledger.gaps[0]
    assert gap.missing >= 1
    assert abs(gap.detected_at - datetime.now(UTC)) < timedelta(minutes=5)
    # Recorded once: another process does not find it again.
    source.close()
    again = reader.open(ledger)
    harness.produce("scores", some("later", 1))
    drain(again, ledger, remaining + 1)
    assert len(ledger.gaps) == 1


def test_closing_twice_does_no_harm(harness: SourceHarness, reader: Reader) -> None:
    source = reader.open(Ledger())
    source.poll(10, 0.01)
    source.close()
    source.close()
    assert source.poll(10, 0.01) is None


def test_any_order_of_crashes_rewinds_and_commits_reads_each_message_once(
    harness: SourceHarness, reader: Reader
) -> None:
    rng = random.Random(20261121)
    ledger = Ledger()
    source = reader.open(ledger)
    produced: list[bytes | None] = []
    pending: list[RawBatch] = []
    for step in range(60):
        action = rng.random()
        if action < 0.35:
            batch_of = some(f"s{step}-", rng.randrange(1, 20))
            harness.produce("requests", batch_of, partition=rng.randrange(2))
            produced += batch_of
        elif action < 0.7:
            batch = source.poll(rng.randrange(1, 15), 0.1)
            if isinstance(batch, RawBatch):
                pending.append(batch)
        elif action < 0.85:
            for batch in pending:
                ledger.commit(batch, source)
            pending.clear()
        elif action < 0.95:
            pending.clear()
            source.rewind()
        else:
            pending.clear()
            source.close()
            source = reader.open(ledger)
    for batch in pending:
        ledger.commit(batch, source)
    drain(source, ledger, len(produced))
    assert sorted(ledger.values["requests"], key=str) == sorted(produced, key=str)
    assert ledger.gaps == []
