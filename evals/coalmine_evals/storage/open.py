"""Opens the database of evaluations."""

from pathlib import Path

from coalmine_evals.storage import dataset_tables  # noqa: F401 - adds its tables
from coalmine_evals.storage.tables import VERSION, metadata
from coalmine_registry.storage.database import Database
from coalmine_registry.storage.own_file import open_file


def open_database(path: Path) -> Database:
    """Opens the file, and makes it if there is none. Raises what `open_file` raises."""
    return open_file(path, "evals", metadata, VERSION)
