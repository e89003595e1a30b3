"""SQL that lives in files beside the code that runs it, and its rows as Python values."""

from collections.abc import Mapping
from typing import Any

import duckdb

from coalmine_consumers.store import statements


def statement(name: str) -> str:
    """The text of `sql/<name>.sql` in this package."""
    return statements.statement(name, __package__)


def fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """All rows of one statement, by column name.

    By way of Arrow, because DuckDB itself hands out times with a zone only where pytz is installed.
    """
    found = connection.sql(sql, params=dict(parameters) if parameters else None).to_arrow_table()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows
