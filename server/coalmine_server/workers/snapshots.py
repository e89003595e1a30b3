"""The snapshot that a replica answers from: taken from the store's owner, renewed, deleted once unused."""

import shutil
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from coalmine_consumers.errors import StoreLocked
from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_schemas.discovery import find_endpoint, find_server
from coalmine_schemas.errors import CoalmineError
from coalmine_server.client.http import Client, read_as
from coalmine_server.errors import Unavailable
from coalmine_server.results import StoreSnapshot
from coalmine_server.services.owned_store import NotReady, OwnedStore
from coalmine_server.services.snapshots import FOLDER, as_of, delete, newest_first
from coalmine_server.services.store_settings import store_settings
from coalmine_server.settings import Settings
from coalmine_server.workers.worker import Worker

AGAIN_S: Final = 2.0
"""Until the owner is asked again, after it did not answer."""
MOST_RETIRED: Final = 3
"""Older snapshots that requests may still read; none is taken while there are so many."""
OLD_S: Final = 60.0
"""Answers that are older than this, and than three renewals, are said to be old."""

_log = structlog.stdlib.get_logger("coalmine.replica")


@dataclass
class _Taken:
    """A snapshot that is open, and so held."""

    directory: Path
    as_of: datetime
    owned: OwnedStore


@dataclass
class _Retired:
    """One that was replaced, with the requests that may still read it."""

    taken: _Taken
    readers: set[object]


