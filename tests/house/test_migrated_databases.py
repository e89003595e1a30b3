"""A database that begins as a copy has the tables of one made from nothing; one in use is left alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coalmine_registry import registry
from coalmine_registry.storage import Database, database
from tests.support.doubles import migrated_databases
from tests.support.doubles.migrated_databases import OPEN, copy_migrated_databases
from tests.support.doubles.small_disk import mounted_disk


@pytest.fixture
def copied() -> Iterator[None]:
    """For one test: others of this process make their databases by migrations."""
    real = database._sqlite_engine
    copy_migrated_databases()
    yield
    database._sqlite_engine = real


def _content(file: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        version = connection.execute("PRAGMA user_version").fetchall()
        return version + connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


@pytest.mark.parametrize("name", OPEN)
def test_a_copy_has_what_opening_makes(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made, copy = tmp_path / "made", tmp_path / "copy"
    OPEN[name](made).close()
    request.getfixturevalue("copied")
    Database(copy, name=name).close()
    assert len(_content(made)) > 10
    assert _content(copy) == _content(made)


def test_registries_of_tests_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vars(registry)["migrate"] is migrated_databases._migrate_copy
    made, copy = tmp_path / "made", tmp_path / "copy"
    registry.Registry.open(copy).close()
    monkeypatch.setitem(migrated_databases._made, "registry", b"")
    registry.Registry.open(made).close()
    assert len(_content(made)) > 10
    assert _content(copy) == _content(made)


@pytest.mark.usefixtures("copied")
def test_an_empty_file_keeps_its_mode_and_others_keep_everything(tmp_path: Path) -> None:
    empty, used = tmp_path / "empty", tmp_path / "used"
    empty.touch(mode=0o600)
    with closing(sqlite3.connect(used)) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER)")
    for path in (empty, used):
        Database(path).close()
    assert empty.stat().st_mode & 0o777 == 0o600
    assert len(_content(empty)) > 10
    assert _content(used)[1:] == [("kept", "CREATE TABLE kept (number INTEGER)")]


@pytest.mark.usefixtures("copied")
def test_a_full_disk_has_no_half_of_a_copy(tmp_path: Path) -> None:
    with mounted_disk(tmp_path / "disk") as folder:
        Database(folder / "registry.db").close()
        assert list(folder.iterdir()) == []
