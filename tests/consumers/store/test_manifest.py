from datetime import UTC, datetime
from pathlib import Path

from coalmine_consumers.store import (
    Segment,
    Store,
    live_segments,
    missing_files,
    record_segment,
    refresh_view,
    retire_segments,
    write_segment,
)
from coalmine_consumers.store.rows import stored_rows
from tests.support.data.store_feed import START, Feed, many_requests

NOW = datetime(2026, 3, 11, tzinfo=UTC)


def add(store: Store, seed: int, *, recorded: bool = True) -> Segment:
    rows = stored_rows("requests", many_requests(20, seed), 1, NOW)
    segment = write_segment(store.directory, "requests", START.date(), rows, created_at=NOW)
    if recorded:
        with store.transaction() as connection:
            record_segment(connection, segment)
            refresh_view(connection, store.directory, "requests")
    return segment


def retire(store: Store, segment: Segment) -> None:
    with store.transaction() as connection:
        retire_segments(connection, [segment.segment_id], "retention", NOW)
        refresh_view(connection, store.directory, "requests")


def visible(store: Store) -> int:
    (row,) = store.reader().table("SELECT count(*) AS n FROM requests").to_pylist()
    return int(row["n"])


def live(store: Store) -> list[Segment]:
    with store.transaction() as connection:
        return live_segments(connection)


def test_a_recorded_segment_comes_back_as_it_was(store: Store) -> None:
    segment = add(store, 1)
    assert live(store) == [segment]
    assert visible(store) == 20


def test_a_retired_segment_is_no_part_of_the_data_but_its_file_stays(store: Store) -> None:
    kept, gone = add(store, 1), add(store, 2)
    retire(store, gone)
    assert live(store) == [kept]
    assert visible(store) == 20
    assert (store.directory / gone.path).is_file()
    (row,) = store.reader().table("SELECT * FROM segments WHERE retired_at IS NOT NULL").to_pylist()
    assert (row["segment_id"], row["retired_reason"], row["deleted_at"]) == (
        str(gone.segment_id),
        "retention",
        None,
    )


def test_the_start_removes_files_without_a_row_and_files_of_retired_rows(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    kept, retired, unrecorded = add(store, 1), add(store, 2), add(store, 3, recorded=False)
    retire(store, retired)
    unfinished = (store.directory / kept.path).with_suffix(".tmp")
    unfinished.write_bytes(b"half a file")
    store.close()
    store = Store.open(tmp_path)
    assert sorted(path for path in (tmp_path / "segments").rglob("*") if path.is_file()) == [
        tmp_path / kept.path
    ]
    assert not (tmp_path / unrecorded.path).exists()
    assert live(store) == [kept]
    (row,) = store.reader().table("SELECT * FROM segments WHERE deleted_at IS NOT NULL").to_pylist()
    assert row["segment_id"] == str(retired.segment_id)
    store.close()


def test_a_missing_file_is_found(store: Store) -> None:
    kept, lost = add(store, 1), add(store, 2)
    (store.directory / lost.path).unlink()
    assert missing_files(store.directory, [kept, lost]) == [lost]


def test_a_store_may_be_moved(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "before")
    feed = Feed()
    store.commit(feed.batch(many_requests(30_000)))
    store.close()
    (tmp_path / "before").rename(tmp_path / "after's place")
    store = Store.open(tmp_path / "after's place")
    assert visible(store) == 30_000
    store.close()
