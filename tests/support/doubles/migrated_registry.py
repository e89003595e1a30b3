"""A registry's SQLite file that is new begins as a copy of one whose migrations have run."""

import functools
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from coalmine_registry import registry
from coalmine_registry.storage import Database, migrate


def copy_migrated_registries() -> None:
    """From now on, in this process and those forked from it; each opening still migrates what is missing."""
    _migrated()
    vars(registry)["migrate"] = _migrate_copy


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "registry.db")
        database = Database(file)
        migrate(database)
        database.close()
        return file.read_bytes()


def _migrate_copy(database: Database) -> None:
    if database.is_sqlite:
        with suppress(OSError):  # a full disk, or one that cannot be written, is a registry's to tell of
            _copy(Path(str(database._engine.url.database)))
    migrate(database)


def _copy(file: Path) -> None:
    if not file.exists():
        with tempfile.NamedTemporaryFile(dir=file.parent) as copy:
            copy.write(_migrated())
            copy.flush()
            os.link(copy.name, file)  # whole, and only for the first of those that open it at once
