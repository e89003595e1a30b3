"""The inbox of feedback, from raw rows: what is negative first, a page at a time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.queries import Filters, feedback
from coalmine_consumers.results import FeedbackRow
from coalmine_consumers.store import Store, StoreSettings, live_segments
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, Row, request
from tests.support.data.store_feed import feedback as said

PLENTY: dict[str, Any] = {"limit": 100, "private": True}


def inbox(store: Store, filters: Filters | None = None, *arguments: Any, **changes: Any) -> list[FeedbackRow]:
    return list(feedback(store.reader(), filters or Filters(), *arguments, **{**PLENTY, **changes}).items)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


@pytest.fixture
def asked() -> list[Row]:
    """Six requests."""
    return [
        request(number, version=f"1.{number % 2}.0", environment="prod" if number < 5 else "staging")
        for number in range(6)
    ]


def numbers(rows: list[FeedbackRow], asked: list[Row]) -> list[int]:
    """Which requests the rows are about."""
    ids = [each["request_id"] for each in asked]
    return [ids.index(row.request_id) for row in rows]


def test_what_is_negative_comes_first_then_the_newest(store: Store, asked: list[Row]) -> None:
    given = [
        said(0, asked[0], START + minutes(1), thumbs="down"),
        said(1, asked[1], START + minutes(2), rating=1.0),
        said(2, asked[2], START + minutes(3), thumbs="up"),
        said(3, asked[3], START + minutes(4), correction="14 days", thumbs="up"),
        said(4, asked[4], START + minutes(5), rating=4.0, comment="fine"),
    ]
    store.commit(Feed().batch(asked, given))
    assert numbers(inbox(store), asked) == [3, 1, 0, 4, 2]
    assert numbers(inbox(store, Filters(), "negative"), asked) == [3, 1, 0]
    assert numbers(inbox(store, Filters(), "positive"), asked) == [4, 2]
    (row,) = inbox(store, Filters(since=START + minutes(5)))
    assert (row.rating, row.comment, row.version, row.latency_ms) == (4.0, "fine", "1.0.0", 104.0)


def test_who_thinks_better_of_it_is_not_negative(store: Store, asked: list[Row]) -> None:
    given = [
        said(0, asked[0], START + minutes(1), thumbs="down", unit_id="ann"),
        said(1, asked[0], START + minutes(2), thumbs="up", unit_id="ann"),
        said(2, asked[0], START + minutes(3), thumbs="up", unit_id="bob"),
        said(3, asked[1], START + minutes(4), thumbs="down", unit_id="bob"),
        said(4, asked[1], START + minutes(5), comment="really", unit_id="bob"),
    ]
    store.commit(Feed().batch(asked, given))
    assert [(row.request_id, row.thumbs) for row in inbox(store, Filters(), "negative")] == [
        (asked[1]["request_id"], "down")
    ]


def test_requests_of_other_times_are_not_needed(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", StoreSettings(segment_min_rows=10, segment_min_day_rows=1))
    feed = Feed()
    for hour in range(0, 96, 24):
        at = START + timedelta(hours=hour)
        rows = [request(50 * hour + n, at) for n in range(20)]
        store.commit(
            feed.batch(rows, [said(50 * hour + n, row, at, thumbs="down") for n, row in enumerate(rows)])
        )
    filters = Filters(since=START + timedelta(hours=24), until=START + timedelta(hours=25))
    before = inbox(store, filters, "negative")
    with store.cursor() as cursor:
        files = live_segments(cursor)
    of_requests = [each for each in files if each.event == "requests"]
    for each in (of_requests[0], of_requests[2]):
        (store.directory / each.path).unlink()
    assert len(before) == 20
    assert inbox(store, filters, "negative") == before
    store.close()


def test_filters_are_about_the_request(store: Store, asked: list[Row]) -> None:
    store.commit(Feed().batch(asked, [said(each, asked[each], thumbs="down") for each in range(6)]))
    assert sorted(numbers(inbox(store, Filters(version="1.1.0")), asked)) == [1, 3, 5]
    assert numbers(inbox(store, Filters(environment="staging")), asked) == [5]
    assert inbox(store, Filters(prompt="greet")) == []
    assert inbox(store, Filters(model="other")) == []
    assert len(inbox(store, Filters(app="support", model="gpt-4o-mini"))) == 6


def test_pages_have_every_row_once_also_those_of_one_moment(store: Store, asked: list[Row]) -> None:
    given = [
        said(number, asked[number % 6], START + minutes(number // 4), thumbs="down" if number % 3 else "up")
        for number in range(30)
    ]
    store.commit(Feed().batch(asked, given))
    whole = inbox(store)
    found: list[FeedbackRow] = []
    cursor = None
    while True:
        page = feedback(store.reader(), Filters(), limit=7, cursor=cursor, private=True)
        found += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert found == whole
    assert len({row.feedback_id for row in found}) == 30
    for bad in ("nothing", "W10"):
        with pytest.raises(InvalidParameter, match="cursor"):
            feedback(store.reader(), Filters(), limit=7, cursor=bad, private=True)


def test_texts_and_people_are_left_out_for_who_may_not_see_them(store: Store, asked: list[Row]) -> None:
    given = said(0, asked[0], thumbs="down", comment="bad", correction="14 days", unit_id="ann")
    store.commit(Feed().batch(asked, [given]))
    (row,) = inbox(store, private=False)
    assert (row.comment, row.correction, row.unit_id, row.private) == (None, "", None, False)
    (row,) = inbox(store)
    assert (row.comment, row.correction, row.unit_id, row.private) == ("bad", "14 days", "ann", True)


def test_feedback_on_calls_that_are_not_stored_is_left_out(store: Store, asked: list[Row]) -> None:
    lost = request(9)
    store.commit(Feed().batch(asked, [said(0, lost, thumbs="down")]))
    assert inbox(store) == []


def test_it_is_found_in_files_as_well_as_in_hot_rows(filled: Store) -> None:
    reader = filled.reader()
    ((stored,),) = (row.values() for row in reader.rows("SELECT count(*) AS n FROM feedback"))
    ((segments,),) = (row.values() for row in reader.rows("SELECT count(*) AS n FROM segments"))
    assert segments > 0
    assert len(inbox(filled, limit=10_000)) == stored
