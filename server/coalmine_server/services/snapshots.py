"""Snapshots of the store for replicas: made by its owner below the home, taken and deleted by who asked.

Each is a store of its own, with the database copied and the segment files linked. A replica that uses one
holds its lock, so what nobody holds is known to be left over, whoever was killed.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coalmine_consumers.errors import StoreLocked
from coalmine_consumers.store.copy import copy_store
from coalmine_consumers.store.lock import StoreLock
from coalmine_consumers.store.store import LOCK_FILE, Store
from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.identifiers import uuid7
from coalmine_server.results import StoreSnapshot

FOLDER: Final = "snapshots"
"""Folder of the home that has them."""
MARK: Final = "snapshot.json"
"""Says as of when it is: the last file that is written, and the first that is deleted."""
LEFT_OVER: Final = 1
"""Snapshots that nobody holds and that stay: a replica that starts while the owner is away takes one."""
_UNFINISHED: Final = "."

_one_at_a_time = threading.Lock()


@dataclass
class Snapshots:
    """The snapshots that this process makes of its store. Thread-safe."""

    folder: Path
    _changes: dict[str, int] = field(default_factory=dict)
    """Of the store, as each of them was made."""

    def take(self, store: Store, known: str | None) -> StoreSnapshot:
        """Makes a snapshot, unless the store is as it was when the known one was made.

        Ingest goes on meanwhile. Those that nobody uses any more are deleted first.

        Args:
            store: Of this process.
            known: The snapshot that the caller has.
        """
        with _one_at_a_time:
            changes, as_of = store.changes, datetime.now(UTC)
            is_there = known is not None and (self.folder / known / MARK).is_file()  # nobody deleted it
            if known is not None and is_there and self._changes.get(known) == changes:
                return StoreSnapshot(known, str(self.folder / known), as_of, is_new=False)
            tidy(self.folder)
            name = str(uuid7())
            unfinished = self.folder / f"{_UNFINISHED}{name}"
            try:
                copy_store(store, unfinished)
                write_atomically(unfinished / MARK, json.dumps({"as_of": as_of.isoformat()}) + "\n")
                unfinished.rename(self.folder / name)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            kept = {each: made for each, made in self._changes.items() if (self.folder / each).is_dir()}
            self._changes = {**kept, name: changes}
            return StoreSnapshot(name, str(self.folder / name), as_of, is_new=True)


def tidy(folder: Path) -> None:
    """Deletes snapshots that nobody holds but the newest, and what was left unfinished.

    Only the owner of the store calls it, while it makes none.
    """
    make_private_folder(folder)
    for path in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)
    free = 0
    for path in newest_first(folder):
        with _held(path) as is_ours:
            if not is_ours:
                continue
            free += 1
            if free > LEFT_OVER or as_of(path) is None:
                delete(path)


def newest_first(folder: Path) -> list[Path]:
    """The snapshots there are; their names are ordered by time."""
    names = (path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(_UNFINISHED))
    return sorted(names, reverse=True)


def as_of(snapshot: Path) -> datetime | None:
    """When everything in a snapshot was committed; None if it is none, or is being deleted."""
    try:
        return datetime.fromisoformat(json.loads((snapshot / MARK).read_text(encoding="utf-8"))["as_of"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def delete(snapshot: Path) -> None:
    """Deletes a snapshot that the caller holds; killed in between, it is one no longer."""
    (snapshot / MARK).unlink(missing_ok=True)
    shutil.rmtree(snapshot, ignore_errors=True)


@contextmanager
def _held(snapshot: Path) -> Iterator[bool]:
    try:
        lock = StoreLock(snapshot / LOCK_FILE)
    except (StoreLocked, OSError):  # a replica has it, or has just deleted it
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
