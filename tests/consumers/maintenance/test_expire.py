from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.maintenance import RetentionPolicy, SealPolicy, rebuild
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.expire_dead_letters import expire_dead_letters
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store, live_segments
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, request, score
from tests.support.oracles.store_state import assert_same, count, folded, freeze_windows, query

DAY = timedelta(days=1)
NOW = START + 3 * DAY
POLICY = RetentionPolicy(raw_days=2)  # keeps the 11th, 12th and 13th; START is on the 10th
EXPERIMENT = {"experiment": "tone", "allocation_epoch": 1, "variant": "treatment"}
EVERYTHING = SealPolicy(max_rows=1, min_day_rows=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def seal_all(store: Store) -> None:
    for event in INGESTED_EVENTS:
        seal(store, event, EVERYTHING, NOW)


def old(number: int, **values: Any) -> dict[str, Any]:
    return request(number, START + timedelta(minutes=number), **EXPERIMENT, **values)


def new(number: int) -> dict[str, Any]:
    return request(number, START + DAY + timedelta(minutes=number), **EXPERIMENT)


def assert_balanced(store: Store) -> None:
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_days_that_are_old_enough_go_and_the_books_balance(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([old(n) for n in range(10)] + [new(n) for n in range(5)]))
    store.commit(feed.batch([old(n) for n in range(10, 14)], [feedback(1, old(3)), feedback(2, new(3))]))
    seal_all(store)
    before = {table: folded(store, table) for table in ADDITIVE_TABLES}
    expired = expire(store, POLICY, NOW)
    assert expired.rows == 14 + 1
    assert query(store, "SELECT min(event_time) >= '2026-03-11' FROM requests") == [(True,)]
    assert query(store, "SELECT ingest_id, event, rows FROM expired_rows ORDER BY ALL") == [
        (1, "requests", 10),
        (2, "feedback", 1),
        (2, "requests", 4),
    ]
    for table in ADDITIVE_TABLES:
        assert folded(store, table) == before[table]
    assert_balanced(store)
    report = audit(store)
    assert (report.identity.stored, report.identity.expired) == (21, 15)
    assert expire(store, POLICY, NOW).segments == ()


def test_hot_rows_wait_until_they_are_sealed(store: Store) -> None:
    store.commit(Feed().batch([old(1)]))
    assert expire(store, POLICY, NOW).segments == ()
    assert count(store, "requests") == 1


def test_nothing_expires_without_a_limit(store: Store) -> None:
    store.commit(Feed().batch([old(1)]))
    seal_all(store)
    assert expire(store, RetentionPolicy(raw_days=None), NOW).segments == ()


def test_feedback_outlives_its_day_while_its_request_stays(store: Store) -> None:
    feed = Feed()
    # A clock that is a day behind: feedback before its request.
    store.commit(feed.batch([new(1), old(2)], [feedback(1, new(1), at=START, thumbs="up")]))
    seal_all(store)
    expired = expire(store, POLICY, NOW)
    assert [segment.event for segment in expired.held_back] == ["feedback"]
    assert count(store, "feedback") == 1
    before = {table: folded(store, table) for table in ADDITIVE_TABLES}
    rebuild(store)
    for table in ADDITIVE_TABLES:
        assert_same(folded(store, table), before[table])
    assert_balanced(store)
    assert expire(store, POLICY, NOW + DAY).rows == 2
    assert count(store, "feedback") == 0
    rebuild(store)
    for table in ("experiment_cells", "experiment_units"):
        assert_same(folded(store, table), before[table])
    assert_balanced(store)


def test_feedback_that_comes_after_its_request_has_expired_is_unattributed(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([old(1), new(1)]))
    seal_all(store)
    expire(store, POLICY, NOW)
    store.commit(feed.batch(feedback=[feedback(1, old(1), at=NOW, thumbs="up")]))
    assert count(store, "pending_feedback") == 1
    rebuild(store)
    assert_balanced(store)


def test_feedback_that_never_found_its_request_expires_as_unattributed(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([new(1)], [feedback(1, old(77))], [score(2, old(77), 0.5)]))
    seal_all(store)
    assert expire(store, POLICY, NOW).rows == 2
    assert count(store, "pending_feedback") == count(store, "pending_scores") == 0
    assert audit(store).unattributed_feedback == 1
    store.commit(feed.batch([old(77)]))  # too late: what it was about is gone
    rebuild(store)
    assert_balanced(store)


def test_a_late_request_of_an_expired_day_counts_and_expires_in_its_turn(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([old(1), new(1)]))
    seal_all(store)
    expire(store, POLICY, NOW)
    store.commit(feed.batch([old(2)], [feedback(1, old(2), at=NOW, rating=4.0)]))
    before = {table: folded(store, table) for table in ADDITIVE_TABLES}
    seal_all(store)
    assert expire(store, POLICY, NOW).rows == 1
    rebuild(store)
    for table in ADDITIVE_TABLES:
        assert_same(folded(store, table), before[table])
    assert_balanced(store)


def test_feedback_that_is_committed_while_its_request_expires_keeps_its_share(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze_windows(store, "tone", 24 * 60)
    feed = Feed()
    store.commit(feed.batch([old(1), new(1)]))
    seal_all(store)
    during(store, monkeypatch, feed.batch(feedback=[feedback(1, old(1), at=NOW, rating=3.0)]))
    expire(store, POLICY, NOW)
    assert query(store, "SELECT sum(sum_y) FROM expired_cells WHERE metric = 'rating'") == [(3.0,)]
    rebuild(store)
    assert_balanced(store)


def test_early_feedback_whose_request_comes_while_it_expires_is_not_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed()
    store.commit(feed.batch([old(1)], [feedback(1, new(5), at=START, rating=3.0)]))
    seal_all(store)
    during(store, monkeypatch, feed.batch([new(5)]))
    with pytest.raises(MaintenanceConflict, match="a request arrived"):
        expire(store, POLICY, NOW)
    assert count(store, "expired_rows") == 0
    again = expire(store, POLICY, NOW)
    assert (len(again.segments), len(again.held_back)) == (1, 1)
    rebuild(store)
    assert_balanced(store)


def during(store: Store, monkeypatch: pytest.MonkeyPatch, batch: Any) -> None:
    """Commit a batch between looking at what expires and taking it out."""
    transaction = store.transaction
    batches = [batch]

    def commit_first() -> Any:
        if batches:
            store.commit(batches.pop())
        return transaction()

    monkeypatch.setattr(store, "transaction", commit_first)


def test_segments_whose_file_is_missing_stay_on_the_books(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([old(1)]))
    seal_all(store)
    store.commit(feed.batch([old(2)]))
    seal_all(store)
    with store.cursor() as cursor:
        gone, other = live_segments(cursor)
    (store.directory / gone.path).unlink()
    assert [segment.segment_id for segment in expire(store, POLICY, NOW).segments] == [other.segment_id]
    assert gone.path in audit(store).missing[0]


def test_dead_letters_expire_and_stay_in_the_books(store: Store) -> None:
    letters = [dead_letter(b"x", failed_at=START), dead_letter(b"y", failed_at=NOW)]
    store.commit(Feed().batch(dead_letters=letters))
    assert expire_dead_letters(store, RetentionPolicy(dead_letter_days=1), NOW) == 1
    assert query(store, "SELECT payload FROM dead_letters") == [(b"y",)]
    assert expire_dead_letters(store, RetentionPolicy(dead_letter_days=None), NOW + 99 * DAY) == 0
    report = audit(store)
    assert report.ok, report.missing
    assert report.identity.dead_lettered == 2
