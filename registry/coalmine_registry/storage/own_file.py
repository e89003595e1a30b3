"""Opens a SQLite file that one part keeps beside the registry, and makes its tables."""

from pathlib import Path

from sqlalchemy import MetaData, text

from coalmine_registry.errors import DatabaseTooNew
from coalmine_registry.storage.database import Database


def open_file(path: Path, name: str, metadata: MetaData, version: int) -> Database:
    """Opens the file, and makes it if there is none.

    Args:
        path: The file.
        name: Whose it is, in errors.
        metadata: Its tables.
        version: Of the tables: SQLite's `user_version`.

    Raises:
        DatabaseTooNew: A newer version of Coalmine has used it.
        DatabaseUnavailable: The file cannot be used now.
    """
    database = Database(path, name=name)
    with database.exclusive() as connection:
        found = connection.execute(text("PRAGMA user_version")).scalar_one()
        if found > version:
            raise DatabaseTooNew(
                f"{path} is of version {found}, which this version of Coalmine does not know: a newer one "
                "has used it; upgrade this one"
            )
        if found < version:
            metadata.create_all(connection)
            connection.execute(text(f"PRAGMA user_version = {version}"))
    return database
