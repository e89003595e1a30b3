"""A store that is new begins as a copy of one whose migrations have run: they take longer than many tests."""

import contextlib
import functools
import tempfile
from pathlib import Path

import duckdb

from coalmine_consumers.store import StoreSettings, store
from coalmine_consumers.store.migrate import migrate, published_migrations

_connect = store._connect


def copy_migrated_stores() -> None:
    """From now on, in this process and those forked from it; each opening still migrates what is missing."""
    _migrated()
    store._connect = _connect_copy


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with _connect(Path(folder), StoreSettings()) as connection:
            migrate(connection, published_migrations())
        return Path(folder, store.DATABASE_FILE).read_bytes()


def _connect_copy(directory: Path, settings: StoreSettings) -> duckdb.DuckDBPyConnection:
    file = directory / store.DATABASE_FILE
    if not file.exists():
        try:
            file.write_bytes(_migrated())
        except OSError:  # a full disk, or one that cannot be written, is a store's to tell of
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
    return _connect(directory, settings)
