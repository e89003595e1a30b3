"""A SQLite database that is new begins as a copy of one with its tables: half of a start is to make them."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine

from coalmine_alerts.storage.open import open_database as open_alerts
from coalmine_evals.storage.open import open_database as open_evals
from coalmine_registry import registry
from coalmine_registry.storage import Database, database, migrate
from coalmine_schemas.atomic_file import write_atomically

_engine = database._sqlite_engine

OPEN: Mapping[str, Callable[[Path], Any]] = {
    "registry": registry.Registry.open,
    "alerts": open_alerts,
    "evals": open_evals,
}
"""What makes the tables of a database, by its name."""

_made: dict[str, bytes] = {}


def copy_migrated_databases() -> None:
    """From now on, in this process and those forked from it; each opening still migrates what is missing."""
    for name in OPEN:
        _make(name)
    database._sqlite_engine = _engine_of_copy


def copy_migrated_registries() -> None:
    """Those alone that are opened as registries: tests of databases themselves make them by migrations."""
    _make("registry")
    vars(registry)["migrate"] = _migrate_copy


def _make(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        OPEN[name](path).close()
        _made[name] = path.read_bytes()


def _migrate_copy(opened: Database) -> None:
    if opened.is_sqlite:
        with contextlib.suppress(OSError):  # a full disk, or no rights: the database's to tell of
            _copy(_made["registry"], Path(str(opened._engine.url.database)))
    migrate(opened)


def _engine_of_copy(url: URL, name: str, wait_s: float) -> Engine:
    engine = _engine(url, name, wait_s)  # makes the folder
    if name in _made:
        with contextlib.suppress(OSError):  # a full disk, or no rights: the database's to tell of
            _copy(_made[name], Path(str(url.database)))
    return engine


def _copy(content: bytes, path: Path) -> None:
    """Leaves alone what there is, unless it is empty, as the file of a registry is that is to be made."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # others may make it now
        if not path.exists() or path.stat().st_size == 0:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            write_atomically(path, content, mode=mode)
    finally:
        os.close(folder)
