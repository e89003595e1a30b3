import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coalmine_consumers.store import Reader, Store
from tests.support.campaign import size
from tests.support.data.store_feed import Feed, feedback, request, score

AGREE = """
SELECT
    (SELECT count(*) FROM requests) AS raw,
    (SELECT sum(requests)::BIGINT FROM rollups WHERE resolution = 'day') AS rolled,
    (SELECT sum(feedback)::BIGINT FROM rollups WHERE resolution = 'day') AS feedback,
    (SELECT sum(consumed)::BIGINT FROM batches) AS consumed,
    (SELECT sum(next_offset)::BIGINT FROM source_positions) AS position
"""


@contextmanager
def reading(reader: Reader, problems: list[object], looks: list[int]) -> Iterator[None]:
    """Four threads that look again and again while the block runs, and check that all tables agree."""
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                (row,) = reader.table(AGREE).to_pylist()
                looks.append(row["raw"])
                raw = row["raw"]
                if raw and (row["rolled"], row["feedback"], row["consumed"]) != (raw, raw, 3 * raw):
                    problems.append(row)
                if raw and row["position"] != 3 * raw:
                    problems.append(row)
                time.sleep(0.05)  # the writer needs the processor, too
        except Exception as error:  # noqa: BLE001 - the test fails with it
            problems.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_readers_in_many_threads_see_whole_batches_only_while_the_writer_commits(store: Store) -> None:
    problems: list[object] = []
    looks: list[int] = []
    feed = Feed()
    with reading(store.reader(), problems, looks):
        for number in range(size(6, 40)):
            count = 3 if number % 2 else 12  # hot rows and segments by turns
            rows = [request(100 * number + place) for place in range(count)]
            given = [feedback(100_000 + 100 * number + place, row) for place, row in enumerate(rows)]
            scores = [score(200_000 + 100 * number + place, row, 1.0) for place, row in enumerate(rows)]
            store.commit(feed.batch(rows, given, scores))
    assert problems == []
    assert len(set(looks)) > 1


def test_a_snapshot_stays_as_it_was_while_batches_are_committed(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([request(1)]))
    reader = store.reader()
    with reader.snapshot() as snapshot:
        before = snapshot.table("SELECT count(*) AS n FROM requests").to_pylist()
        store.commit(feed.batch([request(number) for number in range(2, 30)]))
        assert snapshot.table("SELECT count(*) AS n FROM requests").to_pylist() == before == [{"n": 1}]
    assert reader.table("SELECT count(*) AS n FROM requests").to_pylist() == [{"n": 29}]


def test_a_statement_that_fails_leaves_the_reader_usable(store: Store) -> None:
    reader = store.reader()
    for _ in range(3):
        with pytest.raises(Exception, match="nowhere"):
            reader.table("SELECT * FROM nowhere")
    assert reader.table("SELECT $x AS x", {"x": 1}).to_pylist() == [{"x": 1}]
