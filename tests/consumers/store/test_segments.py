from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coalmine_consumers.store import Segment, write_segment
from coalmine_consumers.store.rows import stored_rows
from coalmine_consumers.store.segments import ROW_GROUP_ROWS, SegmentWriter
from tests.support.campaign import size
from tests.support.data.store_feed import START, many_requests, request, table

NOW = datetime(2026, 3, 11, tzinfo=UTC)


def rows(count: int = 5) -> pa.Table:
    return stored_rows("requests", many_requests(count), ingest_id=3, ingested_at=NOW)


def test_a_segment_is_plain_parquet_that_others_can_read(tmp_path: Path) -> None:
    segment = write_segment(tmp_path, "requests", START.date(), rows(), created_at=NOW)
    frame = pl.read_parquet(tmp_path / segment.path)
    assert frame.height == segment.rows == 5
    assert set(frame["ingest_id"]) == {3}
    assert frame.schema["event_time"] == pl.Datetime("us", "UTC")
    assert frame.schema["metrics"] == pl.List(pl.Struct({"key": pl.String, "value": pl.Float64}))
    assert segment.path == f"segments/requests/day=2026-03-10/{segment.segment_id}.parquet"


def test_the_manifest_row_says_what_look_ups_need(tmp_path: Path) -> None:
    written = rows()
    segment = write_segment(tmp_path, "requests", START.date(), written, created_at=NOW)
    times = written["event_time"].to_pylist()
    ids = [UUID(bytes=each) for each in written["request_id"].combine_chunks().storage.to_pylist()]
    assert segment == Segment(
        segment_id=segment.segment_id,
        event="requests",
        path=segment.path,
        day=START.date(),
        rows=5,
        size_bytes=(tmp_path / segment.path).stat().st_size,
        min_event_time=min(times),
        max_event_time=max(times),
        min_id=min(ids),
        max_id=max(ids),
        created_at=NOW,
    )


def test_ids_may_come_as_text(tmp_path: Path) -> None:
    columns = rows()
    text = pa.array([str(UUID(bytes=each.bytes)) for each in columns["request_id"].to_pylist()])
    as_text = columns.set_column(0, "request_id", text)
    segment = write_segment(tmp_path, "requests", START.date(), as_text, created_at=NOW)
    assert pq.read_table(tmp_path / segment.path)["request_id"].type == pa.uuid()


def test_rows_are_cut_into_groups_that_can_be_skipped(tmp_path: Path) -> None:
    many = pa.concat_tables([rows(1000)] * (ROW_GROUP_ROWS // 1000 + 1))
    segment = write_segment(tmp_path, "requests", START.date(), many, created_at=NOW)
    metadata = pq.ParquetFile(tmp_path / segment.path).metadata
    assert [metadata.row_group(group).num_rows for group in range(2)] == [ROW_GROUP_ROWS, 1000]
    id_column = metadata.row_group(0).column(0)
    assert (id_column.path_in_schema, id_column.statistics.has_min_max) == ("request_id", True)


def test_a_writer_that_is_left_early_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        SegmentWriter(tmp_path, "requests", START.date(), created_at=NOW) as writer,
    ):
        writer.write(rows())
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path, "requests", START.date(), created_at=NOW) as writer:
        writer.write(rows())
        assert list(tmp_path.rglob("*.parquet")) == []
        segment = writer.finish()
    assert list(tmp_path.rglob("*.parquet")) == [tmp_path / segment.path]


def test_a_days_folder_may_be_removed_at_any_moment_while_it_is_empty(tmp_path: Path) -> None:
    done = Event()

    def housekeeping() -> None:
        while not done.is_set():
            for folder in (tmp_path / "segments" / "requests").glob("day=*"):
                with suppress(OSError):
                    folder.rmdir()

    remover = Thread(target=housekeeping)
    remover.start()
    try:
        for _ in range(size(40, 400)):
            segment = write_segment(tmp_path, "requests", START.date(), rows(), created_at=NOW)
            (tmp_path / segment.path).unlink()
    finally:
        done.set()
        remover.join()


def test_texts_survive_whatever_they_hold(tmp_path: Path) -> None:
    wild = request(1, START + timedelta(hours=1), input_text="\x00ü\n\U0001f600", output_text="x" * 200_000)
    stored = stored_rows("requests", table("requests", [wild]), 1, NOW)
    segment = write_segment(tmp_path, "requests", START.date(), stored, created_at=NOW)
    (found,) = pq.read_table(tmp_path / segment.path).to_pylist()
    assert (found["input_text"], found["output_text"]) == (wild["input_text"], wild["output_text"])
