"""The snapshot that a replica answers from: found, held, replaced, and kept as long as a request reads it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_schemas.discovery import announce_server
from coalmine_server.errors import Unavailable
from coalmine_server.services.owned_store import NotReady
from coalmine_server.services.snapshots import FOLDER, Snapshots, newest_first
from coalmine_server.settings import Settings
from coalmine_server.workers.snapshots import MOST_RETIRED, SnapshotStores


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db") as opened:
        yield opened


@pytest.fixture
def stores(tmp_path: Path, registry: Registry) -> Iterator[SnapshotStores]:
    made = SnapshotStores(Settings(home=tmp_path), registry)
    yield made
    made.close()


def test_a_replica_begins_with_the_newest_that_nobody_holds_while_the_owner_is_away(
    tmp_path: Path, store: Store, registry: Registry, stores: SnapshotStores
) -> None:
    stores.adopt()
    with pytest.raises(NotReady, match="waiting for a snapshot"):
        stores.owned_store()
    with pytest.raises(Unavailable, match="no server owns the store"):
        stores.renew()
    reason = stores.why_not_ready()
    assert reason is not None
    assert "no server owns the store" in str(reason)
    announce_server(tmp_path, "http://127.0.0.1:9", "store", "secret")
    with pytest.raises(Unavailable, match=":9, does not answer"):
        stores.renew()
    snapshots = Snapshots(tmp_path / FOLDER)
    older = snapshots.take(store, None)
    stores.adopt()
    assert (stores.why_not_ready(), stores.as_of()) == (None, older.as_of)
    assert stores.owned_store().as_of() == older.as_of
    other = SnapshotStores(Settings(home=tmp_path), registry)
    other.adopt()  # that one is held
    assert other.as_of() is None
    stores.close()
    assert [path.name for path in newest_first(tmp_path / FOLDER)] == [older.id]
    other.adopt()
    assert other.as_of() == older.as_of
    other.close()


def test_while_requests_read_older_snapshots_no_other_is_taken(
    tmp_path: Path, store: Store, stores: SnapshotStores
) -> None:
    snapshots = Snapshots(tmp_path / FOLDER)
    requests = []
    for _ in range(MOST_RETIRED + 1):
        snapshots.take(store, None)
        stores.adopt()
        requests.append(stores.begin())
    with pytest.raises(Unavailable, match=f"still read {MOST_RETIRED} older"):
        stores.renew()
    assert len(newest_first(tmp_path / FOLDER)) == MOST_RETIRED + 1
    # What began last read nothing older.
    for request in requests[:-1]:
        stores.end(request)
    with pytest.raises(Unavailable, match="no server owns the store"):
        stores.renew()
    assert len(newest_first(tmp_path / FOLDER)) == 1
    assert stores.owned_store().store.reader().rows("SELECT 1 AS one") == [{"one": 1}]
