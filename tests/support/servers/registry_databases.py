"""Databases of a registry, of both kinds, each test with a fresh one, made once by migrations.

Most tests share one database of each kind, which is emptied for each of them: a tenth of the time that a new
one takes, mostly because what SQLAlchemy has compiled stays compiled. Tests that break a database, or want
several, ask `new_address` for one of their own.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database
from coalmine_registry.storage.rollout_tables import rollouts
from tests.support.servers.postgres import PostgresServer

_BOTH = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def sqlite_folder() -> Iterator[Path]:
    """Where SQLite files live: in memory where that is possible, as nobody cuts the power of most tests."""
    folder = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="coalmine-registry-", dir=folder) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def migrated_file(sqlite_folder: Path) -> Path:
    """A SQLite file with the registry's tables, to copy."""
    path = sqlite_folder / "template.db"
    Registry.open(path).close()
    return path


@pytest.fixture(scope="session")
def migrated_database(postgres: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database with the registry's tables, to copy."""
    url = postgres.create_database()
    Registry.open(url).close()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def new_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes fresh migrated databases of a kind."""
    with ExitStack() as made:

        def make(kind: str) -> str:
            if kind == "sqlite":
                path = Path(tempfile.mkdtemp(dir=tmp_path)) / "registry.db"
                shutil.copy(request.getfixturevalue("migrated_file"), path)
                return str(path)
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.create_database(template=request.getfixturevalue("migrated_database"))
            made.callback(server.drop_database, url)
            return url

        yield make


class _Shared:
    """The databases that most tests share."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[str, Database]] = {}

    def database(self, kind: str, make_address: Callable[[], str]) -> tuple[str, Database]:
        if kind not in self.open:
            address = make_address()
            self.open[kind] = address, Database(address)
        return self.open[kind]


@pytest.fixture(scope="session")
def shared_databases() -> Iterator[_Shared]:
    """The databases that most tests share, by kind."""
    shared = _Shared()
    yield shared
    for _, database in shared.open.values():
        database.close()


@pytest.fixture(params=_BOTH)
def shared(
    request: pytest.FixtureRequest, shared_databases: _Shared, sqlite_folder: Path
) -> tuple[str, Database]:
    """A migrated, empty database and its address."""
    if request.param == "sqlite":
        path = sqlite_folder / "shared.db"
        address, database = shared_databases.database("sqlite", lambda: str(path))
        database.close()  # it opens again by itself
        for leftover in (path, path.with_name("shared.db-wal"), path.with_name("shared.db-shm")):
            leftover.unlink(missing_ok=True)
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return address, database
    server: PostgresServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("migrated_database")
    address, database = shared_databases.database(
        "postgresql", lambda: server.create_database(template=template)
    )
    _empty(address)
    return address, database


@pytest.fixture
def address(shared: tuple[str, Database]) -> str:
    """Where a fresh registry lives; each test runs on SQLite and on PostgreSQL."""
    return shared[0]


def _empty(url: str) -> None:
    """Makes a database as a migration leaves it."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    # Triggers forbid it, and foreign keys would want an order.
    emptied = [
        "SET session_replication_role = replica",
        *(f'DELETE FROM "{table}"' for table in rollouts.metadata.tables if table != "environments"),
        "UPDATE environments SET revision = 0, required_evidence = '[]', policy_revision = 0, "
        "requires_suite = FALSE, evidence_max_age_days = NULL",
    ]
    with psycopg.connect(plain) as connection:
        connection.execute("; ".join(emptied).encode())  # in one message: there are dozens
