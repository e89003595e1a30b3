"""Snapshots for replicas: made beside ingest, none where nothing changed, and old ones deleted."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.store import Store
from coalmine_consumers.store.lock import StoreLock
from coalmine_consumers.store.store import LOCK_FILE
from coalmine_server.services.snapshots import MARK, Snapshots, as_of, delete, newest_first, tidy
from tests.support.data.store_feed import many_requests
from tests.support.oracles.store_state import all_raw_rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


def feed_store(store: Store, rows: int) -> None:
    """Enough for a segment file."""
    place = TopicPartition("coalmine.requests", "0")
    requests = many_requests(rows)
    store.commit(DecodedBatch({"requests": requests}, (), {"requests": rows}, {place: 0}, {place: rows}))


def change(store: Store) -> None:
    with store.transaction():
        pass


def test_a_snapshot_is_a_store_as_of_a_moment(tmp_path: Path, store: Store) -> None:
    feed_store(store, 30_000)
    snapshots = Snapshots(tmp_path / "snapshots")
    made = snapshots.take(store, None)
    assert made.is_new
    assert list(Path(made.directory).rglob("*.parquet"))
    assert as_of(Path(made.directory)) == made.as_of
    copy = Store.open(Path(made.directory))
    assert all_raw_rows(copy) == all_raw_rows(store)
    assert copy.positions() == store.positions()
    copy.close()


def test_none_is_made_while_the_store_is_as_the_one_that_is_known(tmp_path: Path, store: Store) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    first = snapshots.take(store, None)
    again = snapshots.take(store, first.id)
    assert (again.id, again.is_new, len(newest_first(snapshots.folder))) == (first.id, False, 1)
    assert again.as_of > first.as_of
    change(store)
    assert snapshots.take(store, first.id).is_new
    # Another process knows nothing of what this one made.
    assert Snapshots(snapshots.folder).take(store, first.id).is_new


def test_one_that_somebody_has_deleted_is_made_anew(tmp_path: Path, store: Store) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    first = snapshots.take(store, None)
    shutil.rmtree(first.directory)
    again = snapshots.take(store, first.id)
    assert again.is_new
    assert as_of(Path(again.directory)) is not None


def test_those_that_somebody_holds_stay_and_of_the_others_the_newest(tmp_path: Path, store: Store) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    made = []
    for _ in range(4):
        change(store)
        made.append(snapshots.take(store, None).id)
    held = StoreLock(snapshots.folder / made[-2] / LOCK_FILE)
    unfinished = snapshots.folder / ".half"
    unfinished.mkdir()
    (snapshots.folder / made[-1] / MARK).unlink()  # its deletion had begun
    tidy(snapshots.folder)
    assert [path.name for path in newest_first(snapshots.folder)] == [made[-2]]
    assert not unfinished.exists()
    held.release()
    change(store)
    newest = snapshots.take(store, None)
    assert [path.name for path in newest_first(snapshots.folder)] == [newest.id, made[-2]]
    delete(Path(newest.directory))
    assert as_of(Path(newest.directory)) is None
