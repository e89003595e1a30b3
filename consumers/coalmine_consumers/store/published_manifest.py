"""The list of live segment files on disk, for whoever reads the raw rows without asking us.

A folder's own listing is no answer: merged files stay for a while beside the one they were merged into, for
queries that began before. The list is replaced as a whole after each change, so every row is in it once.
"""

import json
import logging
from pathlib import Path

import duckdb

from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.sql import parsed
from coalmine_schemas.atomic_file import write_atomically

MANIFEST_FILE = "segments.json"

_FINGERPRINT = "SELECT count(*), bit_xor(hash(path)) FROM segments WHERE retired_at IS NULL"
_LIVE = "SELECT event, path FROM segments WHERE retired_at IS NULL ORDER BY event, path"

_log = logging.getLogger(__name__)


class PublishedManifest:
    """Writes `segments.json` beside the database whenever the committed manifest has changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written: object = None

    def publish(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Brings the file up to date after a commit. A disk that is full is no reason for that to fail."""
        fingerprint = connection.execute(parsed(connection, _FINGERPRINT)).fetchall()
        if fingerprint == self._written:
            return
        paths: dict[str, list[str]] = {event: [] for event in INGESTED_EVENTS}
        for event, path in connection.execute(_LIVE).fetchall():
            paths[event].append(path)
        try:
            write_atomically(self._directory / MANIFEST_FILE, json.dumps(paths, indent=1) + "\n")
        except OSError as error:
            _log.warning("%s cannot be written, and is out of date: %s", MANIFEST_FILE, error)
            return
        self._written = fingerprint
