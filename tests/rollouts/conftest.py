"""Registries with a world around them, on both databases."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from coalmine_registry.registry import Registry
from tests.support.data.looked_at import SetClock
from tests.support.doubles.rollout_world import World
from tests.support.servers.postgres import PostgresServer

_MEMORY = Path("/dev/shm")
_BOTH = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the registry's tables, to copy."""
    path = tmp_path_factory.mktemp("registry") / "template.db"
    Registry.open(path).close()
    return path


@pytest.fixture
def new_file(migrated_file: Path) -> Iterator[Callable[[], Path]]:
    """Makes registries' files, in memory where that is possible: nobody cuts the power."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        numbers = itertools.count()

        def make() -> Path:
            return Path(shutil.copy(migrated_file, Path(folder) / f"registry-{next(numbers)}.db"))

        yield make


@pytest.fixture(params=_BOTH)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a fresh registry lives; each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield str(request.getfixturevalue("new_file")())
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def clock() -> SetClock:
    """The clock of everything."""
    return SetClock()


@pytest.fixture
def registry(address: str, clock: SetClock) -> Iterator[Registry]:
    """A fresh registry on that clock."""
    with Registry.open(address, clock=clock) as opened:
        yield opened


@pytest.fixture
def world(registry: Registry, clock: SetClock) -> World:
    """A controller with everything around it."""
    return World(registry, clock)
