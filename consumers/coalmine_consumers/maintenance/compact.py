"""Compact: rows that were appended for one key become one row.

Rollups and cells are additive, so folding changes no answer. Rollup tables are folded bucket by bucket,
oldest first and some thousand rows in a transaction, so that a commit never waits for long; the tables of
cells are small and are folded whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import duckdb

from coalmine_consumers.maintenance.policy import CompactionPolicy
from coalmine_consumers.maintenance.statements import statement
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.store import Store

AdditiveTable = Literal[
    "rollups", "rollup_histograms", "rollup_metrics", "experiment_cells", "experiment_units"
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

ADDITIVE_TABLES: tuple[AdditiveTable, ...] = (*BUCKET_KEYS, "experiment_cells", "experiment_units")
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
    """Whether enough was appended: `min_rows`, and half of what was there, so that the work stays linear."""
    return rows - rows_when_folded >= max(policy.min_rows, rows_when_folded // 2)


def compact(store: Store, policy: CompactionPolicy, state: CompactionState) -> list[Folded]:
    """Fold the tables that are due, one transaction's worth each; call again until nothing is left to do."""
    done: list[Folded] = []
    for table, rows in table_rows(store).items():
        if not is_due(rows, state.rows.get(table, 0), policy):
            continue
        folded = fold(store, table, max_rows=policy.rows_at_once)
        left = rows - folded.rows_before + folded.rows_after
        if table not in BUCKET_KEYS or folded.rows_before < policy.rows_at_once:
            state.rows[table] = left
        if folded.rows_before:
            done.append(folded)
    return done


def table_rows(store: Store) -> dict[AdditiveTable, int]:
    """Rows of each additive table."""
    with store.cursor() as cursor:
        return {table: row_count(cursor, table) for table in ADDITIVE_TABLES}


def row_count(connection: duckdb.DuckDBPyConnection, table: AdditiveTable) -> int:
    """Rows of one additive table."""
    ((rows,),) = connection.sql(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - closed set
    return int(rows)


def fold(store: Store, table: AdditiveTable, *, max_rows: int) -> Folded:
    """Fold one table in one transaction; of a rollup table, buckets of about `max_rows` rows."""
    with turn(store), store.transaction() as connection:
        return fold_within(connection, table, max_rows=max_rows)


def fold_within(connection: duckdb.DuckDBPyConnection, table: AdditiveTable, *, max_rows: int) -> Folded:
    """`fold`, inside the caller's transaction."""
    if key := BUCKET_KEYS.get(table):
        chosen = statement("buckets_to_fold").format(table=table, key=key)
        connection.execute(f"CREATE TEMP TABLE folding_buckets AS {chosen}", {"max_rows": max_rows})
        where = "SEMI JOIN folding_buckets USING (resolution, bucket_start)"
        delete = "WHERE (resolution, bucket_start) IN (FROM folding_buckets)"
    else:
        connection.execute("CREATE TEMP TABLE folding_buckets AS SELECT 1 AS everything")
        where = delete = ""
    copy = f"CREATE TEMP TABLE folding AS SELECT * FROM {table} {where}"  # noqa: S608 - closed set
    before = _rows(connection, copy)
    after = before
    if before:
        connection.execute(f"DELETE FROM {table} {delete}").fetchall()  # noqa: S608 - closed set
        folding = statement(f"fold_{table}").format(source="folding")
        after = _rows(connection, f"INSERT INTO {table} BY NAME {folding}")
    connection.execute("DROP TABLE folding")
    connection.execute("DROP TABLE folding_buckets")
    return Folded(table, before, after)


def _rows(connection: duckdb.DuckDBPyConnection, change: str) -> int:
    """Run a statement that answers with the number of rows it wrote."""
    ((rows,),) = connection.execute(change).fetchall()
    return int(rows)
