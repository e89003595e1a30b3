"""Migrations of a store's tables: numbered SQL files, each applied once and recorded by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import duckdb

from coalmine_consumers.errors import StoreDamaged

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; its name orders it and is how a store remembers it."""

    name: str
    sql: str


def published_migrations() -> list[Migration]:
    """Every migration of this release, in order."""
    folder = files(__package__).joinpath("migrations")
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return sorted(
        (Migration(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")) for entry in found),
        key=lambda migration: migration.name,
    )


def migrate(connection: duckdb.DuckDBPyConnection, migrations: Sequence[Migration]) -> list[str]:
    """Applies what is missing, each in its own transaction, and returns the names applied.

    Raises:
        StoreDamaged: The store holds a migration this release does not know: a newer release wrote it.
    """
    connection.execute(_LEDGER)
    applied = [name for (name,) in connection.sql("SELECT name FROM schema_migrations").fetchall()]
    if unknown := set(applied) - {migration.name for migration in migrations}:
        raise StoreDamaged(f"the store was written by a newer release: it has {', '.join(sorted(unknown))}")
    done: list[str] = []
    for migration in migrations:
        if migration.name in applied:
            continue
        connection.begin()
        try:
            connection.execute(migration.sql)
            connection.execute(
                "INSERT INTO schema_migrations (name) VALUES ($name)", {"name": migration.name}
            )
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        done.append(migration.name)
    return done
