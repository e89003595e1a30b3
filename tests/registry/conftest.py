"""Registries on both databases, each test with a fresh one: a copy of one that was migrated once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from coalmine_registry.registry import Registry

from tests.support.postgres import PostgresServer

_BOTH = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the registry's tables."""
    path = tmp_path_factory.mktemp("registry") / "template.db"
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
                path = tmp_path / "registry.db"
                shutil.copy(request.getfixturevalue("migrated_file"), path)
                return str(path)
            server: PostgresServer = request.getfixturevalue("postgres")
            url = server.create_database(template=request.getfixturevalue("migrated_database"))
            made.callback(server.drop_database, url)
            return url

        yield make


@pytest.fixture(params=_BOTH)
def address(request: pytest.FixtureRequest, new_address: Callable[[str], str]) -> str:
    """Where a fresh registry lives; each test runs on SQLite and on PostgreSQL."""
    return new_address(request.param)


@pytest.fixture
def registry(address: str) -> Iterator[Registry]:
    """A fresh registry; each test runs on SQLite and on PostgreSQL."""
    with Registry.open(address) as opened:
        yield opened
