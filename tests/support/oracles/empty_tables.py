"""The tables of a store in memory, for trying one SQL statement on given rows."""

from __future__ import annotations  # evaluated, DuckDB complains of leaks at exit beside hypothesis

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from coalmine_consumers.sql import quote_identifier
from coalmine_consumers.store.migrate import migrate, published_migrations


@contextmanager
def empty_tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """All tables of a store, in memory, without a row."""
    with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": False}) as opened:
        migrate(opened, published_migrations())
        yield opened


def insert(connection: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    """Rows with the columns they name; the others stay empty."""
    for row in rows:
        names = ", ".join(map(quote_identifier, row))
        places = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values())).fetchall()
