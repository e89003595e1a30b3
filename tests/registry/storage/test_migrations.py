import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from coalmine_registry.errors import DatabaseTooNew
from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database, migrate
from coalmine_registry.storage.migrate import HEAD, VERSION_TABLE
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import approved_shares
from tests.support.data.registry_case import PROMPT, serve
from tests.support.servers.postgres import PostgresServer


def _differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), rollouts.metadata))


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


def test_what_was_approved_before_shares_were_is_approved_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "old.db")
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["coalmine_registry.storage.migrate"], "HEAD", "0002")
        migrate(database)
    statements = (
        "INSERT INTO prompts VALUES ('p', '2026-01-01', 'ann')",
        "INSERT INTO versions (prompt, version, precedence, content, digest, author, created_at, status) "
        "VALUES ('p', '1.0.0', '1.0.0', '{}', 'sha256:1', 'ann', '2026-01-01', 'active')",
        "INSERT INTO approvals VALUES ('prod', 'p', '1.0.0', 'bob', '2026-01-02 00:00:00.000000')",
    )

    def fill(connection: Connection) -> None:
        for each in statements:
            connection.execute(text(each))

    database.write(fill)
    migrate(database)
    (row,) = database.read(lambda connection: connection.execute(select(approved_shares)).all())
    assert (row.environment, row.prompt, row.digest, row.share) == ("prod", "p", "sha256:1", 1.0)
    assert (row.audience, row.approved_by) == ({"when": {}, "excluded": []}, "bob")
    database.close()
