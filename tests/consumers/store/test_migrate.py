from pathlib import Path

import duckdb
import pytest

from coalmine_consumers.errors import StoreDamaged
from coalmine_consumers.store import Store
from coalmine_consumers.store.migrate import Migration, migrate, published_migrations

FIRST = Migration("0001_first", "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);")
SECOND = Migration("0002_second", "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 7;")
BROKEN = Migration("0003_broken", "INSERT INTO a VALUES (2, 2); SELECT * FROM nowhere;")


def names(connection: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
    found: list[tuple[str]] = connection.sql("SELECT name FROM schema_migrations ORDER BY name").fetchall()
    return found


def test_each_migration_is_applied_once_and_in_order() -> None:
    connection = duckdb.connect()
    assert migrate(connection, [FIRST]) == ["0001_first"]
    assert migrate(connection, [FIRST, SECOND]) == ["0002_second"]
    assert migrate(connection, [FIRST, SECOND]) == []
    assert connection.sql("SELECT * FROM a").fetchall() == [(1, 7)]
    assert names(connection) == [("0001_first",), ("0002_second",)]


def test_a_migration_that_fails_changes_nothing() -> None:
    connection = duckdb.connect()
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(duckdb.Error):
        migrate(connection, [FIRST, SECOND, BROKEN])
    assert connection.sql("SELECT * FROM a").fetchall() == [(1, 7)]
    assert len(names(connection)) == 2


def test_a_store_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(tmp_path / "coalmine.duckdb") as connection:
        connection.execute("INSERT INTO schema_migrations (name) VALUES ('9999_future')").fetchall()
    with pytest.raises(StoreDamaged, match="9999_future; upgrade this one"):
        Store.open(tmp_path)


def test_published_migrations_are_numbered_without_gaps() -> None:
    found = [migration.name for migration in published_migrations()]
    assert [name[:4] for name in found] == [f"{number:04d}" for number in range(1, len(found) + 1)]


def test_every_table_says_what_a_row_is() -> None:
    for migration in published_migrations():
        for part in migration.sql.split("CREATE TABLE")[:-1]:
            comment = part.rstrip().splitlines()[-1]
            # The tables of raw events share the comment before the first of them.
            assert comment.startswith("--") or comment == ");", comment
        assert "Grain: one row per" in migration.sql


def test_what_never_held_a_message_leaves_the_losses_of_an_old_store() -> None:
    connection = duckdb.connect()
    migrations = published_migrations()
    topic_ids = next(place for place, each in enumerate(migrations) if each.name.endswith("topic_ids"))
    migrate(connection, migrations[:topic_ids])
    connection.execute("""
        INSERT INTO source_positions (topic, "partition", next_offset, first_offset)
            VALUES ('t', '0', 100, 0), ('t', '1', 50, 0);
        INSERT INTO gaps VALUES
            ('t', '0', 10, 11, 'skipped', now(), 1),
            ('t', '0', 20, 24, 'skipped', now(), 1),
            ('t', '0', 30, 40, 'expired', now(), 1);
    """).fetchall()
    migrate(connection, migrations)
    found = connection.sql(
        'SELECT topic, "partition", topic_id, next_offset, skipped FROM source_positions ORDER BY ALL'
    )
    assert found.fetchall() == [("t", "0", "", 100, 5), ("t", "1", "", 50, 0)]
    assert connection.sql("SELECT reason FROM gaps").fetchall() == [("expired",)]
