"""Opens the database of alerts."""

from pathlib import Path
from typing import Final

from sqlalchemy import text

from coalmine_alerts.storage.tables import metadata
from coalmine_registry.errors import DatabaseTooNew
from coalmine_registry.storage.database import Database

VERSION: Final = 1
"""Of the tables: SQLite's `user_version`."""


def open_database(path: Path) -> Database:
    """Opens the file, and makes it if there is none.

    Raises:
        DatabaseTooNew: A newer version of Coalmine has used it.
        DatabaseUnavailable: The file cannot be used now.
    """
    database = Database(path, name="alerts")
    with database.exclusive() as connection:
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        if version > VERSION:
            raise DatabaseTooNew(
                f"{path} is of version {version}, which this version of Coalmine does not know: a newer one "
                "has used it; upgrade this one"
            )
        if version < VERSION:
            metadata.create_all(connection)
            connection.execute(text(f"PRAGMA user_version = {VERSION}"))
    return database
