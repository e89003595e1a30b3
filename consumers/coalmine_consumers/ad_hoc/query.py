"""Runs a statement of an analyst on a snapshot, in a database of its own that cannot reach anything else."""

import secrets
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from coalmine_consumers.ad_hoc.check import tables_of
from coalmine_consumers.ad_hoc.tables import public_columns
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import fetch_table, lent, quote_identifier, quote_literal
from coalmine_consumers.store import Store
from coalmine_consumers.store.views import live_paths, segment_scan
from coalmine_schemas.errors import InvalidParameter

_HIDDEN: Final = "hidden"
"""Schema of tables with columns that not everybody sees: statements may name no schema and so reach none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may take."""

    timeout_s: float = 60.0
    memory_mb: int = 256
    """Of DuckDB; what does not fit goes to disk, up to ten times as much."""
    rows: int = 10_000
    """Rows of the answer; more are left out, and it says so."""
    answer_mb: int = 64
    """Size of the answer."""


def run_query(
    store: Store, statement: str, limits: Limits | None = None, *, private: bool = False
) -> tuple[pa.Table, bool]:
    """Runs one SELECT on the state of the store as of now; ingest goes on meanwhile.

    Args:
        store: Of this process.
        statement: See `tables_of`.
        limits: What it may take.
        private: True to show texts and identifiers of users.

    Returns:
        The rows, and whether there are more than the limit.

    Raises:
        InvalidParameter: The statement is wrong, reads what it may not, or takes more than the limits.
    """
    limits = limits or Limits()
    tables = tables_of(statement)
    with _sandbox(limits) as connection:
        files = _lend_all(store, connection, tables, private=private)
        allowed = ", ".join(map(quote_literal, files))
        connection.execute(f"SET allowed_paths = [{allowed}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        found = _within(limits, connection, statement)
    if found.nbytes > limits.answer_mb * 2**20:
        raise InvalidParameter(
            f"sql: the answer has {found.nbytes / 2**20:,.0f} MB, {limits.answer_mb} at most: select fewer "
            "columns"
        )
    return found.slice(0, limits.rows), found.num_rows > limits.rows


@contextmanager
def _sandbox(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tempfile.mkdtemp(prefix="coalmine-sql-")
    try:
        with duckdb.connect(
            config={
                "TimeZone": "UTC",
                "threads": 2,
                "memory_limit": f"{limits.memory_mb}MiB",
                "temp_directory": folder,
                "max_temp_directory_size": f"{10 * limits.memory_mb}MiB",
                "autoinstall_known_extensions": False,
                "python_enable_replacements": False,
            }
        ) as connection:
            yield connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lend_all(
    store: Store, connection: duckdb.DuckDBPyConnection, tables: Collection[str], *, private: bool
) -> list[str]:
    """Gives the sandbox tables, all as of one moment; returns the files that they read."""
    salt = secrets.token_hex(16)
    files: list[str] = []
    connection.execute(f"CREATE SCHEMA {_HIDDEN}").fetchall()
    with store.cursor() as cursor:
        cursor.begin()
        try:
            for table in sorted(tables):
                event = next((each for each in INGESTED_EVENTS if each == table), None)
                if event is None:
                    _copy(cursor, connection, table)
                else:
                    columns = _copy(cursor, connection, f"{event}_hot", _HIDDEN)
                    paths = live_paths(cursor, store.directory, event)
                    stored = segment_scan(cursor, event, paths) if paths else None
                    _view(connection, event, stored, "*" if private else public_columns(columns, salt))
                    files += paths
        finally:
            cursor.rollback()
    return files


def _copy(
    cursor: duckdb.DuckDBPyConnection, into: duckdb.DuckDBPyConnection, table: str, schema: str = "main"
) -> list[str]:
    """Copies a table of the store into a schema of the sandbox; returns its columns."""
    named = quote_identifier(table)
    copied = f"{schema}.{named}"
    stored = cursor.table(table)
    columns = list(stored.columns)
    kinds = ", ".join(
        f"{quote_identifier(name)} {kind}" for name, kind in zip(columns, stored.types, strict=True)
    )
    into.execute(f"CREATE TABLE {copied} ({kinds})").fetchall()
    with lent(into, lent_rows=fetch_table(cursor, f"SELECT * FROM {named}")):  # noqa: S608 - quoted
        into.execute(f"INSERT INTO {copied} BY NAME SELECT * FROM lent_rows").fetchall()  # noqa: S608 - quoted
    return columns


def _view(
    connection: duckdb.DuckDBPyConnection, event: IngestedEvent, stored: str | None, shown: str
) -> None:
    every = f"SELECT * FROM {_HIDDEN}.{event}_hot"  # noqa: S608 - a closed set of names
    if stored is not None:
        every += f" UNION ALL BY NAME SELECT * FROM {stored}"  # noqa: S608 - quoted by segment_scan
    connection.execute(f"CREATE VIEW {event} AS SELECT {shown} FROM ({every})").fetchall()  # noqa: S608


def _within(limits: Limits, connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    timer = threading.Timer(limits.timeout_s, connection.interrupt)
    timer.start()
    try:
        inner = statement.strip().rstrip(";")
        return fetch_table(connection, f"SELECT * FROM (\n{inner}\n) LIMIT {limits.rows + 1}")  # noqa: S608
    except duckdb.InterruptException as error:
        raise InvalidParameter(
            f"sql: it took more than {limits.timeout_s:g} s: give a shorter period, or aggregate rollups"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise InvalidParameter(
            f"sql: it took more than {limits.memory_mb} MB of memory: give a shorter period or fewer groups"
        ) from error
    except duckdb.Error as error:
        raise InvalidParameter(f"sql: {error}") from error
    finally:
        timer.cancel()
