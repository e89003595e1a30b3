"""A store that begins as a copy has the tables of one made from nothing; without room it has none yet."""

from pathlib import Path

from coalmine_consumers.store import StoreSettings, store
from coalmine_consumers.store.migrate import migrate, published_migrations
from tests.support.doubles import migrated_store
from tests.support.doubles.small_disk import mounted_disk

CONTENT = "SELECT sql FROM duckdb_tables() UNION ALL SELECT name FROM schema_migrations ORDER BY ALL"


def test_a_copy_has_what_migrations_make_and_needs_none(tmp_path: Path) -> None:
    found = []
    for place, connect in enumerate((migrated_store._connect, migrated_store._connect_copy)):
        folder = tmp_path / str(place)
        folder.mkdir()
        with connect(folder, StoreSettings()) as connection:
            missing = migrate(connection, published_migrations())
            assert len(missing) == (0 if place else len(published_migrations()))
            found.append(connection.sql(CONTENT).fetchall())
    assert len(found[0]) > 20
    assert found[0] == found[1]


def test_stores_of_tests_are_copies() -> None:
    assert store._connect.__name__ == "_connect_copy"


def test_a_full_disk_has_no_half_of_a_copy(tmp_path: Path) -> None:
    with (
        mounted_disk(tmp_path / "disk") as folder,
        migrated_store._connect_copy(folder, StoreSettings()) as connection,
    ):
        assert connection.sql("FROM duckdb_tables()").fetchall() == []
