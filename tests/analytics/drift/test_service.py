"""Watching the versions of a real store: sums are kept up, and not more often than they are worth."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from coalmine_analytics.drift import DriftPlan, Drifts
from coalmine_analytics.results.drift import VersionDrift
from coalmine_consumers.drift import ReferencePolicy, VersionKey, note_day, read_watched
from coalmine_consumers.maintenance import RetentionPolicy, SealPolicy
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.results import DayIgnored
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, request

KEY = VersionKey("refund", "1.0.0", "prod")
PLAN = DriftPlan(ReferencePolicy(days=7, min_requests=500))
DAY = timedelta(days=1)
PER_HOUR = 12


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def calls(first_day: int, last_day: int, *, quality: float, version: str = "1.0.0") -> list[Row]:
    random = np.random.default_rng(first_day)
    offset = 0 if version == "1.0.0" else 1_000_000  # ids of their own
    rows = []
    for number in range(first_day * 24 * PER_HOUR, last_day * 24 * PER_HOUR):
        values = [{"key": "quality", "value": float(random.normal(quality, 0.1))}]
        at = START + timedelta(hours=number / PER_HOUR)
        user = f"user-{int(random.integers(500))}"
        rows.append(request(number + offset, at, version=version, unit_id=user, metrics=values))
    return rows


class Watch:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        self.at += 1.0  # each look at it takes a second, so a summing-up does
        return self.at


def drifts(store: Store, day: float, monotonic: Watch | None = None) -> Drifts:
    return Drifts(store, PLAN, clock=lambda: START + day * DAY, monotonic=monotonic or Watch())


def quality_of(found: VersionDrift) -> str:
    return next(row.state for row in found.metrics if row.metric == "quality")


def test_a_drift_is_found_and_outlives_the_raw_rows_of_its_reference(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(calls(0, 9, quality=0.8)))
    calm = drifts(store, 9).current(KEY)[0]
    assert quality_of(calm) == "steady"
    assert calm.reference_until == START.replace(hour=0) + 8 * DAY
    assert "shorter than two weeks" in calm.warnings[0]
    seal(store, "requests", SealPolicy(max_rows=1, min_day_rows=1), START + 9 * DAY)
    expire(store, RetentionPolicy(raw_days=1), START + 9 * DAY)
    store.commit(feed.batch(calls(9, 12, quality=0.68)))
    found = drifts(store, 12).current(KEY)[0]
    assert quality_of(found) == "drifted"
    assert found.reference_until == calm.reference_until
    assert found.reference_requests == calm.reference_requests


def test_what_is_too_young_says_so_and_is_not_written_down(store: Store) -> None:
    store.commit(Feed().batch(calls(0, 1, quality=0.8)))
    assert drifts(store, 1).current(KEY)[0].state == "not enough data"
    assert read_watched(store.reader(), KEY) is None


def test_keeping_up_sums_up_every_version_with_new_requests(store: Store) -> None:
    feed = Feed()
    watching = drifts(store, 5)
    store.commit(feed.batch(calls(0, 4, quality=0.8)))
    store.commit(feed.batch(calls(0, 4, quality=0.8, version="1.1.0")[:200]))
    assert watching.keep_up() == [KEY, VersionKey("refund", "1.1.0", "prod")]
    assert watching.keep_up() == []
    watched = read_watched(store.reader(), KEY)
    assert watched is not None
    assert watched.first_hour == START
    store.commit(feed.batch(calls(4, 5, quality=0.8)))
    assert watching.keep_up() == [KEY]


def test_asking_again_at_once_does_not_sum_up_again(store: Store) -> None:
    feed, watch = Feed(), Watch()
    watching = drifts(store, 9, watch)
    store.commit(feed.batch(calls(0, 5, quality=0.8)))
    asked = watching.current(KEY)[0]
    store.commit(feed.batch(calls(5, 9, quality=0.8)))
    watch.at += 200
    assert watching.current(KEY)[0].reference_requests == asked.reference_requests
    watch.at += 200
    assert watching.current(KEY)[0].reference_requests > asked.reference_requests


def test_what_an_hour_brought_is_summed_up_when_it_ends(store: Store) -> None:
    feed, now = Feed(), START + 9 * DAY - timedelta(minutes=1)
    watching = Drifts(store, PLAN, clock=lambda: now, monotonic=Watch())
    store.commit(feed.batch(calls(0, 8, quality=0.8)))
    watching.current(KEY)
    store.commit(feed.batch(calls(8, 9, quality=0.8)))
    watching.current(KEY)
    watched = read_watched(store.reader(), KEY)
    assert watched is not None
    assert watched.through_ingest_id == 1
    now += timedelta(minutes=2)
    watching.current(KEY)
    watched = read_watched(store.reader(), KEY)
    assert watched is not None
    assert watched.through_ingest_id == 2


def test_who_asks_while_others_sum_up_hears_what_is_kept(store: Store) -> None:
    feed, watch = Feed(), Watch()
    summing, may_end = threading.Event(), threading.Event()

    def clock() -> datetime:
        if threading.current_thread().name.startswith("keeper"):
            summing.set()
            assert may_end.wait(60)
        return START + 9 * DAY

    watching = Drifts(store, PLAN, clock=clock, monotonic=watch)
    store.commit(feed.batch(calls(0, 8, quality=0.8)))
    asked = watching.current(KEY)[0]
    assert asked.state == "steady"
    store.commit(feed.batch(calls(8, 9, quality=0.8)))
    with ThreadPoolExecutor(1, "keeper") as keeper, ThreadPoolExecutor(1, "reader") as reader:
        try:
            kept_up = keeper.submit(watching.keep_up)
            assert summing.wait(60)
            watch.at += 600  # it would be time to sum up
            assert reader.submit(watching.current, KEY).result(60) == [asked]
        finally:
            may_end.set()
        assert kept_up.result(60) == [KEY]
    watched = read_watched(store.reader(), KEY)
    assert watched is not None
    assert watched.through_ingest_id == 2


def test_what_is_the_same_is_judged_once_an_hour(store: Store) -> None:
    feed, now = Feed(), START + 9 * DAY
    watching = Drifts(store, PLAN, clock=lambda: now, monotonic=Watch())
    store.commit(feed.batch(calls(0, 9, quality=0.8)))
    (first,) = watching.current(KEY)
    now += timedelta(minutes=5)
    (again,) = watching.current(KEY)
    assert again.metrics is first.metrics
    assert again.taken_at == now
    now += timedelta(hours=1)
    (later,) = watching.current(KEY)
    assert later.metrics is not first.metrics
    assert first.watched_until is not None
    assert later.watched_until == first.watched_until + timedelta(hours=1)


def test_a_day_that_is_ignored_counts_no_more_at_once(store: Store) -> None:
    watching = drifts(store, 9)
    store.commit(Feed().batch(calls(0, 9, quality=0.8)))
    assert watching.current(KEY)[0].ignored_days == ()
    day = (START + 3 * DAY).date()
    act = DayIgnored(KEY.prompt, None, day, True, "a holiday", "ann", datetime(2026, 1, 1, tzinfo=UTC))
    with store.transaction() as connection:
        note_day(connection, act)
    (found,) = watching.current(KEY)
    assert found.ignored_days == (act,)
