from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from coalmine_registry.errors import DatabaseTooNew
from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database, migrate
from coalmine_registry.storage.migrate import HEAD, VERSION_TABLE
from coalmine_registry.storage.tables import metadata
from tests.support.data.registry_case import PROMPT, serve
from tests.support.servers.postgres import PostgresServer


def _differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_migrations_from_nothing_make_the_tables_that_the_code_knows(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        database = Database(tmp_path / "new.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database()
        request.addfinalizer(lambda: server.drop_database(url))
        database = Database(url)
    migrate(database)
    migrate(database)
    assert database.read(_differences) == []
    database.close()


def test_a_difference_would_be_seen(new_address: Callable[[str], str]) -> None:
    database = Database(new_address("sqlite"))
    database.write(lambda connection: connection.execute(text("ALTER TABLE outbox ADD COLUMN extra TEXT")))
    assert len(database.read(_differences)) == 1
    database.close()


def test_the_head_that_is_known_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(files("coalmine_registry.storage") / "migrations"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]


def test_opening_again_keeps_everything(address: str) -> None:
    with Registry.open(address) as registry:
        serve(registry, "1.0.0")
        before = registry.snapshot("prod")
    with Registry.open(address) as registry:
        assert registry.snapshot("prod") == before
        assert registry.version(PROMPT, "1.0.0").author == "ann"


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_database_of_a_newer_coalmine_is_left_alone(kind: str, new_address: Callable[[str], str]) -> None:
    address = new_address(kind)
    database = Database(address)
    newer = text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    database.write(lambda connection: connection.execute(newer))
    with pytest.raises(DatabaseTooNew, match="9999"):
        Registry.open(address)
    found = database.read(lambda connection: inspect(connection).get_table_names())
    assert "prompts" in found
    database.close()
