import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.errors import StoreDamaged
from coalmine_consumers.maintenance import AgeingPolicy, Progress, RetentionPolicy, SealPolicy, rebuild
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.rollup_retention import age
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store, StoreSettings, live_segments
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, feedback, many_requests, reactions_to, request, score
from tests.support.oracles.store_state import assert_same, by_hand, count, folded, query

EVERYTHING = SealPolicy(max_rows=1, min_day_rows=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def feed_days(store: Store, feed: Feed, days: int = 3, rows: int = 60) -> None:
    for day in range(days):
        requests = many_requests(rows, day, start=START + timedelta(days=day), hours=14)
        store.commit(feed.batch(requests, *reactions_to(requests, day)))


def seal_all(store: Store) -> None:
    for event in INGESTED_EVENTS:
        seal(store, event, EVERYTHING, START + timedelta(days=9))


def answers(store: Store) -> dict[str, dict[tuple[object, ...], tuple[object, ...]]]:
    return {table: folded(store, table) for table in ADDITIVE_TABLES}


def assert_answers(store: Store, expected: dict[str, dict[tuple[object, ...], tuple[object, ...]]]) -> None:
    for table in ADDITIVE_TABLES:
        assert_same(folded(store, table), expected[table])


def test_a_rebuild_gives_identical_numbers_with_one_row_a_key(store: Store) -> None:
    feed = Feed()
    feed_days(store, feed)
    early = request(900, START + timedelta(days=1), experiment="exp-1", allocation_epoch=1, variant="control")
    store.commit(feed.batch(feedback=[feedback(900, early, rating=2.0)], scores=[score(901, early, 0.5)]))
    store.commit(feed.batch([early], feedback=[feedback(902, request(903), thumbs="up")]))
    before = answers(store)
    result = rebuild(store)
    assert result.rebuilt_from is None
    assert_answers(store, before)
    assert {table: count(store, table) for table in ADDITIVE_TABLES} == result.rows_after
    assert {table: len(rows) for table, rows in before.items()} == result.rows_after
    assert result.counted == count(store, "requests") + count(store, "feedback") + count(store, "scores") - 1
    assert count(store, "pending_feedback") == 1
    assert audit(store, deep=True).ok


def test_a_rebuild_restores_what_was_damaged(tmp_path: Path) -> None:
    store = Store.open(tmp_path, StoreSettings(segments=("tier",)))
    feed_days(store, Feed(), days=1)
    before = answers(store)
    for table in ADDITIVE_TABLES:
        by_hand(store, f"DELETE FROM {table}")
        assert not folded(store, table)
        assert before[table], table
    rebuild(store)
    assert_answers(store, before)
    store.close()


def test_what_retention_has_removed_stays_as_it_was(store: Store) -> None:
    feed = Feed()
    feed_days(store, feed)
    seal_all(store)
    expired = expire(store, RetentionPolicy(raw_days=1), START + timedelta(days=2))
    assert expired.rows > 0
    late = request(1, START, experiment="exp-1", allocation_epoch=1, variant="control")
    store.commit(feed.batch([late], [feedback(1, late, thumbs="down")]))
    before = answers(store)
    result = rebuild(store)
    assert result.rebuilt_from is not None
    assert result.rebuilt_from.isoformat() == "2026-03-11T00:00:00+00:00"
    assert_answers(store, before)
    rebuild(store)
    assert_answers(store, before)
    assert audit(store, deep=True).ok


def test_what_has_aged_does_not_come_back(store: Store) -> None:
    feed_days(store, Feed())
    age(store, AgeingPolicy(minute_days=0, hour_days=1), RetentionPolicy(), START + timedelta(days=2))
    before = answers(store)
    rebuild(store)
    assert_answers(store, before)


def test_rollups_past_their_retention_do_not_come_back(store: Store) -> None:
    feed_days(store, Feed())
    now = START + timedelta(days=2)
    age(store, AgeingPolicy(), RetentionPolicy(raw_days=None, rollup_days=1), now)
    before = answers(store)
    rebuild(store)
    assert_answers(store, before)
    report = audit(store, deep=True)
    assert report.ok, report.missing


@pytest.mark.parametrize("last_round_batches", [0, 8])
def test_commits_go_on_while_a_rebuild_counts_and_none_is_counted_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, last_round_batches: int
) -> None:
    monkeypatch.setattr(sys.modules[rebuild.__module__], "LAST_ROUND_BATCHES", last_round_batches)
    feed = Feed()
    feed_days(store, feed)
    late = [request(n, START + timedelta(hours=n)) for n in range(100, 160)]
    committed = 0

    def commit_meanwhile(_: Progress) -> None:
        nonlocal committed
        if committed == size(12, 50) or not store._writing.acquire(blocking=False):
            return  # the last round is counted while commits wait
        store._writing.release()
        row = late[committed]
        reactions = [feedback(1_000 + committed, row), feedback(2_000 + committed, late[committed + 1])]
        committed += 1
        thread = threading.Thread(target=store.commit, args=(feed.batch([row], reactions),))
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "a commit had to wait for a rebuild"

    result = rebuild(store, commit_meanwhile)
    assert committed >= 3
    assert last_round_batches > 0 or committed > 10  # several rounds
    pending = count(store, "pending_feedback") + count(store, "pending_scores")
    raw = count(store, "requests") + count(store, "feedback") + count(store, "scores")
    assert result.counted == raw - pending
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_progress_grows_to_the_end(store: Store) -> None:
    feed_days(store, Feed(), days=1)
    told: list[Progress] = []
    result = rebuild(store, told.append)
    counts = [each.counted for each in told]
    assert counts == sorted(counts)
    assert counts[-1] == result.counted == told[-1].total


def test_readers_see_the_old_numbers_until_the_new_ones_are_there(store: Store) -> None:
    feed_days(store, Feed(), days=1)
    wrong: list[object] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            rows = query(store, "SELECT sum(requests) FROM rollups WHERE resolution = 'hour'")
            if [int(value) for (value,) in rows] != [60]:
                wrong.append(rows)
            time.sleep(0.005)  # the rebuild needs the processor, too

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    for _ in range(2):
        rebuild(store)
    stop.set()
    thread.join(10)
    assert not wrong


def test_a_rebuild_refuses_to_forget_rows_that_are_missing(store: Store) -> None:
    feed_days(store, Feed(), days=1)
    seal_all(store)
    before = answers(store)
    with store.cursor() as cursor:
        segment = live_segments(cursor, "requests")[0]
    (store.directory / segment.path).unlink()
    with pytest.raises(StoreDamaged, match=str(segment.segment_id)):
        rebuild(store)
    assert_answers(store, before)


def test_an_empty_store_is_rebuilt_to_nothing(store: Store) -> None:
    assert rebuild(store).counted == 0
    assert not (store.directory / "scratch.duckdb").exists()
