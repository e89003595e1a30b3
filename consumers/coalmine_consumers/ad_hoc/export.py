"""Writes raw rows and rollups of a period as files that other tools read."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from coalmine_consumers.ad_hoc.tables import public_columns
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.results import ExportedTable, ExportFormat
from coalmine_consumers.sql import quote_identifier, quote_literal
from coalmine_consumers.store import Store
from coalmine_schemas.atomic_file import make_private_folder
from coalmine_schemas.errors import InvalidParameter

EXPORTED: Final = (*INGESTED_EVENTS, "rollups", "rollup_histograms", "rollup_metrics")
"""Tables that are written."""
DATABASE: Final = "coalmine-export.duckdb"

_COPY: Final[Mapping[ExportFormat, str]] = {
    "parquet": "(FORMAT parquet, COMPRESSION zstd)",
    "csv": "(FORMAT csv, HEADER)",
}


def export(
    store: Store,
    folder: Path,
    to: ExportFormat,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    private: bool = False,
) -> list[ExportedTable]:
    """Writes tables into a new folder, all as of one moment; ingest goes on meanwhile.

    Args:
        store: Of this process.
        folder: It is made, for its owner alone.
        to: One Parquet or CSV file for each table, or one DuckDB database.
        since: Only raw rows of events at or after this, and rollups of buckets that begin then.
        until: Only those before this.
        private: True to write texts and identifiers of users. Otherwise users have pseudonyms that hold
            within the export.

    Raises:
        InvalidParameter: The folder exists.
    """
    if folder.exists():
        raise InvalidParameter(f"{folder} exists: name a new folder")
    make_private_folder(folder)
    salt = quote_literal(secrets.token_hex(16))
    into = f"export_{secrets.token_hex(4)}"
    with store.cursor() as cursor:
        if to == "duckdb":
            cursor.execute(f"ATTACH {quote_literal(str(folder / DATABASE))} AS {into}").fetchall()
        try:
            cursor.begin()
            try:
                counts = {}
                for table in EXPORTED:
                    rows = _select(cursor, table, salt, since, until, private=private)
                    target = (
                        f"CREATE TABLE {into}.{quote_identifier(table)} AS {rows}"
                        if to == "duckdb"
                        else f"COPY ({rows}) TO {quote_literal(str(folder / f'{table}.{to}'))} {_COPY[to]}"
                    )
                    ((counts[table],),) = cursor.execute(target).fetchall()
                cursor.commit()
            except BaseException:
                cursor.rollback()
                raise
        finally:
            if to == "duckdb":
                cursor.execute(f"DETACH {into}").fetchall()
    return [
        ExportedTable(table, DATABASE if to == "duckdb" else f"{table}.{to}", rows)
        for table, rows in counts.items()
    ]


def _select(
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    salt: str,
    since: datetime | None,
    until: datetime | None,
    *,
    private: bool,
) -> str:
    raw = table in INGESTED_EVENTS
    shown = public_columns(cursor.table(table).columns, salt) if raw and not private else "*"
    time = "event_time" if raw else "bucket_start"
    ends = [
        f"{time} {sign} {quote_literal(moment.isoformat())}::TIMESTAMPTZ"
        for sign, moment in ((">=", since), ("<", until))
        if moment is not None
    ]
    return f"SELECT {shown} FROM {quote_identifier(table)} WHERE {' AND '.join(ends) or 'TRUE'}"  # noqa: S608
