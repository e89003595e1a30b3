"""A scratch database beside the store's own, in which new rollups and cells are built.

It is a file of its own that is thrown away afterwards, so building takes neither memory nor the store's log.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES, BUCKET_KEYS, AdditiveTable
from coalmine_consumers.maintenance.slices import slices
from coalmine_consumers.sql import lent, quote_literal, statement
from coalmine_consumers.store import Store

SCRATCH = "scratch"
"""The name the database is attached by. One at a time: the caller has the store's `turn`."""

_FILE = "scratch.duckdb"
_FOLD_ROWS = 300_000
"""A table is folded once this many rows, and as many as it had, were appended: the file stays small."""
_SLICE_ROWS = 50_000
"""And so many rows at a time, so that memory stays small."""


class Scratch:
    """Tables shaped like the store's additive ones; readable from any cursor as `scratch.<table>`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._appended: dict[AdditiveTable, int] = dict.fromkeys(ADDITIVE_TABLES, 0)
        self._folded: dict[AdditiveTable, int] = dict.fromkeys(ADDITIVE_TABLES, 0)
        found = cursor.execute(
            "SELECT table_name, sql FROM duckdb_tables() WHERE database_name <> $scratch",
            {"scratch": SCRATCH},
        )
        self._made_by: dict[str, str] = dict(found.fetchall())
        """The statements that make the store's tables; DuckDB writes those of all tables to find one."""
        for table in ADDITIVE_TABLES:
            self._create(table)

    def append(self, tables: Mapping[AdditiveTable, pa.Table]) -> None:
        """Appends rows."""
        for table, rows in tables.items():
            with lent(self._cursor, appended=rows):
                self._insert(table, "SELECT * FROM appended")
            self._appended[table] += rows.num_rows
            if self._appended[table] >= max(_FOLD_ROWS, self._folded[table]):
                self._fold(table)

    def add_from(self, source: str, table: AdditiveTable) -> None:
        """Appends the rows of one of the store's tables."""
        self._appended[table] += self._insert(table, f"SELECT * FROM {source}")  # noqa: S608 - closed set

    def fold(self) -> None:
        """Makes one row of each key."""
        for table in ADDITIVE_TABLES:
            if self._appended[table]:
                self._fold(table)

    def _fold(self, table: AdditiveTable) -> None:
        unfolded = f"{SCRATCH}.unfolded"
        self._cursor.execute(f"ALTER TABLE {SCRATCH}.{table} RENAME TO unfolded")
        self._create(table)
        folding = statement(f"fold_{table}", __package__)
        rows = 0
        if (key := BUCKET_KEYS.get(table)) is None:
            rows = self._insert(table, folding.format(source=unfolded))
        else:
            source = f"(SELECT * FROM {unfolded} SEMI JOIN slice USING (resolution, bucket_start))"  # noqa: S608
            for part in slices(self._cursor, unfolded, key, max_rows=_SLICE_ROWS):
                with lent(self._cursor, slice=part):
                    rows += self._insert(table, folding.format(source=source))
        self._cursor.execute(f"DROP TABLE {unfolded}")
        self._appended[table], self._folded[table] = 0, rows

    def _insert(self, table: AdditiveTable, query: str) -> int:
        ((rows,),) = self._cursor.execute(f"INSERT INTO {SCRATCH}.{table} BY NAME {query}").fetchall()
        return int(rows)

    def _create(self, table: AdditiveTable) -> None:
        sql = self._made_by[table]
        self._cursor.execute(sql.replace(f"CREATE TABLE {table}(", f"CREATE TABLE {SCRATCH}.{table}(", 1))


@contextmanager
def scratch(store: Store) -> Iterator[Scratch]:
    """Attaches an empty scratch database for the length of the block."""
    path = store.directory / _FILE
    _remove(path)  # of a process that was killed
    with store.cursor() as cursor:
        cursor.execute(f"ATTACH {quote_literal(str(path))} AS {SCRATCH}")
        try:
            yield Scratch(cursor)
        finally:
            cursor.execute(f"DETACH {SCRATCH}")
            _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
