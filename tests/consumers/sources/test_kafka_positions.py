"""Any history of a log and its reader: every committed record is stored once, and every loss is said."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coalmine_consumers.raw import Gap, RawBatch, TopicPartition
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from tests.support.campaign import size
from tests.support.doubles.kafka_model import Entry, KafkaModel, Log, ModelConsumer, Where
from tests.support.doubles.source_harness import Ledger

TOPICS = ("coalmine.requests", "coalmine.scores")
PARTITIONS = 2
SETTINGS = KafkaSourceSettings("nowhere", events=("requests", "scores"))

wheres = st.tuples(st.sampled_from(TOPICS), st.integers(0, PARTITIONS - 1))


@dataclass(frozen=True, slots=True)
class Record:
    """What was written once, whatever became of it."""

    where: Where
    log: Log
    offset: int
    entry: Entry


class Histories(RuleBasedStateMachine):
    """Everything that may happen, in any order; `teardown` lets it come to rest and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = KafkaModel(TOPICS, PARTITIONS)
        self.ledger = Ledger()
        self.pending: list[RawBatch] = []
        self.logs: dict[Where, list[Log]] = {where: [log] for where, log in self.cluster.logs.items()}
        """All there ever were, in order."""
        self.records: dict[bytes, Record] = {}
        self.deleted: set[bytes] = set()
        """Those deleted after the store had a position in their log."""
        self.stored: Counter[tuple[bytes, str]] = Counter()
        """How often a value is in the store, by the topic id it was read under."""
        self.gaps: list[tuple[TopicPartition, Gap]] = []
        self.stood: defaultdict[Where, dict[str, int]] = defaultdict(dict)
        """The last position the store had in each log, by topic id."""
        self.is_made_anew = False
        self.open()

    @initialize(fresh=st.booleans(), is_made_anew=st.booleans())
    def stand_somewhere(self, fresh: bool, is_made_anew: bool) -> None:
        # What may be said of a topic that was made anew is vague, and in half of all histories none is.
        self.is_made_anew = is_made_anew
        if not fresh:
            self.run(8)
            self.commit()

    def open(self) -> None:
        """A new process, which owns everything at once."""
        self.consumer = ModelConsumer(self.cluster)
        self.source = KafkaSource(
            SETTINGS,
            make_consumer=lambda *_, **__: cast(Any, self.consumer),
            make_admin=cast(Any, self.cluster.admin),
        )
        self.owned: set[Where] = set()
        self.source.start(self.ledger.read_positions, self.commit)
        self.gain(self.cluster.logs)

    def gain(self, partitions: Any) -> None:
        gained = sorted(set(partitions) - self.owned)
        self.owned.update(gained)
        if gained:
            self.consumer.rebalance("on_assign", gained)

    @rule(where=wheres, count=st.integers(1, 9))
    def write(self, where: Where, count: int) -> None:
        self.append(where, count, committed=True)

    @rule(where=wheres, count=st.integers(0, 5))
    def write_in_transaction(self, where: Where, count: int) -> None:
        self.append(where, count, committed=None)

    @rule(where=wheres, commit=st.booleans())
    def end_transaction(self, where: Where, commit: bool) -> None:
        self.cluster.logs[where].end_transaction(commit=commit)

    def append(self, where: Where, count: int, *, committed: bool | None) -> None:
        log = self.cluster.logs[where]
        if log.stable_end < log.end:
            committed = None  # one transaction at a time
        for _ in range(count):
            value = b"%d" % len(self.records)
            offset = log.end
            log.append(value, committed=committed)
            self.records[value] = Record(where, log, offset, log.entries[offset])

    @rule(where=wheres, share=st.sets(st.integers(0, 40)))
    def compact(self, where: Where, share: set[int]) -> None:
        self.cluster.logs[where].compact(share)

    @rule(where=wheres, keep=st.integers(0, 12))
    def delete(self, where: Where, keep: int) -> None:
        log = self.cluster.logs[where]
        before = dict(log.entries)
        log.delete_before(log.end - keep)
        if log.topic_id not in self.stood[where]:
            return  # the store stood nowhere in it yet: nobody can say that this was to be read
        self.deleted.update(
            entry.value for at, entry in before.items() if at < log.first and entry.value is not None
        )

    @precondition(lambda self: self.is_made_anew)
    @rule(topic=st.sampled_from(TOPICS))
    def make_anew(self, topic: str) -> None:
        self.cluster.create(topic)
        for number in range(PARTITIONS):
            self.logs[topic, number].append(self.cluster.logs[topic, number])

    @rule(limit=st.integers(1, 30), ticks=st.integers(0, 20))
    def poll(self, limit: int, ticks: int = 9) -> None:
        batch = self.source.poll(limit, ticks)
        if batch is not None:
            for partition, gap in gaps_of(batch):
                self.check_gap(partition, gap)
            self.pending.append(batch)

    @rule(rounds=st.integers(1, 8))
    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            self.poll(5)
            self.cluster.answer()

    @rule(most=st.integers(1, 12), fail=st.integers(0, 4))
    def answer(self, most: int, fail: int) -> None:
        self.cluster.answer(most=most, fail=fail == 0)

    @rule(where=wheres)
    def lose_or_find_a_leader(self, where: Where) -> None:
        self.cluster.leaderless ^= {where}

    @rule()
    def commit(self) -> None:
        for batch in self.pending:
            named = by_place(batch)
            for column in batch.columns.values():
                for index, value in enumerate(column.values):
                    origin = column.origin(index)
                    assert value is not None and origin.partition is not None
                    topic_id = named[origin.topic, origin.partition].topic_id
                    assert origin.offset >= batch.starts[named[origin.topic, origin.partition]]
                    self.stored[value, topic_id] += 1
            self.gaps += gaps_of(batch)
            for partition, position in batch.positions.items():
                self.stood[partition.topic, int(partition.partition)][partition.topic_id] = position
            self.ledger.commit(batch, self.source)
        self.pending.clear()

    @rule(crash=st.booleans())
    def lose_what_was_polled(self, crash: bool) -> None:
        self.pending.clear()
        if crash:
            self.source.close()
            self.open()
        else:
            self.source.rewind()

    @rule(where=wheres, lost=st.booleans(), after=st.integers(0, 2))
    def rebalance(self, where: Where, lost: bool, after: int) -> None:
        if where in self.owned:
            self.owned.discard(where)
            self.consumer.rebalance("on_lost" if lost else "on_revoke", [where], after=after)
        else:
            self.gain([where])

    def teardown(self) -> None:
        for log in self.cluster.logs.values():
            log.end_transaction(commit=True)
        self.cluster.leaderless.clear()
        self.gain(self.cluster.logs)
        quiet = 0
        for _ in range(200):
            self.poll(30)
            quiet = 0 if self.pending else quiet + 1
            self.cluster.answer()
            self.commit()
            if quiet > 10:
                break
        self.source.close()
        self.check()

    def check_gap(self, partition: TopicPartition, gap: Gap) -> None:
        """A loss is said when there is one, and no offset more than was deleted."""
        logs = self.logs[gap.topic, int(gap.partition)]
        ids = [log.topic_id for log in logs]
        # Bounds are asked for after ids, so they may be those of a later topic.
        since = logs[ids.index(partition.topic_id) :]
        match gap.reason:
            case "expired":
                assert gap.expected_offset < gap.available_offset
                assert any(log.first >= gap.available_offset for log in since), f"nothing deleted: {gap}"
            case "truncated":
                assert len(since) > 1, f"the same log as before: {gap}"
            case "recreated":
                assert partition.topic_id != ids[0], f"the first topic: {gap}"

    def check(self) -> None:
        lost = {
            (gap.topic, int(gap.partition), partition.topic_id, offset)
            for partition, gap in self.gaps
            if gap.reason == "expired"
            for offset in range(gap.expected_offset, gap.available_offset)
        }
        for value, record in self.records.items():
            log, where = record.log, record.where
            count = self.stored[value, log.topic_id]
            is_lost = (*where, log.topic_id, record.offset) in lost
            assert not (count and is_lost), f"stored, and said to be lost: {record}"
            if record.entry.committed and log is self.logs[where][-1]:
                assert count or record.offset not in log.entries, f"not stored: {record}"
                assert count or is_lost or value not in self.deleted, f"lost in silence: {record}"
        for (value, topic_id), count in self.stored.items():
            # Until the broker is asked again a new topic is taken for the old one, and then read from its
            # start. The store drops what it has already.
            record = self.records[value]
            ids = [log.topic_id for log in self.logs[record.where]]
            assert count == 1, f"stored twice: {record}"
            assert record.entry.committed, f"stored, and aborted: {record}"
            assert ids.index(topic_id) <= ids.index(record.log.topic_id)
        for where, stood in self.stood.items():
            said = [
                gap.expected_offset
                for partition, gap in self.gaps
                if gap.reason == "recreated" and (gap.topic, int(gap.partition)) == where
            ]
            gone = list(stood.items())[:-1]
            logs = {log.topic_id: log for log in self.logs[where]}
            # Of a topic that never had anything nothing is lost, and it may end before anybody notices.
            needed = [offset for topic_id, offset in gone if offset or logs[topic_id].entries]
            assert in_order(needed, said), "each topic that is gone is said to be"
            assert in_order(said, [offset for _, offset in gone]), "and said once"
        ends = {
            TopicPartition(topic, str(number), log.topic_id): log.end
            for (topic, number), log in self.cluster.logs.items()
        }
        assert self.ledger.positions == ends
        self.ledger.check_accounts()


def in_order(some: list[int], all_of_them: list[int]) -> bool:
    """True if the first ones are among the others, in their order, each as often."""
    others = iter(all_of_them)
    return all(one in others for one in some)


def by_place(batch: RawBatch) -> dict[tuple[str, str], TopicPartition]:
    """The partitions of a batch with the ids of their topics; it never holds two topics of one name."""
    found = {(each.topic, each.partition): each for each in batch.positions}
    assert len(found) == len(batch.positions)
    return found


def gaps_of(batch: RawBatch) -> list[tuple[TopicPartition, Gap]]:
    """Losses, and where."""
    named = by_place(batch)
    return [(named[gap.topic, gap.partition], gap) for gap in batch.gaps]


def test_every_committed_record_is_stored_once_and_every_loss_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.kafka.LOOK_EVERY_S", 0.0)
    # A clock of its own, so that a poll takes messages more than once, and as often each time.
    clock = SimpleNamespace(monotonic=count().__next__)
    monkeypatch.setattr("coalmine_consumers.sources.kafka.time", clock)
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=size(75, 5_000), stateful_step_count=40)
    )
