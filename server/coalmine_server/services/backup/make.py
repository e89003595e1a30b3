"""Makes a backup of everything that a home keeps, as of now, while its server runs.

The order makes it consistent. What waits in the spool is copied before the store: an event that is read in
between is in both, and counts once. The registry comes after the store, so that whatever the store names is
known to it.
"""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from coalmine_consumers.store.copy import copy_store, table_counts
from coalmine_consumers.store.store import DATABASE_FILE
from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.spool_format import OPEN_SUFFIX, SEALED_SUFFIX
from coalmine_server.results import Backup, BackupFile
from coalmine_server.services.backup.databases import DUMP, copy_sqlite, dump_postgresql
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.settings import Settings

MANIFEST: Final = "backup.json"
"""What a backup has, with sizes, digests and counts: the last file that is written."""
HOME: Final = "home"
"""Folder of a backup that becomes the home."""
SETTINGS_FILES: Final = ("coalmine.toml", "alerts.yaml", "evals.yaml", "pricing.toml")
"""Files of a home that people write."""
FORMAT: Final = 1
"""Version of the layout of backups."""


def make_backup(owned: OwnedStore, folder: Path) -> Backup:
    """Writes a backup into a new folder, for its owner alone.

    Args:
        owned: The store of this process, and the settings that say where the rest is.
        folder: It is made.

    Raises:
        Unavailable: The registry does not answer.
    """
    settings = owned.settings
    home = folder / HOME
    make_private_folder(home)
    counts: dict[str, dict[str, int]] = {}
    _copy_spool(settings.spool_dir, home / "spool")
    copy_store(owned.store, home / "store")
    counts["store"] = table_counts(home / "store" / DATABASE_FILE)
    url = settings.registry.url
    if url is not None:
        counts["registry"] = dump_postgresql(url.get_secret_value(), home / DUMP)
    databases = {"alerts": settings.alerts_database, "evals": settings.evals_database}
    if url is None:
        databases = {"registry": settings.registry_file, **databases}
    for name, path in databases.items():
        if path.is_file():
            counts[name] = copy_sqlite(path, home / path.name)
    _copy_settings(settings, home)
    files = [_described(path, folder) for path in sorted(home.rglob("*")) if path.is_file()]
    made = Backup(str(folder), FORMAT, datetime.now(UTC), version("coalmine"), files, counts)
    document = {
        "format": made.format,
        "created_at": made.created_at.isoformat(),
        "coalmine_version": made.coalmine_version,
        "counts": counts,
        "files": [
            {"path": each.path, "size_bytes": each.size_bytes, "sha256": each.sha256} for each in files
        ],
    }
    write_atomically(folder / MANIFEST, json.dumps(document, indent=1) + "\n")
    return made


def sha256_of(path: Path) -> str:
    """Returns the digest of a file, as hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _described(path: Path, folder: Path) -> BackupFile:
    return BackupFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))


def _copy_spool(spool: Path, target: Path) -> None:
    """Copies files of events; one that is read and removed meanwhile is in the store."""
    for path in sorted(spool.glob("*")) if spool.is_dir() else ():
        if path.name.endswith((SEALED_SUFFIX, OPEN_SUFFIX)) and path.is_file():
            make_private_folder(target)
            try:
                shutil.copyfile(path, target / path.name)
            except FileNotFoundError:  # sealed under its other name, or read
                (target / path.name).unlink(missing_ok=True)
                sealed = path.with_name(path.name.removesuffix(OPEN_SUFFIX) + SEALED_SUFFIX)
                if path.name.endswith(OPEN_SUFFIX) and sealed.is_file():
                    shutil.copyfile(sealed, target / sealed.name)


def _copy_settings(settings: Settings, home: Path) -> None:
    named = {"alerts.yaml": settings.alerts_file, "pricing.toml": settings.pricing_file}
    for name in SETTINGS_FILES:
        path = named.get(name) or settings.home / name
        if path.is_file():
            shutil.copyfile(path, home / name)
            (home / name).chmod(0o600)
