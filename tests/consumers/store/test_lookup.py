from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from coalmine_consumers.store import Store, StoreSettings
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.lookup import _segments_with, request_facts, stored_positions
from tests.support.data.store_feed import START, Feed, request

HOURS = [
    [request(100 * hour + number, START + timedelta(hours=hour)) for number in range(12)] for hour in range(5)
]


def ids(*texts: str) -> Ids:
    return Ids.from_arrow(pa.array(texts, pa.string()))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One segment per hour, and one hot request an hour later; to read only."""
    settings = StoreSettings(segment_min_rows=10, segment_min_day_rows=4, threads=1, memory_limit_mb=256)
    store, feed = Store.open(tmp_path_factory.mktemp("filled") / "store", settings), Feed()
    for rows in HOURS:
        store.commit(feed.batch(rows))
    store.commit(feed.batch([request(999, START + timedelta(hours=5), response_model="m-2")]))
    yield store
    store.close()


def chosen(store: Store, wanted: Ids) -> list[int]:
    """Which hours' segments a look-up would read."""
    with store.transaction() as connection:
        paths = _segments_with(connection, store.directory, "requests", wanted)
        found = connection.sql(
            "SELECT path FROM segments WHERE event = 'requests' ORDER BY min_event_time"
        ).fetchall()
    order = [str(store.directory / path) for (path,) in found]
    return sorted(order.index(path) for path in paths)


def test_only_segments_that_an_id_falls_into_are_read(filled: Store) -> None:
    first, fourth = HOURS[0][5]["request_id"], HOURS[3][5]["request_id"]
    assert chosen(filled, ids(fourth)) == [3]
    # Bounds of all wanted ids would take in hours 1 and 2 as well.
    assert chosen(filled, ids(first, fourth)) == [0, 3]
    between = request(50, START + timedelta(minutes=30))["request_id"]
    assert chosen(filled, ids(between)) == []
    assert chosen(filled, Ids.none()) == []


def test_bounds_belong_to_a_segment(filled: Store) -> None:
    for edge in (HOURS[2][0], HOURS[2][-1]):
        assert chosen(filled, ids(edge["request_id"])) == [2]


def test_stored_ids_are_found_wherever_they_are(filled: Store) -> None:
    hot = request(999, START + timedelta(hours=5))["request_id"]
    unknown = request(998, START + timedelta(hours=5))["request_id"]
    wanted = ids(unknown, HOURS[4][0]["request_id"], hot, HOURS[0][11]["request_id"], unknown)
    with filled.transaction() as connection:
        found = stored_positions(connection, filled.directory, "requests", wanted)
        assert np.array_equal(found, [1, 2, 3])
        assert len(stored_positions(connection, filled.directory, "scores", wanted)) == 0
        assert len(stored_positions(connection, filled.directory, "requests", Ids.none())) == 0


def test_facts_are_those_of_the_wanted_request(filled: Store) -> None:
    hot = request(999, START + timedelta(hours=5))["request_id"]
    with filled.transaction() as connection:
        found = request_facts(connection, filled.directory, ids(hot, HOURS[3][7]["request_id"], hot))
    rows = sorted(found.to_pylist(), key=lambda row: row["position"])
    assert [row["position"] for row in rows] == [0, 1, 2]
    assert [row["model"] for row in rows] == ["m-2", "gpt-4o-mini", "m-2"]
    assert rows[1]["event_time"] == HOURS[3][7]["event_time"]
    assert rows[1]["unit_group"] == HOURS[3][7]["unit_group"]
