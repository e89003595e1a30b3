from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.collector.decode import FailedMessage
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.dead_letters import (
    DeadLetterFilter,
    discard_dead_letters,
    get_dead_letter,
    list_dead_letters,
    replay,
    replay_dead_letters,
)
from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import encode_cursor
from coalmine_schemas.resolver import SchemaResolver
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, id_at, request, score
from tests.support.oracles.store_state import count, query

ENCODER = Encoder(SingleObjectFraming())
ALL = DeadLetterFilter()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def frame(event: IngestedEvent, row: dict[str, Any]) -> bytes:
    return ENCODER.encode(event, row | {name: {} for name in ("metrics", "segments") if name in row})


def letter(number: int, payload: bytes, **other: Any) -> FailedMessage:
    at = START + timedelta(seconds=number)
    values: dict[str, Any] = {
        "dead_letter_id": id_at(at, number),
        "failed_at": at,
        "source_offset": number,
    } | other
    return dead_letter(payload, **values)


def good_letter(number: int) -> FailedMessage:
    """One whose bytes are right, as after a fix of the decoder."""
    return letter(number, frame("requests", request(number)))


def run(store: Store, chosen: DeadLetterFilter = ALL) -> Any:
    return replay_dead_letters(store, BatchDecoder(SchemaResolver(None)), Pricer(), chosen)


def statuses(store: Store) -> dict[int, str]:
    return {item.source_offset: item.status for item in list_dead_letters(store.reader()).items}


def test_pages_hold_every_dead_letter_once_newest_first(store: Store) -> None:
    store.commit(Feed().batch(dead_letters=[letter(n, b"?" * n) for n in range(25)]))
    found: list[int] = []
    cursor = None
    pages = 0
    while True:
        page = list_dead_letters(store.reader(), limit=10, cursor=cursor)
        found += [item.source_offset for item in page.items]
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == list(range(24, -1, -1))
    assert pages == 3
    assert [item.size_bytes for item in page.items] == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("cursor", ["", "?", encode_cursor(["none"]), encode_cursor([1])])
def test_a_cursor_of_another_list_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="leave it out for the first page"):
        list_dead_letters(store.reader(), cursor=cursor)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (DeadLetterFilter(event="unroutable"), {0}),
        (DeadLetterFilter(stage="decode"), {1}),
        (DeadLetterFilter(source_topic="spool"), {2}),
        (DeadLetterFilter(since=START + timedelta(seconds=2)), {2, 3}),
        (DeadLetterFilter(until=START + timedelta(seconds=1)), {0}),
        (DeadLetterFilter(ids=[id_at(START + timedelta(seconds=3), 3), "no id", id_at(START, 99)]), {3}),
        (DeadLetterFilter(ids=[]), set()),
        (DeadLetterFilter(status="discarded"), set()),
        (ALL, {0, 1, 2, 3}),
    ],
)
def test_a_filter_chooses(store: Store, chosen: DeadLetterFilter, expected: set[int]) -> None:
    letters = [
        letter(0, b"", event="unroutable"),
        letter(1, b"", stage="decode"),
        letter(2, b"", source_topic="spool"),
        letter(3, b""),
    ]
    store.commit(Feed().batch(dead_letters=letters))
    assert {item.source_offset for item in list_dead_letters(store.reader(), chosen).items} == expected


def test_one_dead_letter_is_shown_with_bytes_reason_and_header(store: Store) -> None:
    bad = letter(1, frame("scores", score(1, request(1), 0.5)) + b"trailing \xff", key=b"k", event="scores")
    store.commit(Feed().batch(dead_letters=[bad]))
    found = get_dead_letter(store.reader(), bad.dead_letter_id)
    assert found is not None
    assert (b64decode(found.payload_base64), found.key_base64) == (bad.payload, "aw==")
    assert (found.reason, found.size_bytes) == ("not a frame", len(bad.payload))
    assert (found.frame, found.published_as) == ("single_object", "scores version 2")
    assert get_dead_letter(store.reader(), id_at(START, 77)) is None
    assert get_dead_letter(store.reader(), "none") is None


def test_a_header_is_described_whatever_the_bytes_are(store: Store) -> None:
    payloads = {
        b"\x00\x00\x00\x00\x07body": ("confluent", None),
        b"\xc3\x01" + b"\x00" * 8: ("single_object", None),
        b"": ("none", None),
        b"\xc3\x01\x00": ("none", None),
    }
    letters = [letter(number, payload) for number, payload in enumerate(payloads)]
    store.commit(Feed().batch(dead_letters=letters))
    for each in letters:
        found = get_dead_letter(store.reader(), each.dead_letter_id)
        assert found is not None
        assert (found.frame, found.published_as) == payloads[each.payload]


