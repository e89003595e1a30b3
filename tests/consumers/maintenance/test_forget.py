"""Users are forgotten: nothing that is read names them or has their words, and every number stays."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance.files import delete_retired_files
from coalmine_consumers.maintenance.forget import forget_units
from coalmine_consumers.maintenance.policy import MergePolicy
from coalmine_consumers.queries import versions
from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import START, Feed, dead_letter, feedback, request, score

SMALL = StoreSettings(segment_min_rows=50, segment_min_day_rows=1)
NOW = datetime(2026, 3, 12, tzinfo=UTC)
TEXTS = (b"my own secret", b"what a shame", b"it should be", b"said rudely", b"ann-1234567")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of two users in files and hot, with feedback, scores, an experiment and a dead letter."""
    directory = tmp_path_factory.mktemp("filled") / "store"
    store = Store.open(directory, SMALL)
    feed = Feed()

    def call(number: int, unit_id: str) -> dict[str, Any]:
        return request(
            number,
            START + timedelta(minutes=number),
            unit_id=unit_id,
            session_id=f"session-of-{unit_id}",
            input_text="my own secret" if unit_id == "ann-1234567" else "of somebody else",
            experiment="tone",
            allocation_epoch=1,
            variant="control",
            cost_nano_usd=number,
        )

    calls = [call(number, "ann-1234567" if number % 3 == 0 else "bob-1234567") for number in range(90)]
    said = [
        feedback(100 + place, each, thumbs="up", unit_id=each["unit_id"])
        | {"comment": "what a shame", "correction": "it should be"}
        for place, each in enumerate(calls)
        if each["unit_id"] == "ann-1234567"
    ]
    said.append(feedback(300, calls[1], comment="of somebody else", unit_id="bob-1234567"))
    scores = [score(200, calls[0], 0.5) | {"rationale": "said rudely"}]
    scores.append(score(201, calls[1], 0.25) | {"rationale": "of somebody else"})
    store.commit(feed.batch(calls[:70]))
    store.commit(
        feed.batch(calls[70:], said, scores, [dead_letter(b"\x01ann-1234567\xff"), dead_letter(b"else")])
    )
    store.close()
    return directory


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it to forget them in."""
    store = Store.open(shutil.copytree(filled, tmp_path / "store"), SMALL)
    yield store
    store.close()


def count(store: Store, where: str, table: str = "requests") -> int:
    (row,) = store.reader().rows(f"SELECT count(*) AS n FROM {table} WHERE {where}")
    return int(row["n"])


def test_nothing_that_is_read_names_them_any_more(store: Store) -> None:
    assert count(store, "TRUE", "segments") > 0
    done = forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    assert (len(done.request_ids), done.rows["requests"], done.rows["feedback"]) == (30, 30, 30)
    assert (done.rows["scores"], done.rows["dead_letters"], done.missing) == (1, 1, [])
    assert done.files >= 1
    assert set(done.left.values()) == {0}
    assert count(store, "unit_id = 'ann-1234567' OR input_text = 'my own secret'") == 0
    assert count(store, "session_id = 'session-of-ann-1234567'") == 0
    assert count(store, "comment = 'what a shame' OR correction = 'it should be'", "feedback") == 0
    assert count(store, "rationale = 'said rudely'", "scores") == 0
    assert count(store, "unit_id = 'ann-1234567'", "experiment_units") == 0
    # Of others, all stays.
    assert count(store, "unit_id = 'bob-1234567' AND input_text = 'of somebody else'") == 60
    assert count(store, "comment = 'of somebody else'", "feedback") == 1
    assert count(store, "rationale = 'of somebody else'", "scores") == 1
    assert count(store, "status = 'open'", "dead_letters") == 1


def test_every_number_stays_what_it_was(store: Store) -> None:
    before = versions(store.reader()).items
    units = count(store, "TRUE", "(SELECT DISTINCT unit_id FROM requests)")
    forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    assert versions(store.reader()).items == before
    assert count(store, "TRUE", "(SELECT DISTINCT unit_id FROM requests)") == units
    report = audit(store, waiting=0, deep=True)
    assert report.ok, report.summary


def test_files_hold_nothing_of_them_once_the_old_ones_are_deleted(store: Store) -> None:
    forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    delete_retired_files(store, grace_s=0, now=NOW + timedelta(hours=1))
    files = list(store.directory.rglob("*.parquet"))
    assert files
    for path in files:
        text = str(pl.read_parquet(path).to_dicts()).encode()
        assert not any(each in text for each in TEXTS), path


def test_what_is_said_later_about_forgotten_calls_goes_with_the_next(store: Store) -> None:
    """Also what was left when the first time ended half-way: calls are known by their pseudonyms."""
    (call,) = store.reader().rows(
        "SELECT request_id, event_time FROM requests WHERE unit_id = 'ann-1234567' LIMIT 1"
    )
    forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    late = feedback(400, call, thumbs="up", comment="what a shame")
    store.commit(Feed(offset=125).batch([], [late], [score(401, call, 0.5) | {"rationale": "said rudely"}]))
    done = forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    assert (done.request_ids, len(done.all_request_ids)) == ([], 30)
    assert (done.rows["feedback"], done.rows["scores"], set(done.left.values())) == (1, 1, {0})
    assert count(store, "comment = 'what a shame'", "feedback") == 0
    assert count(store, "rationale = 'said rudely'", "scores") == 0
    assert count(store, "comment = 'of somebody else'", "feedback") == 1


def test_forgetting_twice_or_nobody_does_nothing(store: Store) -> None:
    forget_units(store, ["ann-1234567"], MergePolicy(), NOW)
    for unit in ("ann-1234567", "nobody-here"):
        done = forget_units(store, [unit], MergePolicy(), NOW)
        assert (done.request_ids, done.files, set(done.rows.values())) == ([], 0, {0})
