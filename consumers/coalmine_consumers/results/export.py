"""Exports of raw rows and rollups."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

ExportFormat = Literal["parquet", "duckdb", "csv"]


@result
class ExportedTable:
    """One table of an export."""

    table: str
    """Name of the table, as in the data dictionary."""
    file: str
    """File in the folder of the export that has it."""
    rows: int
    """Number of rows in that file."""


@result
class Export:
    """Files that were written on the server's machine."""

    directory: str
    """Folder of the files, below the server's home."""
    format: ExportFormat
    """What kind of files they are."""
    since: datetime | None
    """Only events at or after this, UTC; null: from the first one on."""
    until: datetime | None
    """Only events before this, UTC; null: up to the last one."""
    private: bool
    """True where texts and identifiers of users were written."""
    tables: list[ExportedTable]
    """The tables, all as of one moment."""