class SnapshotStores:
    """Implements `coalmine_server.api.app.Stores` and `api.read_only.Answering`. Thread-safe."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        """Takes none yet.

        Args:
            settings: All of them; the home is that of the store's owner.
            registry: Knows how experiments were planned.
        """
        self._settings = settings
        self._registry = registry
        self._lock = threading.Lock()
        self._current: _Taken | None = None
        self._retired: list[_Retired] = []
        self._requests: set[object] = set()
        self._trouble: str | None = None
        self.taken = 0
        """Snapshots taken so far."""

    def why_not_ready(self) -> NotReady | None:
        """None once there is a snapshot, however old."""
        if self._current is not None:
            return None
        reason = f"waiting for a snapshot: {self._trouble or 'asking for one'}"
        return NotReady("starting", reason, at_work=self._trouble is None)

    def why_degraded(self) -> str | None:
        """Says so if answers are old."""
        taken = self._current
        if taken is None:
            return None
        age_s = (datetime.now(UTC) - taken.as_of).total_seconds()
        if age_s <= max(OLD_S, 3 * self._settings.answers.renew_every_s):
            return None
        return f"answers are {age_s:.0f} s old: {self._trouble or 'making a snapshot takes long'}"

    def owned_store(self) -> OwnedStore:
        """The snapshot, as a store of this process."""
        taken = self._current
        if taken is None:
            raise self.why_not_ready() or NotReady("stopping", "shutting down")
        return taken.owned

    def as_of(self) -> datetime | None:
        """See `Answering.as_of`."""
        taken = self._current
        return None if taken is None else taken.as_of

    def begin(self) -> object:
        """See `Answering.begin`."""
        request = object()
        with self._lock:
            self._requests.add(request)
        return request

    def end(self, request: object) -> None:
        """See `Answering.end`."""
        with self._lock:
            self._requests.discard(request)
            for each in self._retired:
                each.readers.discard(request)

    def writer(self) -> str | None:
        """URL of the store's owner; None while nobody knows it."""
        if self._settings.server.url is not None:
            return self._settings.server.url.rstrip("/")
        found = find_server(self._settings.home, "store")
        return None if found is None else found.url.rstrip("/")

    def adopt(self) -> None:
        """Takes the newest snapshot that is there and that nobody holds: the owner may be away."""
        for directory in newest_first(self._settings.home / FOLDER):
            try:
                self._replace(self._opened(directory))
            except (StoreLocked, Unavailable):
                continue
            return

    def renew(self) -> None:
        """Asks the owner for a snapshot, and answers from that; deletes those that nobody reads any more.

        Raises:
            CoalmineError: There is none to be had now; the one there is stays.
        """
        try:
            self._renew()
        except (CoalmineError, OSError) as error:
            self._trouble = str(error).replace("\n", "; ")
            raise
        self._delete_unread()
        self._trouble = None

    def close(self) -> None:
        """Lets go of everything. The snapshot stays, for the next replica to begin with."""
        with self._lock:
            taken, self._current = self._current, None
            retired, self._retired = self._retired, []
        for each in retired:
            _discard(each.taken)
        if taken is not None:
            _close(taken)

    def _renew(self) -> None:
        settings = self._settings
        self._delete_unread()
        if len(self._retired) >= MOST_RETIRED:
            raise Unavailable(f"requests still read {len(self._retired)} older snapshots")
        token = None if settings.token is None else settings.token.get_secret_value()
        owner = find_endpoint(settings.home, "store", url=settings.server.url, token=token)
        if owner is None:
            announced = find_server(settings.home, "store")
            if announced is not None:
                raise Unavailable(f"the server that owns the store, {announced.url}, does not answer")
            raise Unavailable(f"no server owns the store of {settings.home} now")
        taken = self._current
        client = Client(owner.url, owner.token)
        try:
            known = None if taken is None else taken.directory.name
            made = read_as(StoreSnapshot, client.post("/v1/snapshots", {"known": known}, slow=True))
        finally:
            client.close()
        if taken is not None and made.id == taken.directory.name:
            taken.as_of = made.as_of
            return
        self._replace(self._opened(Path(made.directory)))

    def _opened(self, directory: Path) -> _Taken:
        if as_of(directory) is None:
            raise Unavailable(
                f"the snapshot {directory} cannot be read here: a replica needs the home of the server that "
                "owns the store, under the same path"
            )
        settings = self._settings
        store = Store.open(directory, store_settings(settings.store, settings.readout))
        moment = as_of(directory)  # again, now that it is ours: it may have been deleted before
        if moment is None:
            store.close()
            shutil.rmtree(directory, ignore_errors=True)
            raise Unavailable(f"the snapshot {directory} was deleted")
        owned = OwnedStore(store, settings, self._registry, self._registry, as_of=lambda: taken.as_of)
        taken = _Taken(directory, moment, owned)
        return taken

    def _replace(self, taken: _Taken) -> None:
        with self._lock:
            before, self._current = self._current, taken
            self.taken += 1
            if before is not None:
                self._retired.append(_Retired(before, set(self._requests)))
        _log.info("answers from a snapshot", snapshot=taken.directory.name, as_of=taken.as_of.isoformat())

    def _delete_unread(self) -> None:
        with self._lock:
            unread = [each for each in self._retired if not each.readers]
            self._retired = [each for each in self._retired if each.readers]
        for each in unread:
            _discard(each.taken)


def _discard(taken: _Taken) -> None:
    taken.owned.close_databases()
    delete(taken.directory)  # while it is held, so that nobody takes what is half gone
    taken.owned.store.close()
    shutil.rmtree(taken.directory, ignore_errors=True)  # closing may have written


def _close(taken: _Taken) -> None:
    taken.owned.close_databases()
    taken.owned.store.close()


def snapshots_worker(stores: SnapshotStores, every_s: float) -> Worker:
    """Renews the snapshot; while the owner is away, what there is stays."""
    failing = False

    def tick(_stop: threading.Event) -> float:
        nonlocal failing
        try:
            stores.renew()
        except (CoalmineError, OSError) as error:
            if not failing:
                _log.warning("no new snapshot: answers grow old", reason=str(error).replace("\n", "; "))
            failing = True
            return AGAIN_S
        if failing:
            _log.info("snapshots are renewed again")
        failing = False
        return every_s

    return Worker("snapshots", tick)
