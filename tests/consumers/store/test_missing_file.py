"""A segment file that somebody deleted stops nothing but an audit."""

from pathlib import Path

from coalmine_consumers.audit import audit
from coalmine_consumers.store import Store, StoreSettings, live_segments
from tests.support.data.store_feed import Feed, feedback, request
from tests.support.oracles.store_state import count

SETTINGS = StoreSettings(segment_min_rows=10, segment_min_day_rows=1)


def test_ingest_queries_and_the_next_start_go_on_without_a_deleted_segment_file(tmp_path: Path) -> None:
    store = Store.open(tmp_path, SETTINGS)
    feed = Feed()
    requests = [request(n) for n in range(20)]
    store.commit(feed.batch(requests))
    with store.cursor() as cursor:
        (segment,) = live_segments(cursor)
    (tmp_path / segment.path).unlink()
    result = store.commit(feed.batch([request(n) for n in range(10, 40)], [feedback(1, requests[0])]))
    assert (result.stored, result.duplicates) == (31, 0)
    store.close()
    again = Store.open(tmp_path, SETTINGS)
    assert count(again, "requests") == 30
    assert count(again, "pending_feedback") == 1
    report = audit(again)
    assert not report.ok
    assert segment.path in report.missing[0]
    again.close()
