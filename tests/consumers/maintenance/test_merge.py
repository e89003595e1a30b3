import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from coalmine_consumers.errors import MaintenanceConflict, StoreDamaged
from coalmine_consumers.maintenance.files import delete_retired_files
from coalmine_consumers.maintenance.merge import merge, plan
from coalmine_consumers.maintenance.policy import MergePolicy, SealPolicy
from coalmine_consumers.maintenance.row_groups import write_stream
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.store import Store, StoreSettings, live_segments
from coalmine_consumers.store.segments import SegmentWriter
from tests.support.data.store_feed import START, Feed, many_requests, reactions_to, request
from tests.support.oracles.store_state import all_raw_rows, delete_from_file, query, rows_in_file

NOW = START + timedelta(days=2)
POLICY = MergePolicy(settle_s=0)
EVERYTHING = SealPolicy(max_rows=1, min_day_rows=1)


@pytest.fixture(scope="module")
def small_segments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with three segments of each event in a day, of 200 requests each."""
    directory = tmp_path_factory.mktemp("small") / "store"
    store = Store.open(directory)
    feed = Feed()
    for seed in range(3):
        requests = many_requests(200, seed)
        store.commit(feed.batch(requests, *reactions_to(requests, seed)))
        for event in ("requests", "feedback", "scores"):
            seal(store, event, EVERYTHING, NOW)
    store.close()
    return directory


@pytest.fixture
def store(small_segments: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of it to merge."""
    store = Store.open(shutil.copytree(small_segments, tmp_path, dirs_exist_ok=True))
    yield store
    store.close()


def merge_all(store: Store) -> int:
    plans = plan(store, POLICY, NOW)
    for each in plans:
        merge(store, each, POLICY, NOW)
    return len(plans)


def files(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / "segments").rglob("*") if path.is_file())


def test_merging_changes_no_row_and_leaves_one_sorted_segment_a_day(store: Store, tmp_path: Path) -> None:
    before = all_raw_rows(store)
    assert len(before["requests"]) == 600
    assert merge_all(store) == 3
    assert all_raw_rows(store) == before
    with store.cursor() as cursor:
        live = live_segments(cursor)
    assert sorted(segment.event for segment in live) == ["feedback", "requests", "scores"]
    for segment in live:
        times = query(store, f"SELECT event_time FROM read_parquet('{tmp_path / segment.path}')")
        assert times == sorted(times)
        assert (segment.min_event_time,) == times[0]
        assert (segment.max_event_time,) == times[-1]
    assert merge_all(store) == 0
    store.close()
    again = Store.open(tmp_path)
    assert all_raw_rows(again) == before
    again.close()


def test_old_files_stay_for_the_grace_period_and_then_go(store: Store, tmp_path: Path) -> None:
    old = files(tmp_path)
    merge_all(store)
    reading = store.cursor()
    first = query(store, f"SELECT count(*) FROM read_parquet({[str(path) for path in old]})")
    assert delete_retired_files(store, grace_s=60, now=NOW + timedelta(seconds=59)) == []
    assert set(old) < set(files(tmp_path))
    deleted = delete_retired_files(store, grace_s=60, now=NOW + timedelta(seconds=60))
    assert sorted(tmp_path / path for path in deleted) == old
    assert len(files(tmp_path)) == 3
    assert first == [(sum(len(rows) for rows in all_raw_rows(store).values()),)]
    assert delete_retired_files(store, grace_s=60, now=NOW + timedelta(days=9)) == []
    assert query(store, "SELECT count(*) FROM segments") == [(3,)], (
        "deleted segments are forgotten in the end"
    )
    reading.close()


def test_a_query_that_began_before_a_merge_reads_on(store: Store) -> None:
    with store.cursor() as cursor:
        cursor.begin()
        before = cursor.sql("SELECT count(*) FROM requests").fetchall()
        merge_all(store)
        assert cursor.sql("SELECT count(*), count(DISTINCT request_id) FROM requests").fetchall() == [
            (600, 600)
        ]
        assert before == [(600,)]
        cursor.rollback()


def test_a_plan_that_was_overtaken_changes_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (chosen, *_) = plan(store, POLICY, NOW)
    name = f"{merge.__module__}.write_stream"

    def merge_meanwhile(writer: SegmentWriter, batches: Iterable[pa.RecordBatch]) -> int:
        rows = write_stream(writer, batches)
        monkeypatch.setattr(name, write_stream)
        merge(store, chosen, POLICY, NOW)
        return rows

    monkeypatch.setattr(name, merge_meanwhile)
    before = all_raw_rows(store)
    with pytest.raises(MaintenanceConflict, match="no longer live"):
        merge(store, chosen, POLICY, NOW)
    with pytest.raises(MaintenanceConflict, match="no longer live"):
        merge(store, chosen, POLICY, NOW)
    assert all_raw_rows(store) == before
    manifest = {tmp_path / path for (path,) in query(store, "SELECT path FROM segments")}
    assert set(files(tmp_path)) == manifest


def test_damage_is_never_merged_away(store: Store, tmp_path: Path) -> None:
    with store.cursor() as cursor:
        victim, other, *_ = live_segments(cursor, "requests")
    path = tmp_path / victim.path
    delete_from_file(path, "latency_ms = (SELECT max(latency_ms) FROM rows)")
    assert rows_in_file(str(path)) == 199
    plans = {each.event: each for each in plan(store, POLICY, NOW)}
    with pytest.raises(StoreDamaged, match="hold 599 rows, the manifest says 600"):
        merge(store, plans["requests"], POLICY, NOW)
    (tmp_path / other.path).unlink()
    with pytest.raises(StoreDamaged, match=str(other.segment_id)):
        merge(store, plans["requests"], POLICY, NOW)
    assert query(store, "SELECT count(*) FROM segments WHERE retired_at IS NOT NULL") == [(0,)]


def test_a_merge_of_long_texts_needs_little_memory(tmp_path: Path) -> None:
    store = Store.open(tmp_path, StoreSettings(segment_min_rows=1, segment_min_day_rows=1))
    feed = Feed()
    for part in range(12):
        texts = [
            request(n * 12 + part, START + timedelta(seconds=n), input_text=f"{n}-{part} " * 4_000)
            for n in range(400)
        ]
        store.commit(feed.batch(texts))
    summary = "SELECT count(*), sum(length(input_text)), bit_xor(hash(request_id, input_text)) FROM requests"
    before = query(store, summary)
    tight = MergePolicy(settle_s=0, memory_limit_mb=128)  # the texts take 160 MB
    now = datetime.now(UTC) + timedelta(seconds=1)
    (chosen,) = plan(store, tight, now)
    assert chosen.rows == 4_800
    merge(store, chosen, tight, now)
    assert query(store, summary) == before
    store.close()


def test_one_segment_alone_is_no_plan(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.commit(Feed().batch([request(1)]))
    seal(store, "requests", EVERYTHING, NOW)
    assert plan(store, POLICY, NOW) == []
    store.close()
