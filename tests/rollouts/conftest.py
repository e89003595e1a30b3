"""Registries with a world around them, on both databases."""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database
from tests.support.data.looked_at import SetClock
from tests.support.doubles.rollout_world import World


@pytest.fixture
def new_file(migrated_file: Path, sqlite_folder: Path) -> Callable[[], Path]:
    """Makes registries' files."""
    return lambda: Path(shutil.copy(migrated_file, Path(mkdtemp(dir=sqlite_folder)) / "registry.db"))


@pytest.fixture
def clock() -> SetClock:
    """The clock of everything."""
    return SetClock()


@pytest.fixture
def registry(shared: tuple[str, Database], clock: SetClock) -> Registry:
    """A fresh registry on that clock; each test runs on SQLite and on PostgreSQL."""
    return Registry(shared[1], clock)


@pytest.fixture
def world(registry: Registry, clock: SetClock) -> World:
    """A controller with everything around it."""
    return World(registry, clock)
