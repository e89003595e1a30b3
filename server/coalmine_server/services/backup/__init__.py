"""Backups of a home, made while its server runs, and their restoration."""

from coalmine_server.services.backup.make import make_backup
from coalmine_server.services.backup.restore import restore

__all__ = ["make_backup", "restore"]
