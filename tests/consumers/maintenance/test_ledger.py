import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance import LedgerPolicy, RetentionPolicy, SealPolicy
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.ledger import fold_ledger
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, request
from tests.support.oracles.store_state import by_hand, count, query

HOUR = timedelta(hours=1)
NOTHING_APART = LedgerPolicy(apart_s=0)
TOTALS = "SELECT sum(consumed), sum(stored), sum(duplicates), sum(dead_lettered) FROM batches"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store of twelve batches."""
    directory = tmp_path_factory.mktemp("filled") / "store"
    opened = Store.open(directory)
    feed = Feed()
    for number in range(12):
        rows = [request(10 * number + place, START + number * HOUR) for place in range(5)]
        reactions = [feedback(number, rows[0])] if number % 2 else []
        letters = [dead_letter(b"?")] if number == 3 else []
        opened.commit(feed.batch([*rows, request(0)], reactions, dead_letters=letters))
        # Commits of six hours, two in each; the clock was once set back.
        at = START + timedelta(hours=number // 2, minutes=30 if number != 5 else -40)
        by_hand(
            opened, f"UPDATE batches SET committed_at = '{at.isoformat()}' WHERE ingest_id = {number + 1}"
        )
    opened.close()
    return directory


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it."""
    opened = Store.open(shutil.copytree(filled, tmp_path, dirs_exist_ok=True))
    yield opened
    opened.close()


def test_old_batches_become_one_row_an_hour_and_everything_still_adds_up(store: Store) -> None:
    before = query(store, TOTALS)
    rows = count(store, "batches")
    fewer = fold_ledger(store, NOTHING_APART, START + 4 * HOUR)
    assert fewer > 0
    assert count(store, "batches") == rows - fewer
    assert query(store, TOTALS) == before
    runs = query(
        store, "SELECT first_ingest_id, ingest_id FROM batches WHERE event = 'requests' ORDER BY ingest_id"
    )
    assert runs == [(1, 2), (3, 4), (5, 6), (7, 8), (None, 9), (None, 10), (None, 11), (None, 12)]
    report = audit(store, deep=True)
    assert report.ok, report.missing
    assert fold_ledger(store, NOTHING_APART, START + 4 * HOUR) == 0
    fold_ledger(store, NOTHING_APART, START + 9 * HOUR)
    assert count(store, "batches") == 6 + 5  # hours of requests and of feedback, the clock set back once
    assert audit(store).ok


def test_batches_of_the_last_day_stay_apart(store: Store) -> None:
    assert fold_ledger(store, LedgerPolicy(), START + 24 * HOUR) == 0
    assert fold_ledger(store, LedgerPolicy(), START + 26 * HOUR) > 0


def test_a_row_missing_from_folded_batches_is_still_named(store: Store) -> None:
    fold_ledger(store, NOTHING_APART, START + 9 * HOUR)
    gone = request(23, START + 2 * HOUR)["request_id"]
    by_hand(store, f"DELETE FROM requests_hot WHERE request_id = '{gone}'")
    (problem, *_) = audit(store).missing
    assert "1 requests missing: one of the batches 3 to 4" in problem
    assert gone in problem


def test_a_row_of_an_unknown_batch_is_found_among_folded_ones(store: Store) -> None:
    by_hand(store, "DELETE FROM batches WHERE ingest_id IN (1, 2)")
    fold_ledger(store, NOTHING_APART, START + 9 * HOUR)
    told = audit(store).missing
    assert any("claim batch 1, which the ledger does not know" in each for each in told)


def test_expired_rows_are_folded_with_their_batches(store: Store) -> None:
    seal(store, "requests", SealPolicy(max_rows=1, min_day_rows=1), START)
    seal(store, "feedback", SealPolicy(max_rows=1, min_day_rows=1), START)
    fold_ledger(store, NOTHING_APART, START + 2 * HOUR)
    expire(store, RetentionPolicy(raw_days=0), START + timedelta(days=3))
    assert count(store, "expired_rows") == 12 + 6
    assert audit(store).ok
    fold_ledger(store, NOTHING_APART, START + 9 * HOUR)
    assert count(store, "expired_rows") == 6 + 5
    report = audit(store)
    assert report.ok, report.missing
    assert report.identity.expired == report.identity.stored - count(store, "requests")


def test_ingest_goes_on_with_the_next_number(store: Store) -> None:
    fold_ledger(store, NOTHING_APART, datetime.now(UTC) + 2 * HOUR)
    directory = store.directory
    store.close()
    again = Store.open(directory)
    feed = Feed(offset=next(iter(again.positions().values())))
    assert again.commit(feed.batch([request(999)])).ingest_id == 13
    assert audit(again).ok
    again.close()
