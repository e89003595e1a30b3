"""Results that the server makes of those of its parts, served by the API as they are."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

TimelineKind = Literal[
    "version", "deployment", "rollout", "freeze", "model_change", "ingest_gap", "feedback_peak"
]


@result
class TimelineItem:
    """One thing that happened."""

    at: datetime
    kind: TimelineKind
    environment: str | None
    """Null where it is not about one."""
    version: str | None
    """Version that it is about, if it is about one."""
    text: str
    """What happened, as a sentence."""
    actor: str | None
    """Who did it: a person, or `rollout:<id>`; null where nobody did."""
    reason: str | None
    rollout: str | None
    """Rollout that decided it, if one did."""
    revision: int | None
    """Revision of the deployment that it made, if it made one."""


@result
class BackupFile:
    """One file of a backup."""

    path: str
    """Path below the folder of the backup."""
    size_bytes: int
    """Size of the file, bytes."""
    sha256: str
    """Digest of the file, hexadecimal."""


@result
class Backup:
    """A backup of a home on the server's machine."""

    directory: str
    """Folder of the backup, below the server's home."""
    format: int
    """Version of the layout of backups."""
    created_at: datetime
    """When it was made, UTC."""
    coalmine_version: str
    """Version of Coalmine that made it."""
    files: list[BackupFile]
    """Everything that it has."""
    counts: dict[str, dict[str, int]]
    """Rows by database and table: store, registry, alerts, evals."""


@result
class StoreSnapshot:
    """A copy of the store as of one moment, for a replica that sees the server's file system."""

    id: str
    """Its name, to be given as `known` the next time."""
    directory: str
    """Folder of it, below the server's home: a store of its own."""
    as_of: datetime
    """Everything committed until then is in it, UTC."""
    is_new: bool
    """False: nothing was committed since the known one, which is as good as a new one."""


@result
class Restored:
    """A home that was restored from a backup."""

    home: str
    """Folder of the home."""
    files: int
    """Number of files of the backup, all with the right digest."""
    counts: dict[str, dict[str, int]]
    """Rows by database and table, of the backup."""
    checks: list[str]
    """What was checked: digests, and counts, audit and registry with `--verify`."""
