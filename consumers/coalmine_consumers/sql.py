"""SQL statements from files, and their rows as Arrow tables or Python values."""

import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import duckdb
import pyarrow as pa

_UTC_TIME = pa.timestamp("us", tz="UTC")

# What it recommends plans a statement twice: first to know its columns, then to run it. That takes longer
# than the copy it warns of, and so does writing many rows without one, by one thread.
warnings.filterwarnings("ignore", "Arrow output on a DB-API result makes an extra copy", UserWarning)


_LONGEST_KEPT = 8_192
_MOST_KEPT = 512
_parsed: dict[str, duckdb.Statement] = {}


@cache
def statement(name: str, package: str) -> str:
    """Returns the text of `sql/<name>.sql` in a package."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def quote_identifier(name: str) -> str:
    """Quotes a name for use in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quotes a string literal, for DDL, where DuckDB binds no parameters."""
    return "'" + text.replace("'", "''") + "'"


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement | str:
    """Returns a statement, parsed once: that takes a tenth of the time of most questions about few rows."""
    found = _parsed.get(sql)
    if found is None:
        if len(sql) > _LONGEST_KEPT:  # it names files, and next time others
            return sql
        (found,) = connection.extract_statements(sql)
        if len(_parsed) >= _MOST_KEPT:
            _parsed.clear()
        _parsed[sql] = found
    return found


def fetch_table(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> pa.Table:
    """Runs one statement and returns all of its rows, which are copied: `fetch_batches` is for very many."""
    found = connection.execute(parsed(connection, sql), dict(parameters) if parameters else None)
    return found.to_arrow_table()


def fetch_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Runs one statement and returns all of its rows by column name.

    Goes through Arrow, because DuckDB itself returns times with a zone only where pytz is installed.
    """
    return as_rows(fetch_table(connection, sql, parameters))


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Returns the rows of a table by column name, as `to_pylist` does."""
    names, columns = table.column_names, [as_values(column) for column in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def as_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Returns the values of a column, as `to_pylist` does.

    Times with a zone, which DuckDB has in UTC, pass as plain ones: for the others pyarrow imports pandas. Its
    `cast` would import pyarrow.compute, which takes as long as a short question.
    """
    if column.type != _UTC_TIME:
        values: list[Any] = column.to_pylist()
        return values
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    times = (time for chunk in chunks for time in chunk.view(pa.timestamp("us")).to_pylist())
    return [time and time.replace(tzinfo=UTC) for time in times]


def fetch_batches(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None, rows: int
) -> Generator[pa.Table]:
    """Runs one statement and returns its rows, so many at a time: all of them need not fit into memory.

    Close it if not all are read: until then the connection takes no other statement.
    """
    found = connection.sql(sql, params=dict(parameters) if parameters else None)
    with found.to_arrow_reader(rows) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


class Source(Protocol):
    """Where queries run: a `Reader`, or a `Snapshot` where several must agree."""

    def table(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Runs one statement and returns all of its rows."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Runs one statement and returns all of its rows by column name."""
        ...

    def batches(self, sql: str, parameters: Mapping[str, Any] | None, rows: int) -> Generator[pa.Table]:
        """Runs one statement and returns its rows, so many at a time."""
        ...


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Lets SQL read these Arrow tables by name, in place, inside the block."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # a rollback after a failed transaction unregisters them itself
            _unregister(connection, tables)
        raise
    _unregister(connection, tables)


def append_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Appends rows to a table, whose columns are found by name."""
    insert = f"INSERT INTO {quote_identifier(table)} BY NAME SELECT * FROM rows"  # noqa: S608 - quoted
    connection.execute(parsed(connection, insert))  # DuckDB finds `rows` here, in half the time of lending it


def replace_rows(
    connection: duckdb.DuckDBPyConnection, table: str, keys: Iterable[str], rows: pa.Table
) -> None:
    """Puts rows into a table in place of those with the same keys.

    Args:
        connection: Inside a transaction.
        table: Its name.
        keys: Columns that tell its rows apart.
        rows: Columns of the table.
    """
    named = ", ".join(map(quote_identifier, keys))
    into = quote_identifier(table)
    connection.execute(
        f"DELETE FROM {into} WHERE ({named}) IN (SELECT ({named}) FROM rows)"  # noqa: S608 - quoted
    )
    append_rows(connection, table, rows)


def _unregister(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    for name in names:
        connection.unregister(name)
