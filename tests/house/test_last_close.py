"""What a test closes itself has been written; what is closed after it, nobody reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.store import Store
from tests.support.data.store_feed import Feed, request


@pytest.fixture
def left_open(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "left")
    yield store
    store.close()
    assert (tmp_path / "left" / "coalmine.duckdb.wal").exists()


def test_only_stores_that_are_closed_after_their_test_are_closed_without_a_checkpoint(
    left_open: Store, tmp_path: Path
) -> None:
    left_open.commit(Feed().batch([request(1)]))
    store = Store.open(tmp_path / "closed")
    store.commit(Feed().batch([request(1)]))
    store.close()
    assert not (tmp_path / "closed" / "coalmine.duckdb.wal").exists()
