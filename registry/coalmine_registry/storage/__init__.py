"""The registry's database: SQLite or PostgreSQL."""

from coalmine_registry.storage.database import Database
from coalmine_registry.storage.migrate import check_migrated, migrate

__all__ = ["Database", "check_migrated", "migrate"]
