"""Transactions that behave alike on SQLite and PostgreSQL: one writer at a time, readers never wait.

- SQLite: write-ahead log; a writer begins with `BEGIN IMMEDIATE`. Threads of one process queue at a lock
  first, because SQLite lets waiting writers poll.
- PostgreSQL: a writer first locks the table `environments` against other writers. Changes of a registry are
  rare and short, so a queue costs less than the repetitions that serialisable transactions would need.
  Readers see one moment (repeatable read).
"""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from coalmine_registry.errors import (
    DatabaseDamaged,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    RegistryBusy,
)
from coalmine_schemas.atomic_file import make_private_folder

WAIT_S: Final = 30.0
"""How long a writer waits for others."""
HANGS_S: Final = 15.0
"""After this long without a statement a transaction on PostgreSQL is over: of a process that was stopped, or
whose machine is gone, in the midst of a change, others would otherwise wait for ever."""

_CONNECTIONS: Final = 8
_MORE_CONNECTIONS: Final = 56
"""Threads that work at the same time get a connection each, up to this number beyond those kept open."""
_REPEATABLE: Final = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATEs of serialisation failures, deadlocks and lock timeouts: nothing was changed."""
_AWAY: Final = frozenset({"25006", "25P03"})
"""SQLSTATEs of a database that only reads, as a standby does, and of a transaction that hung for too long."""

_Result = TypeVar("_Result")


class Database:
    """One SQLite file or PostgreSQL database. Thread-safe."""

    def __init__(
        self, address: str | Path, *, name: str = "registry", wait_s: float = WAIT_S, hangs_s: float = HANGS_S
    ) -> None:
        """Prepares to connect.

        Args:
            address: Path of a SQLite file, `sqlite:///...` or `postgresql+psycopg://...`.
            name: Whose it is, in errors.
            wait_s: How long a writer waits for others.
            hangs_s: How long a transaction on PostgreSQL may do nothing.

        Raises:
            DatabaseMisconfigured: The address is not a usable database URL.
        """
        self._name, self._wait_s = name, wait_s
        url = _url(address, name)
        self.is_sqlite: Final = url.get_backend_name() == "sqlite"
        self._engine = (
            _sqlite_engine(url, name, wait_s) if self.is_sqlite else _postgresql_engine(url, wait_s, hangs_s)
        )
        self._writers = threading.Lock()
        self._watching: sqlite3.Connection | None = None
        self._watch = threading.Lock()

    def close(self) -> None:
        """Closes all connections."""
        with self._watch:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        self._engine.dispose()

    def data_version(self) -> int | None:
        """Returns a number that is another one after every change, by whichever process.

        Whoever looks again and again need read nothing while it stays: that takes a hundredth of a
        transaction (https://sqlite.org/pragma.html#pragma_data_version).

        Returns:
            The number; None if there is none, as on PostgreSQL, so that one has to read.
        """
        if not self.is_sqlite:
            return None
        try:
            with self._watch:
                if self._watching is None:
                    file = Path(str(self._engine.url.database)).absolute().as_uri()
                    self._watching = sqlite3.connect(
                        f"{file}?mode=rw", uri=True, timeout=0.0, check_same_thread=False
                    )
                return int(self._watching.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None  # what is wrong is said by whoever reads

    def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """Runs work that only reads, on one consistent state.

        Raises:
            DatabaseUnavailable: The database does not respond.
        """
        return self._repeated(lambda: self._run(work, writes=False))

    def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """Runs work in a transaction of its own, without other writers. May run it several times.

        Raises:
            RegistryBusy: Other writers held the lock for too long; nothing was changed.
            DatabaseUnavailable: The database does not respond.
        """
        return self._repeated(lambda: self._run(work, writes=True))

    def _run(self, work: Callable[[Connection], _Result], *, writes: bool) -> _Result:
        with self._turn(writes), self._connect(writes) as connection, connection.begin():
            if writes and not self.is_sqlite:
                # This mode still allows plain reads.
                connection.execute(text("LOCK TABLE environments IN EXCLUSIVE MODE"))
            return work(connection)

    @contextmanager
    def _connect(self, writes: bool) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection.execution_options(coalmine_writes=writes)

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Opens a transaction that no other may overlap, whatever tables exist: for migrations.

        Raises:
            DatabaseUnavailable: The database does not respond.
        """
        try:
            with self._turn(True), self._connect(True) as connection, connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_KEY})
                yield connection
        except DBAPIError as error:
            raise _translated(error, self._name) from error

    @contextmanager
    def _turn(self, writes: bool) -> Iterator[None]:
        if not writes or not self.is_sqlite:
            yield
            return
        if not self._writers.acquire(timeout=self._wait_s):
            raise self._busy()
        try:
            yield
        finally:
            self._writers.release()

    def _repeated(self, run: Callable[[], _Result]) -> _Result:
        deadline = time.monotonic() + self._wait_s
        pause_s = 0.005
        while True:
            try:
                return run()
            except PoolTimeout as error:
                raise self._busy() from error
            except DBAPIError as error:
                if not _changed_nothing(error):
                    raise _translated(error, self._name) from error
                if time.monotonic() > deadline:
                    raise self._busy() from error
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, hides nothing
            pause_s = min(pause_s * 2, 0.2)

    def _busy(self) -> RegistryBusy:
        return RegistryBusy(f"other writers kept the {self._name} busy for {self._wait_s:.0f} s: try again")


