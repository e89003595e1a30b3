from datetime import timedelta
from typing import Any

import pytest

from coalmine_consumers.store import Store, Stretch, narrow, widen
from tests.support.data.store_feed import START, Feed, feedback, request

BATCHES = [
    [request(each, START + timedelta(seconds=each)) for each in range(100 * batch, 100 * batch + 12)]
    for batch in range(3)
]
"""Each becomes a file of requests, and one of feedback."""
HOT = request(900)


@pytest.fixture
def filled(store: Store) -> Store:
    feed = Feed()
    for batch in BATCHES:
        store.commit(feed.batch(batch, [feedback(1_000 + at, row) for at, row in enumerate(batch)]))
    store.commit(feed.batch([HOT]))
    return store


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["request_id"]) for row in rows}


SEEN = "SELECT request_id FROM requests"


def test_files_without_a_row_of_the_stretch_are_not_opened(filled: Store) -> None:
    middle = [row["event_time"] for row in BATCHES[1]]
    wanted = ids([*BATCHES[1], HOT])
    own = sorted(row["request_id"] for row in BATCHES[1])
    with filled.reader().snapshot() as snapshot:
        snapshot.narrow("requests", Stretch(since=min(middle), until=max(middle)))
        assert ids(snapshot.rows(SEEN)) == wanted
        plan = snapshot.rows("EXPLAIN ANALYZE SELECT prompt FROM requests")[0]["explain_value"]
        assert "Total Files Read: 1 " in plan
        snapshot.narrow("requests", Stretch(least_id=own[0], greatest_id=own[-1]))
        assert ids(snapshot.rows(SEEN)) == wanted


def test_an_open_end_and_the_ends_themselves_belong_to_a_stretch(filled: Store) -> None:
    newest, oldest = (end(row["event_time"] for row in BATCHES[1]) for end in (max, min))
    moment = timedelta(microseconds=1)
    with filled.reader().snapshot() as snapshot:
        for stretch, batches in (
            (Stretch(), BATCHES),
            (Stretch(since=newest), BATCHES[1:]),
            (Stretch(since=newest + moment), BATCHES[2:]),
            (Stretch(until=oldest), BATCHES[:2]),
            (Stretch(until=oldest - moment), BATCHES[:1]),
            (Stretch(until=START - timedelta(days=1)), []),
        ):
            snapshot.narrow("requests", stretch)
            assert ids(snapshot.rows(SEEN)) == ids([*(row for batch in batches for row in batch), HOT])


def test_each_event_is_narrowed_by_itself(filled: Store) -> None:
    with filled.reader().snapshot() as snapshot:
        snapshot.narrow("feedback", Stretch(until=START - timedelta(days=1)))
        assert snapshot.rows("SELECT feedback_id FROM feedback") == []
        assert len(snapshot.rows(SEEN)) == 37


def test_others_see_all_files_meanwhile_and_so_does_a_snapshot_after_it(filled: Store) -> None:
    reader = filled.reader()
    with reader.snapshot() as snapshot:
        snapshot.narrow("requests", Stretch(until=START - timedelta(days=1)))
        assert len(snapshot.rows(SEEN)) == 1
        assert len(reader.rows(SEEN)) == 37
    with reader.snapshot() as snapshot:
        assert len(snapshot.rows(SEEN)) == 37


def test_a_cursor_is_widened_again(filled: Store) -> None:
    with filled.cursor() as cursor:
        cursor.begin()
        narrow(cursor, "requests", Stretch(until=START - timedelta(days=1)))
        assert len(cursor.sql(SEEN).fetchall()) == 1
        widen(cursor, "requests")
        cursor.commit()
        assert len(cursor.sql(SEEN).fetchall()) == 37
