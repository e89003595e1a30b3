"""The store: one DuckDB file and a folder of Parquet segments, owned by one process.

What only writing takes is imported by the first batch: most commands open the store to read, and
pyarrow.compute alone takes as long to import as their questions take to answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from coalmine_consumers.aggregation.segments import declare
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.store.ledger import CommitResult, last_ingest_id
from coalmine_consumers.store.lock import StoreLock
from coalmine_consumers.store.manifest import remove_strays
from coalmine_consumers.store.migrate import migrate, published_migrations
from coalmine_consumers.store.positions import read_positions
from coalmine_consumers.store.published_manifest import PublishedManifest
from coalmine_consumers.store.reader import Reader
from coalmine_consumers.store.settings import StoreSettings
from coalmine_consumers.store.views import refresh_views
from coalmine_schemas.atomic_file import make_private_folder

if TYPE_CHECKING:
    from coalmine_consumers.collector.decode import DecodedBatch

DATABASE_FILE = "coalmine.duckdb"
LOCK_FILE = "collector.lock"


Also = Callable[[duckdb.DuckDBPyConnection, CommitResult], None]
"""Changes that belong to a batch's transaction."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of open late outcomes."""

    looked_up: int
    """Outcomes that were open."""
    moved: int
    """Those that belong to another call now, or to one at last."""
    is_rest: bool
    """Whether there are more."""


class Store:
    """What a collector writes and everything in its process reads.

    Writers (`commit`, `transaction`) take turns; readers see the last committed state and never wait.
    """

    def __init__(
        self, directory: Path, settings: StoreSettings, lock: StoreLock, connection: duckdb.DuckDBPyConnection
    ) -> None:
        self.directory = directory
        self.settings = settings
        self._lock = lock
        self._connection = connection
        self._writing = threading.Lock()
        self._published = PublishedManifest(directory)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="segment-writer")
        self._next_ingest_id = last_ingest_id(connection) + 1
        self.changes = 0
        """Transactions committed since it was opened."""

    @classmethod
    def open(cls, directory: Path, settings: StoreSettings | None = None) -> Store:
        """Opens and owns the store in `directory`, creating it if needed, and repairs what a crash left.

        Raises:
            StoreLocked: Another process owns it.
            StoreDamaged: A newer release wrote it.
            InvalidParameter: Too many segments are declared.
        """
        settings = settings or StoreSettings()
        directory = directory.absolute()
        make_private_folder(directory)
        directory.chmod(0o700)  # texts are in it
        lock = StoreLock(directory / LOCK_FILE)
        try:
            connection = _connect(directory, settings)
            try:
                migrate(connection, published_migrations())
                store = cls(directory, settings, lock, connection)
                with store.transaction():
                    remove_strays(connection, directory, datetime.now(UTC))
                    refresh_views(connection, directory)
                    declare(connection, settings.segments, last_ingest_id(connection))
            except BaseException:
                connection.close()
                raise
        except BaseException:
            lock.release()
            raise
        return store

    @contextmanager
    def transaction(self, *, of_segments: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        """The writing connection, with everything done in the block committed together or not at all.

        Waits for other writers; not re-entrant. Queries inside must be fetched whole.

        Args:
            of_segments: False for what cannot change which segments there are: their list stays as it is.
        """
        with self._writing:
            self._connection.begin()
            try:
                yield self._connection
                self._connection.commit()
                self.changes += 1
            except BaseException:
                self._connection.rollback()
                raise
            if of_segments:
                self._published.publish(self._connection)

    def commit(self, batch: DecodedBatch, also: Also | None = None) -> CommitResult:
        """Stores a batch: all of it, or on any error nothing. Any thread may call it.

        Args:
            batch: What to store.
            also: Makes further changes in the same transaction, once the batch is written into it.

        Raises:
            PositionConflict: The batch does not start at the stored positions.
        """
        from coalmine_consumers.store.commit import BatchWriter  # noqa: PLC0415

        with self.transaction() as connection:
            writer = BatchWriter(connection, self.directory, self.settings, self._executor)
            result = writer.write(batch, self._next_ingest_id, datetime.now(UTC))
            if also is not None:
                also(connection, result)
            # Inside: the next writer may already wait. A number is lost if committing fails; no harm.
            self._next_ingest_id = result.ingest_id + 1
        return result

    def settle_outcomes(self, now: datetime) -> Settled:
        """Attributes late outcomes that are new, or that a late request may belong to; see `outcomes.py`.

        No other task of maintenance may run meanwhile; commits may.
        """
        from coalmine_consumers.store.commit import BatchWriter  # noqa: PLC0415
        from coalmine_consumers.store.outcomes import find_exposures  # noqa: PLC0415

        with self.cursor() as cursor:
            found = find_exposures(cursor, self.directory)
        if found is None:
            return Settled(0, 0, is_rest=False)
        with self.transaction(of_segments=False) as connection:
            writer = BatchWriter(connection, self.directory, self.settings, self._executor)
            moved = writer.settle(found, now)
        return Settled(found.settled.num_rows, moved, is_rest=found.is_rest)

    @property
    def next_ingest_id(self) -> int:
        """The number that the next batch will have; any thread may ask."""
        return self._next_ingest_id

    def reader(self) -> Reader:
        """A way to query from any thread while this store is open."""
        return Reader(self._connection)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for reading at length beside the writer, for one thread; the caller closes it."""
        return self._connection.cursor()

    def positions(self) -> dict[TopicPartition, int]:
        """Returns the next position to read of each partition."""
        with self._connection.cursor() as cursor:
            return read_positions(cursor)

    def close(self) -> None:
        """Waits for the writer, checkpoints, and lets the next owner in."""
        with self._writing:
            self._executor.shutdown()
            self._connection.close()
            self._lock.release()


def _connect(directory: Path, settings: StoreSettings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        directory / DATABASE_FILE,
        config={
            "TimeZone": "UTC",
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_limit_mb}MiB",
            "checkpoint_threshold": f"{settings.checkpoint_threshold_mb}MiB",
            "temp_directory": str(directory / "temporary"),
            # A few hundred wanted ids become an IN filter, with which DuckDB skips Parquet row groups.
            "dynamic_or_filter_threshold": 1000,
            # Everything needed is built in. Without this line DuckDB 2.0 refuses the time zone above: it
            # looks for the extension that knows time zones on the network, not among those it has.
            "autoinstall_known_extensions": False,
        },
    )
