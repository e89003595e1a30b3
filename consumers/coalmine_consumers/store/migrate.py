"""Migrations of a store's tables: numbered SQL files, each applied once and recorded by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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


@cache
def published_migrations() -> tuple[Migration, ...]:
    """Every migration of this release, in order, read once in a process."""
    folder = files(__package__).joinpath("migrations")
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))
    read = (Migration(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")) for entry in found)
    return tuple(sorted(read, key=lambda migration: migration.name))


def migrate(connection: duckdb.DuckDBPyConnection, migrations: Sequence[Migration]) -> list[str]:
    """Applies what is missing and returns the names applied: all at once to a new store, else one by one.

    Each of an old store's has a transaction of its own: DuckDB may refuse to alter a table again in the one
    that filled it.

    Raises:
        StoreDamaged: The store holds a migration this release does not know: a newer release wrote it.
    """
    connection.execute(_LEDGER)
    applied = {name for (name,) in connection.execute("SELECT name FROM schema_migrations").fetchall()}
    if unknown := applied - {migration.name for migration in migrations}:
        names = ", ".join(sorted(unknown))
        raise StoreDamaged(f"the store was written by a newer release: it has {names}; upgrade this one")
    missing = [migration for migration in migrations if migration.name not in applied]
    if missing and not applied:
        _apply(connection, missing)
    else:
        for migration in missing:
            _apply(connection, [migration])
    return [migration.name for migration in missing]


def _apply(connection: duckdb.DuckDBPyConnection, step: Sequence[Migration]) -> None:
    """Applies migrations in one transaction."""
    connection.begin()
    try:
        connection.execute("\n".join(migration.sql for migration in step))
        connection.execute(
            "INSERT INTO schema_migrations (name) SELECT unnest($names)",
            {"names": [migration.name for migration in step]},
        )
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
