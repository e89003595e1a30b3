from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.store import Store, StoreSettings

SMALL = StoreSettings(segment_min_rows=10, segment_min_day_rows=4, threads=1, memory_limit_mb=256)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in which ten rows are a large batch."""
    opened = Store.open(tmp_path / "store", SMALL)
    yield opened
    opened.close()