_MIGRATION_KEY: Final = 0x636F616C
"""`coal`: any number that other programs on the same database are unlikely to lock."""


def _url(address: str | Path, name: str) -> URL:
    if isinstance(address, Path) or "://" not in address:
        return URL.create("sqlite", database=str(Path(address).absolute()))
    remedy = "give a path, sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"
    try:
        url = make_url(address)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        # Not the address itself: it may hold a password.
        raise DatabaseMisconfigured(f"not a usable database URL: {remedy}") from error
    if url.drivername not in ("sqlite", "postgresql+psycopg") or (
        url.drivername == "sqlite" and url.database in (None, "", ":memory:")
    ):
        raise DatabaseMisconfigured(f"the {name} cannot use {url.drivername}: {remedy}")
    return url


def _sqlite_engine(url: URL, name: str, wait_s: float) -> Engine:
    assert url.database is not None
    folder = Path(url.database).parent
    try:
        make_private_folder(folder)
    except OSError as error:
        raise DatabaseMisconfigured(
            f"the {name} cannot use {folder} ({error.strerror}): name a folder that can be written to"
        ) from error
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        connect_args={"timeout": wait_s, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3.Connection
        connection.isolation_level = None  # the driver begins no transaction by itself: we do, below
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("coalmine_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: URL, wait_s: float, hangs_s: float) -> Engine:
    milliseconds = round(wait_s * 1000)
    options = url.query.get("options", "")
    engine = create_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_pre_ping=True,
        connect_args={
            "options": f"{options} -c lock_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={round(hangs_s * 1000)}",
            "connect_timeout": 10,
            # Where a network drops what is sent, a connection ends after half a minute: by itself it does
            # after 15 minutes, or never if nothing was sent.
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 4,
        },
        hide_parameters=True,
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("coalmine_writes", False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


def _changed_nothing(error: DBAPIError) -> bool:
    """Returns True if the database says that it undid everything, and that trying again makes sense."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _REPEATABLE
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _translated(error: DBAPIError, database: str) -> Exception:
    """Returns the error to raise instead: one of ours, or the same if it is a bug of ours."""
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return DatabaseDamaged(
            f"the {database} file is not a database or is damaged ({error.orig}): restore a copy of it"
        )
    if isinstance(error, OperationalError | InterfaceError) or getattr(error.orig, "sqlstate", None) in _AWAY:
        return DatabaseUnavailable(f"the {database} database cannot be used now: {error.orig}")
    return error