def test_after_a_fix_every_event_is_stored_once_and_the_books_balance(store: Store) -> None:
    feed = Feed()
    about = request(1)
    store.commit(
        feed.batch(
            [request(2)],
            dead_letters=[
                letter(1, frame("requests", about)),
                letter(2, frame("requests", request(2))),
                letter(3, b"still wrong"),
                letter(4, frame("feedback", feedback(4, about, thumbs="up")), event="feedback"),
                letter(5, frame("scores", score(5, about, 0.75)), event="scores"),
                letter(6, b"", event="unroutable"),
            ],
        )
    )
    result = run(store)
    assert (result.selected, result.replayed, result.duplicates) == (6, 3, 1)
    assert {each.reason for each in result.failing} == {
        "no frame we know: begins with 73 74 69 6c 6c 20 77 72",
        "its event is unknown",
    }
    assert statuses(store) == {
        1: "replayed",
        2: "replayed",
        3: "open",
        4: "replayed",
        5: "replayed",
        6: "open",
    }
    assert (count(store, "requests"), count(store, "feedback"), count(store, "scores")) == (2, 1, 1)
    thumbs = query(store, "SELECT sum(thumbs_up) FROM rollups WHERE resolution = 'day'")
    assert [int(value) for (value,) in thumbs] == [1]
    report = audit(store, deep=True)
    assert report.ok, report.missing
    identity = report.identity
    assert (identity.read, identity.stored, identity.duplicates, identity.dead_lettered) == (7, 4, 1, 2)


def test_replaying_again_stores_nothing_again(store: Store) -> None:
    store.commit(Feed().batch(dead_letters=[good_letter(1), letter(2, b"?")]))
    assert run(store).replayed == 1
    again = run(store)
    assert (again.selected, again.replayed, again.duplicates, len(again.failing)) == (1, 0, 0, 1)
    assert count(store, "requests") == 1
    (failing,) = list_dead_letters(store.reader(), DeadLetterFilter(status="open")).items
    assert failing.attempts == 2
    assert failing.attempted_at is not None
    assert failing.attempted_at > datetime.now(UTC) - timedelta(minutes=5)
    assert audit(store).ok


def test_two_letters_of_one_event_make_one_row(store: Store) -> None:
    same = frame("requests", request(1))
    store.commit(Feed().batch(dead_letters=[letter(1, same), letter(2, same)]))
    result = run(store)
    assert (result.replayed, result.duplicates) == (1, 1)
    assert audit(store).ok


def test_only_the_chosen_ones_are_replayed(store: Store) -> None:
    store.commit(Feed().batch(dead_letters=[good_letter(n) for n in range(4)]))
    chosen = DeadLetterFilter(ids=[good_letter(1).dead_letter_id, good_letter(3).dead_letter_id])
    assert run(store, chosen).replayed == 2
    assert statuses(store) == {0: "open", 1: "replayed", 2: "open", 3: "replayed"}


def test_discarded_letters_stay_in_the_books_and_are_not_replayed(store: Store) -> None:
    store.commit(Feed().batch(dead_letters=[good_letter(1), good_letter(2)]))
    assert discard_dead_letters(store, DeadLetterFilter(ids=[good_letter(1).dead_letter_id])).discarded == 1
    assert run(store).replayed == 1
    assert discard_dead_letters(store, ALL).selected == 0
    assert statuses(store) == {1: "discarded", 2: "replayed"}
    report = audit(store)
    assert report.ok
    assert report.identity.dead_lettered == 1


def test_many_letters_are_replayed_in_several_transactions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHUNK_LETTERS", 7)
    store.commit(Feed().batch(dead_letters=[good_letter(n) for n in range(30)]))
    assert run(store).replayed == 30
    assert query(store, "SELECT count(*) FROM batches WHERE dead_lettered < 0") == [(5,)]
    assert audit(store).ok


def test_a_letter_that_somebody_else_replays_meanwhile_counts_once(store: Store) -> None:
    store.commit(Feed().batch(dead_letters=[good_letter(1)]))

    class Overtaken(Pricer):
        def price_requests(self, table: Any) -> Any:
            assert run(store).replayed == 1
            return super().price_requests(table)

    with pytest.raises(MaintenanceConflict, match="just now"):
        replay_dead_letters(store, BatchDecoder(SchemaResolver(None)), Overtaken(), ALL)
    assert count(store, "requests") == 1
    report = audit(store)
    assert report.ok, report.missing
    assert (report.identity.stored, report.identity.duplicates) == (1, 0)
