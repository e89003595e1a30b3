import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance import (
    AgeingPolicy,
    CompactionPolicy,
    Housekeeping,
    MaintenancePolicy,
    MergePolicy,
    RetentionPolicy,
    Rhythm,
    SealPolicy,
)
from coalmine_consumers.maintenance.steady_clock import SteadyClock
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.store import Store, live_segments
from tests.consumers.maintenance.settled import AT_ONCE, settle, settled
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, many_requests, reactions_to, request
from tests.support.oracles.store_state import by_hand, count, query

EAGER = MaintenancePolicy(
    seal=SealPolicy(max_rows=1, min_day_rows=1),
    merge=MergePolicy(settle_s=0),
    retention=RetentionPolicy(raw_days=1, dead_letter_days=None, file_grace_s=0),
    ageing=AgeingPolicy(minute_days=1, hour_days=2),
    compaction=CompactionPolicy(min_rows=10),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def feed_days(store: Store, days: int = 4) -> None:
    feed = Feed()
    for day in range(days):
        for part in range(2):
            requests = many_requests(30, 10 * day + part, start=START + timedelta(days=day))
            store.commit(feed.batch(requests, *reactions_to(requests, day)))


def test_settling_does_every_task_and_the_audit_still_balances(store: Store) -> None:
    feed_days(store)
    now = START + timedelta(days=3, hours=2)
    outcomes = settled(store, EAGER, now)
    assert not [each for each in outcomes if each.error]
    assert {each.task for each in outcomes} == {"seal", "compact", "expire", "age", "files"}
    assert count(store, "requests_hot") == 0
    assert query(store, "SELECT count(*) FROM requests WHERE event_time < '2026-03-12'") == [(0,)]
    report = audit(store, deep=True)
    assert report.ok, report.missing
    assert report.identity.expired > 0


def test_segments_of_one_day_are_merged(store: Store) -> None:
    feed = Feed()
    keeper = Housekeeping(store, EAGER, AT_ONCE)
    for part in range(3):
        store.commit(feed.batch(many_requests(30, part)))
        keeper.tick(START)
    settle(keeper, datetime.now(UTC))
    with store.cursor() as cursor:
        assert len(live_segments(cursor)) <= 1


def test_a_task_waits_for_its_time(store: Store) -> None:
    keeper = Housekeeping(store, EAGER, Rhythm(seal=60))
    store.commit(Feed().batch([request(1)]))
    assert [each.task for each in keeper.tick(START)] == ["seal"]
    store.commit(Feed(offset=1).batch([request(2)]))
    assert "seal" not in {each.task for each in keeper.tick(START + timedelta(seconds=59))}
    assert "seal" in {each.task for each in keeper.tick(START + timedelta(seconds=60))}


def test_a_clock_that_is_set_back_stops_no_task(store: Store) -> None:
    keeper = Housekeeping(store, EAGER, Rhythm(seal=60))
    store.commit(Feed().batch([request(1)]))
    assert [each.task for each in keeper.tick(START + timedelta(days=1))] == ["seal"]
    store.commit(Feed(offset=1).batch([request(2)]))
    assert [each.task for each in keeper.tick(START)] == ["seal"]
    store.commit(Feed(offset=2).batch([request(3)]))
    assert keeper.tick(START + timedelta(seconds=59)) == []


def test_a_clock_that_is_far_ahead_for_a_while_deletes_nothing(store: Store) -> None:
    feed_days(store)
    right, stop = START + timedelta(days=3, hours=2), threading.Event()
    passed = iter(range(200))
    second = 0

    def clock() -> datetime:
        """A second passes with each look: a minute too far ahead, then a minute as it should be, and on."""
        if second == 190:
            stop.set()
        return right + timedelta(seconds=second, days=400 if second < 60 else 0)

    def monotonic() -> float:
        nonlocal second
        second = next(passed)
        if second == 119:
            kept.append((count(store, "requests"), count(store, "rollups")))
        return float(second)

    kept = [(count(store, "requests"), 0)]
    policy = replace(EAGER, compaction=CompactionPolicy(min_rows=10_000))
    before = count(store, "rollups")
    rhythm = Rhythm(look=0, steady=60, seal=0)
    Housekeeping(store, policy, rhythm, SteadyClock(clock, monotonic)).run(stop)
    assert kept[1] == (kept[0][0], before)
    assert count(store, "requests_hot") == 0  # what deletes nothing went on
    assert query(store, "SELECT min(event_time)::DATE FROM requests") == [(right.date() - timedelta(days=1),)]
    assert audit(store, deep=True).ok


def test_a_running_rebuild_is_not_waited_for(store: Store) -> None:
    store.commit(Feed().batch([request(1)]))
    keeper = Housekeeping(store, EAGER)
    taken, done = threading.Event(), threading.Event()

    def rebuild() -> None:
        with turn(store):
            taken.set()
            done.wait(10)

    thread = threading.Thread(target=rebuild)
    thread.start()
    taken.wait(10)
    assert keeper.tick(START) == []
    assert count(store, "requests_hot") == 1
    done.set()
    thread.join()
    assert keeper.health().overtaken > 0
    assert [each.task for each in keeper.tick(START + timedelta(seconds=1))] == ["seal"]


def test_damage_in_one_day_stops_neither_other_days_nor_other_tasks(store: Store) -> None:
    feed = Feed()
    hold = MaintenancePolicy(seal=EAGER.seal, merge=EAGER.merge, retention=RetentionPolicy(raw_days=None))
    keeper = Housekeeping(store, hold, Rhythm(seal=0, merge=1e9, failed=0))
    for day in range(2):
        for part in range(2):
            requests = many_requests(30, 10 * day + part, start=START + timedelta(days=day), hours=3)
            store.commit(feed.batch(requests))
            keeper.tick(START)
    with store.cursor() as cursor:
        victim = min(live_segments(cursor), key=lambda segment: segment.day)
    (store.directory / victim.path).unlink()
    keeper = Housekeeping(store, hold, AT_ONCE)
    outcomes = settle(keeper, datetime.now(UTC))
    (failed,) = [each for each in outcomes if each.error]
    assert failed.task == "merge"
    assert str(victim.segment_id) in str(failed.error)
    assert any(each.task == "merge" and each.did and "2026-03-11" in each.did for each in outcomes)
    assert keeper.health().failures == 1
    assert keeper.health().last["merge"].did is not None


def test_it_runs_in_a_thread_beside_commits_until_it_is_told_to_stop(store: Store) -> None:
    keeper = Housekeeping(store, EAGER, AT_ONCE)
    stop = threading.Event()
    thread = threading.Thread(target=keeper.run, args=(stop,))
    thread.start()
    feed = Feed()
    for part in range(size(5, 15)):
        requests = many_requests(40, part, start=datetime.now(UTC) - timedelta(hours=1), hours=0.5)
        store.commit(feed.batch(requests, *reactions_to(requests, part)))
    while keeper.health().runs < size(12, 50):
        stop.wait(0.01)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert keeper.health().failures == 0, keeper.health().last
    settle(keeper, datetime.now(UTC))
    report = audit(store, deep=True)
    assert report.ok, report.missing
    assert count(store, "requests") == 40 * size(5, 15)
    by_hand(store, "DELETE FROM requests_hot")
    assert count(store, "requests") == 40 * size(5, 15)
