from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import START, Feed, many_requests, reactions_to

SMALL = StoreSettings(segment_min_rows=500, segment_min_day_rows=50, threads=1, memory_limit_mb=256)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store", SMALL)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three days of requests with feedback and scores, in hot rows and segments, in several batches.

    To read only: it serves all files.
    """
    opened = Store.open(tmp_path_factory.mktemp("filled"), SMALL)
    feed = Feed()
    for number, (count, hours) in enumerate([(2_000, 60.0), (300, 5.0), (900, 30.0)]):
        start = START + timedelta(hours=7 * number)
        requests = many_requests(count, seed=number, start=start, hours=hours)
        feedback, scores = reactions_to(requests, seed=number)
        opened.commit(feed.batch(requests, feedback, scores))
    yield opened
    opened.close()
