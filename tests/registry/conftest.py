"""Registries on both databases."""

import pytest

from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database


@pytest.fixture
def registry(shared: tuple[str, Database]) -> Registry:
    """A fresh registry; each test runs on SQLite and on PostgreSQL."""
    return Registry(shared[1])
