"""Rollups and cells counted anew."""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer


class Rebuilt(Answer):
    """What a rebuild of rollups and experiment cells did."""

    counted: int
    """Raw rows that were counted."""
    rebuilt_from: datetime | None
    """Earlier rollups were left as they are, because their raw rows have expired; null if all are new."""
    rows_before: dict[str, int]
    """Rows by table before."""
    rows_after: dict[str, int]
    """Rows by table after."""


class RebuildStatus(Answer):
    """How a rebuild in the server is coming on."""

    state: Literal["never", "running", "done", "failed"]
    """`never` since this server started; a rebuild that a stop interrupts leaves everything as it was."""
    counted: int
    """Raw rows counted so far."""
    total: int
    """Raw rows to count."""
    reason: str | None
    """Why it failed, or null."""
    result: Rebuilt | None
    """What the last one did, once it is done."""
