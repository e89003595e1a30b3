"""Restores a backup into an empty home, and verifies that it is what was backed up."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from coalmine_consumers.audit import audit
from coalmine_consumers.store import Store
from coalmine_consumers.store.copy import table_counts
from coalmine_consumers.store.store import DATABASE_FILE
from coalmine_schemas.discovery import own_home
from coalmine_server.errors import CheckFailed, ConfigurationError, Unavailable
from coalmine_server.results import BackupFile, Restored
from coalmine_server.services.backup.databases import DUMP, restore_postgresql, sqlite_counts
from coalmine_server.services.backup.make import FORMAT, HOME, MANIFEST, sha256_of
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.services.store_settings import store_settings
from coalmine_server.settings import Settings

_KEPT = ("store", "registry.db", "alerts.db", "evals.db", "spool")
"""What may not be in a home that a backup is restored into."""
_STAGING = "restoring"
"""Folder of the home for what is not all there yet: no server takes it for a part of the home."""
_Counts = dict[str, dict[str, int]]
"""Rows by database and table."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What a backup says of itself."""

    files: list[BackupFile]
    counts: _Counts


def restore(settings: Settings, folder: Path, *, verify: bool) -> Restored:
    """Restores a backup; its digests are checked before anything is written.

    The home gets nothing before everything is there, so whoever was interrupted can do it again.

    Args:
        settings: Name the home, and the registry's database where that is PostgreSQL.
        folder: Of the backup.
        verify: True to open what was restored, too, and compare its counts with those of the backup.

    Raises:
        ConfigurationError: The folder is no backup, the home is not empty, or `registry.url` does not fit.
        CheckFailed: A file is missing or damaged, or counts differ.
        Unavailable: Another process restores into this home.
    """
    manifest = _manifest(folder)
    _check_files(folder, manifest.files)
    url = settings.registry.url
    dumped = (folder / HOME / DUMP).is_file()
    if dumped and url is None:
        raise ConfigurationError(
            "the backup has a registry of PostgreSQL", "name an empty database: COALMINE_REGISTRY_URL"
        )
    if url is not None and not dumped and "registry" in manifest.counts:
        raise ConfigurationError(
            "the backup has a registry of its own, and registry.url names another one",
            "leave registry.url out, and COALMINE_REGISTRY_URL",
        )
    own_home(settings.home)
    with _alone(settings.home):
        there = [name for name in _KEPT if (settings.home / name).exists()]
        if there:
            raise ConfigurationError(
                f"{settings.home} has {', '.join(there)}",
                "restore into an empty home: --home DIR before the command",
            )
        staging = settings.home / _STAGING
        shutil.rmtree(staging, ignore_errors=True)  # of one that was killed
        try:
            for each in manifest.files:
                target = staging / Path(each.path).relative_to(HOME)
                if target.name == DUMP:
                    continue
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copyfile(folder / each.path, target)
                target.chmod(0o600)
            counts = (
                {"registry": restore_postgresql(url.get_secret_value(), folder / HOME / DUMP)}
                if dumped and url
                else {}
            )
            for path in staging.iterdir():
                if not (settings.home / path.name).exists():  # settings that people have written meanwhile
                    path.rename(settings.home / path.name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    checks = ["digests"]
    if verify:
        checks += _verify(settings, manifest.counts, counts)
    return Restored(str(settings.home), len(manifest.files), manifest.counts, checks)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keeps other restores out of a home. The folder itself is locked: nothing is left, however this ends."""
    opened = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another restore is at work in {home}", "wait for its end") from error
        except OSError:
            pass  # NFS, for one, locks no folders
        yield
    finally:
        os.close(opened)


def _manifest(folder: Path) -> _Manifest:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(found, dict) and found.get("format") != FORMAT:
            raise ConfigurationError(
                f"{folder} is a backup of format {found.get('format')}, which this version does not know",
                f"restore it with coalmine {found.get('coalmine_version')}",
            )
        return TypeAdapter(_Manifest).validate_python(found)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{folder} is no backup: {MANIFEST}: {error}") from error


def _check_files(folder: Path, files: list[BackupFile]) -> None:
    root = (folder / HOME).resolve()
    for each in files:
        path = folder / each.path
        if "\0" in each.path or ".." in path.parts or not path.resolve().is_relative_to(root):
            raise CheckFailed(f"{each.path!r} is outside the backup")
        if not path.is_file():
            raise CheckFailed(f"{each.path} is missing from the backup")
        if path.stat().st_size != each.size_bytes or sha256_of(path) != each.sha256:
            raise CheckFailed(f"{each.path} is damaged: its digest is another one")


def _verify(
    settings: Settings, expected: dict[str, dict[str, int]], found: dict[str, dict[str, int]]
) -> list[str]:
    found["store"] = table_counts(settings.store_dir / DATABASE_FILE)
    for name in ("registry", "alerts", "evals"):
        path = settings.home / f"{name}.db"
        if name in expected and name not in found:
            found[name] = sqlite_counts(path)
    for name, tables in expected.items():
        for table, rows in tables.items():
            there = found.get(name, {}).get(table)
            if there != rows:
                raise CheckFailed(f"{name}: {table} has {there} rows, and {rows} in the backup")
    store = Store.open(settings.store_dir, store_settings(settings.store, settings.readout))
    try:
        report = audit(store, waiting=0)
    finally:
        store.close()
    if not report.ok:
        raise CheckFailed(f"the restored store does not add up: {report.summary}")
    if "registry" in expected:
        open_registry(settings).close()
    return ["counts", "audit", *(["registry opened"] if "registry" in expected else [])]
