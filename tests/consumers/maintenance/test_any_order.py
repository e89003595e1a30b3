"""Whatever order commits, maintenance, replays and restarts come in, answers and books stay right."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from coalmine_consumers.audit import audit
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.dead_letters import DeadLetterFilter, discard_dead_letters, replay_dead_letters
from coalmine_consumers.maintenance import (
    AgeingPolicy,
    LedgerPolicy,
    MergePolicy,
    RetentionPolicy,
    SealPolicy,
    rebuild,
)
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES, fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.expire_dead_letters import expire_dead_letters
from coalmine_consumers.maintenance.files import delete_retired_files
from coalmine_consumers.maintenance.ledger import fold_ledger
from coalmine_consumers.maintenance.merge import merge, plan
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.rollup_retention import age
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.store import ID_COLUMN, Store, StoreSettings
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.resolver import SchemaResolver
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, outcome, request, score
from tests.support.oracles.store_state import assert_same, by_hand, folded, freeze_windows, query

SETTINGS = StoreSettings(segment_min_rows=6, segment_min_day_rows=2, threads=1, segments=("language",))
ENCODER = Encoder(SingleObjectFraming())
BOUNDS = """INSERT INTO experiment_bounds VALUES
    ('tone', 'grounding', 0.5, 3.0, 'first values', 0, now()),
    ('tone', 'kept', 0.0, 9.0, 'declared', 0, now())"""
NUMBERS = st.integers(0, 30)
RETENTION = RetentionPolicy(raw_days=2, dead_letter_days=2)
Answers = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]


def numbered(number: int) -> dict[str, Any]:
    """The request of a number: spread over five days, two arms and two prompts."""
    return request(
        number,
        START + timedelta(days=number % 5, minutes=number),
        prompt="greet" if number % 3 else "refund",
        experiment="tone" if number % 4 else None,
        allocation_epoch=number % 2,
        variant="treatment" if number % 2 else "control",
        cost_nano_usd=None if number % 5 == 0 else 7 * number,
        metrics=[("grounding", number / 7)],
        segments=[("language", f"l{number % 23}")] if number % 6 else [],
    )


def of_unit(row: dict[str, Any], hours: int, number: int) -> dict[str, Any]:
    """A late outcome of the unit of a request."""
    at = row["event_time"] + timedelta(hours=hours)
    return outcome(number, at, "kept", number / 9, unit_id=row["unit_id"])


class AnyOrder(RuleBasedStateMachine):
    """A store, what should be in it, and a clock that moves when told."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store.open(self.directory, SETTINGS)
        freeze_windows(self.store, "tone", 30)
        by_hand(self.store, BOUNDS)
        self.feed = Feed()
        self.now = START + timedelta(days=1)
        self.present: dict[IngestedEvent, set[str]] = {event: set() for event in INGESTED_EVENTS}
        self.expired: dict[IngestedEvent, set[str]] = {event: set() for event in INGESTED_EVENTS}

    @initialize(numbers=st.lists(NUMBERS, min_size=1, max_size=12))
    def begin(self, numbers: list[int]) -> None:
        self._commit([numbered(number) for number in numbers], [], [])

    @rule(
        requests=st.lists(NUMBERS, max_size=9),
        about=st.lists(st.tuples(NUMBERS, st.integers(0, 2), st.integers(-1, 2)), max_size=5),
        scored=st.lists(NUMBERS, max_size=4),
        kept=st.lists(st.tuples(NUMBERS, st.integers(-2, 90)), max_size=4),
    )
    def commit(
        self,
        requests: list[int],
        about: list[tuple[int, int, int]],
        scored: list[int],
        kept: list[tuple[int, int]],
    ) -> None:
        reactions = []
        for number, which, days in about:
            on = numbered(number)
            at = on["event_time"] + timedelta(days=days, seconds=which)
            thumbs = ("up", "down", None)[which]
            reactions.append(feedback(number * 10 + which, on, at, thumbs=thumbs, rating=float(which)))
        self._commit(
            [numbered(number) for number in requests],
            reactions,
            [
                *(score(number, numbered(number), number / 9) for number in scored),
                *(of_unit(numbered(number), hours, number) for number, hours in kept),
            ],
        )

    def _commit(
        self, requests: list[dict[str, Any]], reactions: list[dict[str, Any]], scores: list[dict[str, Any]]
    ) -> None:
        # What has expired is not known any more, so sending it again would store it again.
        given: dict[IngestedEvent, list[dict[str, Any]]] = {
            "requests": requests,
            "feedback": reactions,
            "scores": scores,
        }
        fresh = {
            event: [row for row in rows if row[ID_COLUMN[event]] not in self.expired[event]]
            for event, rows in given.items()
        }
        self.store.commit(self.feed.batch(fresh["requests"], fresh["feedback"], fresh["scores"]))
        for event, rows in fresh.items():
            self.present[event] |= {row[ID_COLUMN[event]] for row in rows}

    @rule(number=NUMBERS, good=st.booleans())
    def dead_letter(self, number: int, good: bool) -> None:
        row = numbered(number)
        if row["request_id"] in self.expired["requests"]:
            return
        payload = ENCODER.encode("requests", row | {"metrics": {}, "segments": {}}) if good else b"poison"
        self.store.commit(self.feed.batch(dead_letters=[dead_letter(payload, failed_at=self.now)]))

    @rule()
    def replay(self) -> None:
        chosen = DeadLetterFilter()
        replay_dead_letters(self.store, BatchDecoder(SchemaResolver(None)), Pricer(), chosen)
        # Which letters were good is what the store says: the audit holds it to account.
        self.present["requests"] |= self._there("requests")

    @rule()
    def discard(self) -> None:
        self._unchanged(lambda: discard_dead_letters(self.store, DeadLetterFilter()))

    @rule(event=st.sampled_from(INGESTED_EVENTS), min_day_rows=st.integers(1, 4))
    def seal(self, event: IngestedEvent, min_day_rows: int) -> None:
        policy = SealPolicy(max_rows=1, min_day_rows=min_day_rows)
        self._unchanged(lambda: seal(self.store, event, policy, self.now))

    @rule(target_rows=st.integers(4, 40))
    def merge(self, target_rows: int) -> None:
        policy = MergePolicy(target_rows=target_rows, settle_s=0)

        def merge_all() -> None:
            for chosen in plan(self.store, policy, datetime.max.replace(tzinfo=START.tzinfo)):
                merge(self.store, chosen, policy, self.now)

        self._unchanged(merge_all)

    @rule(rows_at_once=st.integers(1, 50))
    def compact(self, rows_at_once: int) -> None:
        def fold_all() -> None:
            for table in ADDITIVE_TABLES:
                fold(self.store, table, rows_at_once=rows_at_once)

        self._unchanged(fold_all)

    @rule()
    def settle(self) -> None:
        settle_outcomes(self.store, self.now)
        self._unchanged(lambda: settle_outcomes(self.store, self.now))

    @rule()
    def rebuild(self) -> None:
        self._unchanged(lambda: rebuild(self.store))

    @rule(minute_days=st.integers(0, 2), hour_days=st.integers(0, 4))
    def age(self, minute_days: int, hour_days: int) -> None:
        policy = AgeingPolicy(minute_days, hour_days)
        self._unchanged(lambda: age(self.store, policy, RetentionPolicy(), self.now), of_days_only=True)

    @rule()
    def expire(self) -> None:
        before = self._answers()
        expire(self.store, RETENTION, self.now)
        expire_dead_letters(self.store, RETENTION, self.now)
        self._compare(before)
        for event in INGESTED_EVENTS:
            gone = self.present[event] - self._there(event)
            self.expired[event] |= gone
            self.present[event] -= gone
        kept_from = (self.now - timedelta(days=2)).date()
        assert not query(
            self.store, f"SELECT 1 FROM segments WHERE retired_reason = 'retention' AND day >= '{kept_from}'"
        )

    @rule(hours=st.integers(-2, 1))
    def fold_ledger(self, hours: int) -> None:
        policy = LedgerPolicy(apart_s=0)
        self._unchanged(lambda: fold_ledger(self.store, policy, datetime.now(UTC) - timedelta(hours=hours)))

    @rule()
    def delete_files(self) -> None:
        self._unchanged(lambda: delete_retired_files(self.store, grace_s=0, now=self.now))

    @rule(days=st.integers(1, 2))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule()
    def reopen(self) -> None:
        before = self._answers()
        self.store.close()
        self.store = Store.open(self.directory, SETTINGS)
        self._compare(before)

    def teardown(self) -> None:
        try:
            self._check()
        finally:
            self.store.close()
            shutil.rmtree(self.directory)

    def _check(self) -> None:
        for event in INGESTED_EVENTS:
            assert self._there(event) == self.present[event]
        report = audit(self.store, deep=True)
        assert report.ok, report.missing

    def _unchanged(self, change: Callable[[], object], *, of_days_only: bool = False) -> None:
        before = self._answers()
        there = {event: self._there(event) for event in INGESTED_EVENTS}
        change()
        self._compare(before, of_days_only=of_days_only)
        assert {event: self._there(event) for event in INGESTED_EVENTS} == there
        report = audit(self.store)
        assert report.ok, report.missing

    def _there(self, event: IngestedEvent) -> set[str]:
        ids = [row[0] for row in query(self.store, f"SELECT {ID_COLUMN[event]} FROM {event}")]
        assert len(ids) == len(set(ids)), "a row is there twice"
        return set(ids)

    def _answers(self) -> Answers:
        return {table: folded(self.store, table) for table in ADDITIVE_TABLES}

    def _compare(self, before: Answers, *, of_days_only: bool = False) -> None:
        for table, answers in self._answers().items():
            both = [answers, before[table]]
            if of_days_only and table.startswith("rollup"):
                both = [{key: value for key, value in each.items() if key[0] == "day"} for each in both]
            assert_same(*both)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=size(2, 60), stateful_step_count=size(10, 15), deadline=None)
