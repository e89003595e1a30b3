"""Any history of a log and its reader: every committed record is stored once, and every loss is said."""

from collections import Counter
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from coalmine_consumers.raw import RawBatch, TopicPartition
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from tests.support.campaign import size
from tests.support.doubles.kafka_model import KafkaModel, Log, ModelConsumer, Where
from tests.support.doubles.source_harness import Ledger

TOPICS = ("coalmine.requests", "coalmine.scores")
PARTITIONS = 2
SETTINGS = KafkaSourceSettings("nowhere", events=("requests", "scores"))

wheres = st.tuples(st.sampled_from(TOPICS), st.integers(0, PARTITIONS - 1))


class Histories(RuleBasedStateMachine):
    """Everything that may happen, in any order; `teardown` lets it come to rest and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = KafkaModel(TOPICS, PARTITIONS)
        self.ledger = Ledger()
        self.pending: list[RawBatch] = []
        self.old: list[tuple[Where, Log]] = []
        self.written = 0
        self.all: dict[bytes, tuple[Where, str, int]] = {}
        self.deleted: set[bytes] = set()
        self.open()

    @initialize(fresh=st.booleans())
    def stand_somewhere(self, fresh: bool) -> None:
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
            self.written += 1
            value = b"%d" % self.written
            self.all[value] = (where, log.topic_id, log.end)
            log.append(value, committed=committed)

    @rule(where=wheres, share=st.sets(st.integers(0, 40)))
    def compact(self, where: Where, share: set[int]) -> None:
        self.cluster.logs[where].compact(share)

    @rule(where=wheres, keep=st.integers(0, 12))
    def delete(self, where: Where, keep: int) -> None:
        log = self.cluster.logs[where]
        before = dict(log.entries)
        log.delete_before(log.end - keep)
        if TopicPartition(where[0], str(where[1]), log.topic_id) not in self.ledger.positions:
            return  # the store stood nowhere in it yet: nobody can say that this was to be read
        gone = before.keys() - log.entries.keys()
        self.deleted.update(v for at in gone if (v := before[at].value) is not None and before[at].committed)

    @rule(topic=st.sampled_from(TOPICS))
    def make_anew(self, topic: str) -> None:
        self.old += [(where, log) for where, log in self.cluster.logs.items() if where[0] == topic]
        self.cluster.create(topic)

    @rule(limit=st.integers(1, 30))
    def poll(self, limit: int) -> None:
        batch = self.source.poll(limit, 0.0)
        if batch is not None:
            self.pending.append(batch)

    @rule(rounds=st.integers(1, 8))
    def run(self, rounds: int) -> None:
        for _ in range(rounds):
            self.poll(5)
            self.cluster.answer()

    @rule(fail=st.integers(0, 4))
    def answer(self, fail: int) -> None:
        self.cluster.answer(fail=fail == 0)

    @rule()
    def commit(self) -> None:
        for batch in self.pending:
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

    @rule(where=wheres, lost=st.booleans())
    def rebalance(self, where: Where, lost: bool) -> None:
        if where in self.owned:
            self.owned.discard(where)
            self.consumer.rebalance("on_lost" if lost else "on_revoke", [where])
        else:
            self.gain([where])

    def teardown(self) -> None:
        for log in self.cluster.logs.values():
            log.end_transaction(commit=True)
        self.gain(self.cluster.logs)
        quiet = 0
        for _ in range(200):
            self.poll(30)
            quiet = 0 if self.pending else quiet + 1
            self.cluster.answer()
            self.commit()
            if quiet > 5:
                break
        self.source.close()
        self.check()

    def check(self) -> None:
        stored = Counter(value for values in self.ledger.values.values() for value in values)
        anew = {where for where, _ in self.old}
        for value, count in stored.items():
            where, _, _ = self.all[cast(bytes, value)]
            assert count == 1 or where in anew, (
                "stored twice; the store may drop it only after a topic was made anew"
            )
        for where, log in self.cluster.logs.items():
            for offset, entry in log.entries.items():
                if entry.value is not None:
                    assert (entry.value in stored) == bool(entry.committed), f"{where} {offset}"
        for _, log in self.old:
            assert not [e for e in log.entries.values() if e.value in stored and not e.committed]
        # What was deleted before it was stored is covered by a loss, and every loss is of that kind.
        gaps = [(gap, (gap.topic, int(gap.partition))) for gap in self.ledger.gaps]
        assert {gap.reason for gap, _ in gaps} <= (
            {"expired", "recreated", "truncated"} if self.old else {"expired"}
        )
        for value in self.deleted - stored.keys():
            where, topic_id, offset = self.all[value]
            said = [gap for gap, place in gaps if place == where]
            if topic_id == self.cluster.logs[where].topic_id:
                assert any(
                    g.expected_offset <= offset < g.available_offset for g in said if g.reason == "expired"
                )
        for gap, where in gaps:
            if gap.reason == "expired" and where not in anew:
                assert gap.available_offset <= self.cluster.logs[where].first
                offsets = {
                    self.all[cast(bytes, value)][2]
                    for value in stored
                    if self.all[cast(bytes, value)][0] == where
                }
                assert not offsets & set(range(gap.expected_offset, gap.available_offset))
        ends = {
            TopicPartition(topic, str(number), log.topic_id): log.end
            for (topic, number), log in self.cluster.logs.items()
        }
        assert self.ledger.positions == ends
        self.ledger.check_accounts()


def test_every_committed_record_is_stored_once_and_every_loss_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coalmine_consumers.sources.kafka.LOOK_EVERY_S", 0.0)
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=size(150, 5_000), stateful_step_count=40)
    )
