"""What an environment served when the registry was last heard of, kept on disk for the next start."""

import json
from pathlib import Path
from typing import Final
from urllib.parse import quote

from coalmine_schemas.prompts import InvalidSnapshot, Snapshot

_LARGEST_BYTES: Final = 64 * 1024 * 1024


def cache_path(home: Path, environment: str) -> Path:
    """Where the snapshot of an environment is kept."""
    return home / "cache" / _file_name(environment)


def _file_name(environment: str) -> str:
    return f"deployments-{quote(environment, safe='')}.json"


def read_snapshot(path: Path, environment: str) -> Snapshot:
    """A snapshot from a file.

    Args:
        path: The file; of a directory, the file that the cache would have for the environment.
        environment: The environment it must describe.

    Raises:
        InvalidSnapshot: It is missing, cannot be read, or describes another environment.
    """
    file = path / _file_name(environment) if path.is_dir() else path
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise InvalidSnapshot(f"{file} is larger than {_LARGEST_BYTES} bytes")
        text = file.read_bytes()
    except FileNotFoundError:
        raise InvalidSnapshot(f"{file} does not exist") from None
    except OSError as error:
        raise InvalidSnapshot(f"{file} cannot be read: {error.strerror}") from error
    try:
        return checked_snapshot(json.loads(text), environment)
    except (InvalidSnapshot, ValueError, RecursionError) as error:
        raise InvalidSnapshot(f"{file}: {error}") from error


def checked_snapshot(value: object, environment: str) -> Snapshot:
    """A snapshot from parsed JSON.

    Raises:
        InvalidSnapshot: It is not a valid snapshot, or describes another environment.
    """
    snapshot = Snapshot.from_json(value)
    if snapshot.environment != environment:
        raise InvalidSnapshot(f"this describes environment {snapshot.environment}, not {environment}")
    return snapshot
