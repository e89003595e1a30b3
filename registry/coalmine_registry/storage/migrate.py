"""Brings a database to the tables of this version of Coalmine."""

from importlib.resources import files
from typing import Final

from sqlalchemy import Connection, inspect, text

from coalmine_registry.errors import DatabaseTooNew
from coalmine_registry.storage.database import Database

HEAD: Final = "0001"
"""The latest migration. Known without reading the migrations, which takes a tenth of a second."""

VERSION_TABLE: Final = "coalmine_registry_migrations"
"""Of our own, as another program on the same database may use alembic, too."""


def migrate(database: Database) -> None:
    """Runs the migrations that are missing; does nothing, and quickly, where none is.

    Several processes may do so at once: one migrates, the others wait for it.

    Raises:
        DatabaseTooNew: A newer Coalmine has migrated it.
        DatabaseUnavailable: The database does not answer.
    """
    if database.read(_current) == HEAD:
        return
    with database.exclusive() as connection:
        current = _current(connection)
        if current != HEAD:  # nobody else was quicker
            _upgrade(connection, current)


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - only who migrates pays for it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files(__package__).joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseTooNew(
            f"the registry's database is at migration {current}, which this Coalmine does not know: a newer "
            "one has used it; upgrade this one"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
