"""Reads a store from many threads while its writer commits."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import duckdb
import pyarrow as pa

from coalmine_consumers.sql import as_rows, fetch_batches, fetch_rows, fetch_table
from coalmine_consumers.store.narrowed import Stretch, narrow


class Reader:
    """Runs queries, each on a cursor of its own, so that any number of threads may share a reader.

    A query sees the last committed state. Several queries that must agree belong in one `snapshot`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def table(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Runs one statement and returns all of its rows."""
        with self._connection.cursor() as cursor:
            return fetch_table(cursor, sql, parameters)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Runs one statement and returns all of its rows by column name."""
        return as_rows(self.table(sql, parameters))

    def batches(self, sql: str, parameters: Mapping[str, Any] | None, rows: int) -> Generator[pa.Table]:
        """Runs one statement and returns its rows, so many at a time."""
        with self._connection.cursor() as cursor:
            yield from fetch_batches(cursor, sql, parameters, rows)

    @contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """Runs several queries that all see the same state."""
        with self._connection.cursor() as cursor:
            cursor.begin()
            try:
                yield Snapshot(cursor)
            finally:
                cursor.rollback()


class Snapshot:
    """One state of the store. For one thread, inside the block that made it."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def table(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Runs one statement and returns all of its rows."""
        return fetch_table(self._cursor, sql, parameters)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Runs one statement and returns all of its rows by column name."""
        return fetch_rows(self._cursor, sql, parameters)

    def batches(self, sql: str, parameters: Mapping[str, Any] | None, rows: int) -> Generator[pa.Table]:
        """Runs one statement and returns its rows, so many at a time."""
        return fetch_batches(self._cursor, sql, parameters, rows)

    def narrow(self, event: Literal["requests", "feedback"], stretch: Stretch) -> None:
        """Opens no files without rows of a stretch from now on; see `narrowed`."""
        narrow(self._cursor, event, stretch)
