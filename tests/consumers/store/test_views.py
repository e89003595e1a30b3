from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from coalmine_consumers.store import Store, segment_scan
from tests.support.data.store_feed import Feed, feedback, request, score

REQUESTS = [request(number) for number in range(12)]


def test_views_show_hot_rows_and_segments_as_one_table(store: Store) -> None:
    feed = Feed()
    store.commit(
        feed.batch(
            REQUESTS,
            [feedback(100 + number, row) for number, row in enumerate(REQUESTS)],
            [score(200 + number, row, 1.0) for number, row in enumerate(REQUESTS)],
        )
    )
    store.commit(feed.batch([request(50)], [feedback(150, request(50))], [score(250, request(50), 1.0)]))
    for event in ("requests", "feedback", "scores"):
        found = store.reader().table(f"SELECT * FROM {event}")
        assert found.num_rows == 13
        hot = store.reader().table(f"SELECT * FROM {event}_hot").column_names
        if event == "scores":  # late outcomes stand for scores of the calls they are attributed to
            hot = [*(name for name in hot if name not in {"unit_id", "session_id", "prompt"}), "is_outcome"]
        assert found.column_names == hot
        assert set(found["ingest_id"].to_pylist()) == {1, 2}


def test_a_condition_on_ids_skips_row_groups(store: Store) -> None:
    feed = Feed()
    for minute in range(3):
        store.commit(feed.batch([request(number + 100 * minute) for number in range(12)]))
    wanted = REQUESTS[3]["request_id"]
    with store.cursor() as cursor:
        ((_, plan),) = cursor.sql(
            "EXPLAIN ANALYZE SELECT prompt FROM requests WHERE request_id = $id", params={"id": wanted}
        ).fetchall()
    assert "Row Groups Scanned: 1 / 3" in plan


def test_a_column_that_an_older_segment_lacks_reads_as_null(tmp_path: Path) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE requests_hot (request_id UUID, later STRUCT(a INTEGER)[])")
    pq.write_table(pa.table({"request_id": pa.array([b"\x00" * 16], pa.uuid())}), tmp_path / "old.parquet")
    scan = segment_scan(connection, "requests", [str(tmp_path / "old.parquet")])
    assert connection.sql(f"SELECT later FROM {scan}").fetchall() == [(None,)]


def test_sql_that_a_person_writes_just_works(store: Store) -> None:
    store.commit(Feed().batch(REQUESTS))
    found = store.reader().table(
        "SELECT prompt, avg(latency_ms) AS ms FROM requests WHERE event_time > '2026-01-01' GROUP BY prompt"
    )
    assert found.to_pylist() == [{"prompt": "refund", "ms": 105.5}]
