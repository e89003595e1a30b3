import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.maintenance.policy import SealPolicy
from coalmine_consumers.maintenance.row_groups import write_stream
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.store import Segment, Store, live_segments
from tests.support.data.store_feed import START, Feed, feedback, many_requests, request, score
from tests.support.oracles.store_state import all_raw_rows, by_hand, count, query, raw_rows, rows_in_file

EVERYTHING = SealPolicy(max_rows=1, min_day_rows=1)


def segments(store: Store) -> list[Segment]:
    with store.cursor() as cursor:
        return live_segments(cursor)


def test_hot_rows_become_one_segment_a_day_and_every_row_stays_as_it_was(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    requests = [request(n, START + timedelta(hours=n), metrics=[("ease", n / 3)]) for n in range(40)]
    store.commit(
        Feed().batch(
            requests,
            [feedback(n, requests[n], thumbs="up", rating=4.5) for n in range(30)],
            [score(1, requests[3], 0.25)],
        )
    )
    before = all_raw_rows(store)
    for event in ("requests", "feedback", "scores"):
        sealed = seal(store, event, EVERYTHING, START + timedelta(days=3))
        assert sealed is not None
        assert sealed.rows == len(before[event])
        assert count(store, f"{event}_hot") == 0
    assert all_raw_rows(store) == before
    days = [segment for segment in segments(store) if segment.event == "requests"]
    assert [(segment.day.day, segment.rows) for segment in days] == [(10, 16), (11, 24)]
    for segment in days:
        assert rows_in_file(str(tmp_path / segment.path)) == segment.rows
        assert segment.min_event_time.date() == segment.max_event_time.date() == segment.day
    store.close()
    again = Store.open(tmp_path)
    assert all_raw_rows(again) == before
    again.close()


def test_a_segment_is_sorted_by_event_time_and_bounds_its_ids(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    feed = Feed()
    for number in (5, 1, 4, 2):
        store.commit(feed.batch([request(number, START + timedelta(minutes=number))]))
    sealed = seal(store, "requests", EVERYTHING, START)
    assert sealed is not None
    (segment,) = sealed.segments
    times = query(store, f"SELECT event_time FROM read_parquet('{tmp_path / segment.path}')")
    assert times == sorted(times)
    ids = query(store, "SELECT min(request_id), max(request_id) FROM requests")
    assert (str(segment.min_id), str(segment.max_id)) == ids[0]
    store.close()


def test_nothing_is_sealed_before_it_is_due(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.commit(Feed().batch([request(n) for n in range(10)]))
    ((ingested_at,),) = query(store, "SELECT min(ingested_at) FROM requests_hot")
    policy = SealPolicy(max_rows=11, max_age_s=60, min_day_rows=5, small_day_max_age_s=3600)
    assert seal(store, "requests", policy, ingested_at + timedelta(seconds=59)) is None
    assert seal(store, "scores", policy, ingested_at + timedelta(days=9)) is None
    assert seal(store, "requests", policy, ingested_at + timedelta(seconds=60)) is not None
    store.close()


def test_commits_that_end_while_a_segment_is_written_stay_hot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path)
    feed = Feed()
    store.commit(feed.batch([request(n) for n in range(10)]))

    def commit_meanwhile(*arguments: object) -> int:
        rows = write_stream(*arguments)  # type: ignore[arg-type]
        thread = threading.Thread(target=store.commit, args=(feed.batch([request(n) for n in range(5, 15)]),))
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "a commit had to wait for a seal"
        return rows

    monkeypatch.setattr(f"{seal.__module__}.write_stream", commit_meanwhile)
    sealed = seal(store, "requests", EVERYTHING, START)
    assert sealed is not None and sealed.rows == 10
    assert count(store, "requests_hot") == 5
    assert len(raw_rows(store, "requests")) == 15
    store.close()


def test_a_seal_that_was_overtaken_changes_nothing_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path)
    store.commit(Feed().batch([request(n) for n in range(10)]))

    def lose_a_row_meanwhile(*arguments: object) -> int:
        rows = write_stream(*arguments)  # type: ignore[arg-type]
        by_hand(store, "DELETE FROM requests_hot WHERE latency_ms = 103")
        return rows

    monkeypatch.setattr(f"{seal.__module__}.write_stream", lose_a_row_meanwhile)
    with pytest.raises(MaintenanceConflict, match="10 hot rows were written, 9 were found"):
        seal(store, "requests", EVERYTHING, START)
    assert count(store, "requests") == count(store, "requests_hot") == 9
    assert not [path for path in (tmp_path / "segments").rglob("*") if path.is_file()]
    store.close()


def test_readers_see_every_row_once_at_every_moment(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    feed = Feed()
    wrong: list[tuple[int, int]] = []
    stop = threading.Event()

    def watch() -> None:
        least = 0
        while not stop.is_set():
            rows, distinct = query(store, "SELECT count(*), count(DISTINCT request_id) FROM requests")[0]
            if rows != distinct or rows % 500 or rows < least:
                wrong.append((rows, distinct))
            least = rows
            time.sleep(0.02)  # the store's own work needs the processor, too

    watchers = [threading.Thread(target=watch, daemon=True) for _ in range(2)]
    for each in watchers:
        each.start()
    for seed in range(6):
        store.commit(feed.batch(many_requests(500, seed)))
        seal(store, "requests", EVERYTHING, START)
    stop.set()
    for each in watchers:
        each.join(10)
    assert not wrong
    assert len(segments(store)) == 6
    store.close()
