"""Compact: rows that were appended for one key become one row.

Rollups and cells are additive, so folding changes no answer. Rollup tables are folded bucket by bucket,
oldest first and some thousand rows in a transaction, so that a commit never waits for long; the tables of
cells are small and are folded whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Literal

import duckdb
import pyarrow as pa

from coalmine_consumers.maintenance.policy import CompactionPolicy
from coalmine_consumers.maintenance.slices import slices
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.sql import lent, statement
from coalmine_consumers.store import Store

AdditiveTable = Literal[
    "rollups",
    "rollup_histograms",
    "rollup_metrics",
    "experiment_cells",
    "experiment_segment_cells",
    "experiment_units",
]

_SERIES = "prompt, version, variant, environment, app, model"

BUCKET_KEYS: Mapping[AdditiveTable, str] = MappingProxyType(
    {
        "rollups": _SERIES,
        "rollup_histograms": f"{_SERIES}, metric",
        "rollup_metrics": f"{_SERIES}, name",
    }
)
"""Rollup tables, and the columns that tell the rows of one bucket apart."""

CELL_TABLES: tuple[AdditiveTable, ...] = ("experiment_cells", "experiment_segment_cells")
"""Tables of cells, which mature."""

ADDITIVE_TABLES: tuple[AdditiveTable, ...] = (*BUCKET_KEYS, *CELL_TABLES, "experiment_units")
"""Every table whose rows may share a key."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What folding did to one table."""

    table: AdditiveTable
    rows_before: int
    """Rows that were folded."""
    rows_after: int
    """What they became."""


@dataclass(slots=True)
class CompactionState:
    """How many rows each table had when it was folded last."""

    rows: dict[AdditiveTable, int] = field(default_factory=dict)


def is_due(rows: int, rows_when_folded: int, policy: CompactionPolicy) -> bool:
    """True if enough was appended: `min_rows`, and half of what was there, so that the work stays linear."""
    return rows - rows_when_folded >= max(policy.min_rows, rows_when_folded // 2)


def compact(store: Store, policy: CompactionPolicy, state: CompactionState) -> list[Folded]:
    """Folds the tables that are due, in transactions of about `rows_at_once` rows."""
    done: list[Folded] = []
    for table, rows in table_rows(store).items():
        if is_due(rows, state.rows.get(table, 0), policy):
            folded = fold(store, table, rows_at_once=policy.rows_at_once)
            state.rows[table] = rows - folded.rows_before + folded.rows_after
            done.append(folded)
    return done


def table_rows(store: Store) -> dict[AdditiveTable, int]:
    """Rows of each additive table."""
    with store.cursor() as cursor:
        return {table: row_count(cursor, table) for table in ADDITIVE_TABLES}


def row_count(connection: duckdb.DuckDBPyConnection, table: AdditiveTable) -> int:
    """Rows of one additive table."""
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - closed set
    return int(rows)


def fold(store: Store, table: AdditiveTable, *, rows_at_once: int, most_slices: int | None = None) -> Folded:
    """Folds one table: a rollup table in several transactions, `most_slices` at most, others in one."""
    before = after = 0
    with turn(store):
        for part in _parts(store, table, rows_at_once, most_slices):
            with store.transaction() as connection:
                folded = _fold_part(connection, table, part)
            before += folded.rows_before
            after += folded.rows_after
    return Folded(table, before, after)


def _parts(
    store: Store, table: AdditiveTable, rows_at_once: int, most_slices: int | None
) -> list[pa.Table | None]:
    """Slices of a rollup table with something to fold; None stands for a whole table."""
    if (key := BUCKET_KEYS.get(table)) is None:
        return [None]
    with store.cursor() as cursor:
        found = slices(cursor, table, key, max_rows=rows_at_once, only_unfolded=True)
        return list(islice(found, most_slices))


def _fold_part(connection: duckdb.DuckDBPyConnection, table: AdditiveTable, part: pa.Table | None) -> Folded:
    chosen = {} if part is None else {"folding_buckets": part}
    where = "" if part is None else "SEMI JOIN folding_buckets USING (resolution, bucket_start)"
    delete = "" if part is None else "WHERE (resolution, bucket_start) IN (FROM folding_buckets)"
    folded = statement(f"fold_{table}", __package__).format(source=f"(FROM {table} {where})")
    with lent(connection, **chosen):
        after = _rows(connection, f"CREATE TEMP TABLE folded AS {folded}")
        before = _rows(connection, f"DELETE FROM {table} {delete}")  # noqa: S608 - closed set
    connection.execute(f"INSERT INTO {table} BY NAME FROM folded").fetchall()
    connection.execute("DROP TABLE folded")
    return Folded(table, before, after)


def _rows(connection: duckdb.DuckDBPyConnection, change: str) -> int:
    """Runs a statement that returns the number of rows it wrote."""
    ((rows,),) = connection.execute(change).fetchall()
    return int(rows)
