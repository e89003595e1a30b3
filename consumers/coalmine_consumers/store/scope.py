"""Lending Arrow tables to SQL for the length of a block."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Let SQL read these tables by name, in place, inside the block."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a transaction that failed takes them back itself, on rollback
            _take_back(connection, tables)
        raise
    _take_back(connection, tables)


def _take_back(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    for name in names:
        connection.unregister(name)
