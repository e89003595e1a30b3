"""Rebuilds of rollups and experiment cells."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result


@result
class Rebuilt:
    """What a rebuild of rollups and experiment cells did."""

    counted: int
    """Raw rows counted: requests, and feedback and scores with a request."""
    rebuilt_from: datetime | None
    """Earlier rollups were left as they are, because their raw rows have expired; null if all are new."""
    rows_before: dict[str, int]
    """Rows by table before."""
    rows_after: dict[str, int]
    """Rows by table after."""


@result
class RebuildStatus:
    """Progress of a rebuild in the server."""

    state: Literal["never", "running", "done", "failed"]
    """`never` since this server started; an interrupted rebuild leaves everything as it was."""
    counted: int
    """Raw rows counted so far."""
    total: int
    """Raw rows to count."""
    reason: str | None
    """Why it failed, or null."""
    result: Rebuilt | None
    """What the last one did; null until it is done."""
