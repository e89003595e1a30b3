"""Migrates a database to the tables of this version of Coalmine."""

from importlib.resources import files
from typing import Final

from sqlalchemy import Connection, inspect, text

from coalmine_registry.errors import DatabaseTooNew, DatabaseUnavailable
from coalmine_registry.storage.database import Database

HEAD: Final = "0008"
"""The latest migration. Known without reading the migrations, which takes a tenth of a second."""

VERSION_TABLE: Final = "coalmine_registry_migrations"
"""A table of our own, because another program may use alembic on the same database."""


def migrate(database: Database) -> None:
    """Runs the missing migrations; returns at once if there are none.

    Several processes may do so at the same time: one migrates, the others wait for it.

    Raises:
        DatabaseTooNew: A newer version of Coalmine migrated it.
        DatabaseUnavailable: The database does not respond.
    """
    if database.read(_current) == HEAD:
        return
    with database.exclusive() as connection:
        current = _current(connection)
        if current != HEAD:  # no other process was faster
            _upgrade(connection, current)


def check_migrated(database: Database) -> None:
    """Checks that the tables are those of this version, and changes nothing.

    Raises:
        DatabaseUnavailable: They are not: who writes to them migrates them.
    """
    if (current := database.read(_current)) != HEAD:
        raise DatabaseUnavailable(
            f"the registry's database is at migration {current}, and this version needs {HEAD}: start the "
            "server that owns the store first, in the same version"
        )


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - only a migration pays for it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files(__package__).joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"the registry's database is at migration {current}, which this version of Coalmine does not "
            "know: a newer one has used it; upgrade this one"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
