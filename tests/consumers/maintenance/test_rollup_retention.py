from datetime import timedelta
from pathlib import Path

from coalmine_consumers import queries
from coalmine_consumers.maintenance.policy import AgeingPolicy, RetentionPolicy
from coalmine_consumers.maintenance.rollup_retention import age
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, feedback, many_requests, reactions_to, request
from tests.support.oracles.store_state import count, query

FOREVER = RetentionPolicy()


def days_of_requests(store: Store, feed: Feed) -> None:
    for day in range(3):
        requests = many_requests(60, day, start=START + timedelta(days=day), hours=6)
        store.commit(feed.batch(requests, *reactions_to(requests, day)))


def resolutions(store: Store) -> dict[str, tuple[str, int]]:
    rows = query(
        store,
        "SELECT resolution, strftime(min(bucket_start), '%d %H'), sum(requests) FROM rollups "
        "WHERE requests > 0 GROUP BY resolution",
    )
    return {resolution: (first, int(requests)) for resolution, first, requests in rows}


def test_minutes_become_hours_and_hours_become_days_with_the_same_sums(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    days_of_requests(store, Feed())
    before = queries.versions(store.reader(), queries.Filters())
    assert resolutions(store) == {"minute": ("10 08", 180), "hour": ("10 08", 180), "day": ("10 00", 180)}
    aged = age(store, AgeingPolicy(minute_days=0, hour_days=1), FOREVER, START + timedelta(days=2))
    assert aged.finer_rows > 0
    assert aged.expired_rows == 0
    assert resolutions(store) == {"minute": ("12 08", 60), "hour": ("11 08", 120), "day": ("10 00", 180)}
    kept = "SELECT resolution, strftime(kept_from, '%d %H') FROM rollup_kept_from ORDER BY ALL"
    assert query(store, kept) == [("hour", "11 00"), ("minute", "12 00")]
    assert queries.versions(store.reader(), queries.Filters()) == before
    assert age(store, AgeingPolicy(0, 1), FOREVER, START + timedelta(days=2)).finer_rows == 0
    store.close()


def test_late_events_of_an_aged_day_count_and_lose_their_minutes_at_the_next_run(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    feed = Feed()
    days_of_requests(store, feed)
    policy = AgeingPolicy(minute_days=0, hour_days=0)
    age(store, policy, FOREVER, START + timedelta(days=5))
    late = request(1, START, prompt="late")
    store.commit(feed.batch([late], [feedback(1, late, thumbs="up")]))
    (found,) = queries.versions(store.reader(), queries.Filters(prompt="late")).items
    assert (found.requests, found.thumbs_up) == (1, 1)
    age(store, policy, FOREVER, START + timedelta(days=5))
    assert set(resolutions(store)) == {"day"}
    assert queries.versions(store.reader(), queries.Filters(prompt="late")).items == [found]
    store.close()


def test_rollups_past_their_retention_go_and_are_counted(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    days_of_requests(store, Feed())
    now = START + timedelta(days=2)
    ((reactions,),) = query(
        store, "SELECT sum(feedback) FROM rollups WHERE resolution = 'day' AND bucket_start < '2026-03-11'"
    )
    aged = age(store, AgeingPolicy(), RetentionPolicy(rollup_days=1), now)
    assert aged.expired_rows > 0
    assert resolutions(store) == {"minute": ("11 08", 120), "hour": ("11 08", 120), "day": ("11 00", 120)}
    assert query(store, "SELECT requests, feedback FROM expired_rollups") == [(60, int(reactions))]
    assert age(store, AgeingPolicy(), RetentionPolicy(rollup_days=1), now).expired_rows == 0
    assert count(store, "expired_rollups") == 1
    store.close()


def test_what_was_aged_away_stays_away_when_the_policy_becomes_longer_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    days_of_requests(store, Feed())
    now = START + timedelta(days=2)
    age(store, AgeingPolicy(minute_days=0, hour_days=0), FOREVER, now)
    kept = query(store, "SELECT * FROM rollup_kept_from ORDER BY resolution")
    age(store, AgeingPolicy(minute_days=9, hour_days=9), FOREVER, now)
    assert query(store, "SELECT * FROM rollup_kept_from ORDER BY resolution") == kept
    store.close()
