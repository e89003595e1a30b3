"""A registry that begins as a copy has the tables of one made from nothing; without room it has none yet."""

import sqlite3
from pathlib import Path

import pytest

from coalmine_registry import registry
from coalmine_registry.storage import Database, check_migrated, migrate
from tests.support.doubles import migrated_registry
from tests.support.doubles.small_disk import mounted_disk

CONTENT = "SELECT sql FROM sqlite_master UNION ALL SELECT version_num FROM coalmine_registry_migrations"


def test_a_copy_has_what_migrations_make_and_needs_none(tmp_path: Path) -> None:
    copy, new = tmp_path / "copy.db", tmp_path / "new.db"
    migrated_registry._copy(copy)
    assert list(tmp_path.iterdir()) == [copy]
    check_migrated(Database(copy))
    migrate(Database(new))
    found = []
    for each in (copy, new):
        with sqlite3.connect(each) as connection:
            found.append(connection.execute(CONTENT).fetchall())
    assert len(found[0]) > 20
    assert found[0] == found[1]


def test_registries_of_tests_are_copies() -> None:
    assert vars(registry)["migrate"] is migrated_registry._migrate_copy


def test_a_full_disk_has_no_half_of_a_copy(tmp_path: Path) -> None:
    with mounted_disk(tmp_path / "disk") as folder:
        with pytest.raises(OSError, match="No space left"):
            migrated_registry._copy(folder / "registry.db")
        assert list(folder.iterdir()) == []
