"""Compares rollups, cells and units with a full recount of raw rows: slow and complete."""

from datetime import datetime

import duckdb

from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES, BUCKET_KEYS, CELL_TABLES, AdditiveTable
from coalmine_consumers.maintenance.horizon import raw_horizon, rollups_kept_from
from coalmine_consumers.maintenance.rebuild import EXPIRED
from coalmine_consumers.maintenance.recount import Batches, Relations, recount
from coalmine_consumers.maintenance.scratch import SCRATCH, Scratch
from coalmine_consumers.maintenance.slices import slices
from coalmine_consumers.results import AuditCheck
from coalmine_consumers.sql import lent, quote_literal, statement

_SLICE_ROWS = 50_000
"""Rows of a rollup table compared at a time."""

TOLERANCE = 1e-9
"""Relative difference that the order of adding floats may make."""

_COUNTS = {
    "cost_mean": "cost_known",
    "latency_mean": "latency_n",
    "ttft_mean": "ttft_n",
    "rating_mean": "rating_n",
}
"""How many values each mean is of."""


def check_recount(
    cursor: duckdb.DuckDBPyConnection,
    reading: duckdb.DuckDBPyConnection,
    fresh: Scratch,
    relations: Relations,
    through: int,
) -> list[AuditCheck]:
    """Recounts everything and compares: one check for each table.

    Args:
        cursor: Inside the audit's snapshot.
        reading: Another one, to read raw rows by while `fresh` is filled.
        fresh: Empty.
        relations: All raw rows.
        through: The last batch the snapshot knows.
    """
    for counted in recount(reading, relations, Batches(through=through)):
        fresh.append(counted.tables)
    for table, source in EXPIRED.items():
        fresh.add_from(source, table)
    fresh.fold()
    return [_compare(cursor, table) for table in ADDITIVE_TABLES]


def _compare(cursor: duckdb.DuckDBPyConnection, table: AdditiveTable) -> AuditCheck:
    where = _where(cursor, table)
    # Folding forgets when a cell matured once it has, and the two were folded at different times.
    columns = "* REPLACE (NULL::TIMESTAMPTZ AS matures_at)" if table in CELL_TABLES else "*"
    stored = f"SELECT {columns} FROM {table} {where}"  # noqa: S608 - closed set
    recounted = f"SELECT {columns} FROM {SCRATCH}.{table} {where}"  # noqa: S608 - closed set
    found = wrong = 0
    if (key := BUCKET_KEYS.get(table)) is None:
        found, wrong = _count_differences(cursor, table, stored, recounted)
    else:
        both = f"({stored} UNION ALL {recounted})"
        here = "SEMI JOIN slice USING (resolution, bucket_start)"
        for part in slices(cursor, both, key, max_rows=_SLICE_ROWS):
            with lent(cursor, slice=part):
                more = _count_differences(
                    cursor, table, f"FROM ({stored}) {here}", f"FROM ({recounted}) {here}"
                )
            found, wrong = found + more[0], wrong + more[1]
    return AuditCheck(
        f"recount of {table}", not wrong, found, found - wrong, "a full recount gives the same numbers"
    )


def _count_differences(
    cursor: duckdb.DuckDBPyConnection, table: AdditiveTable, stored: str, recounted: str
) -> tuple[int, int]:
    """How many keys there are, and how many of them have other numbers."""
    columns = [
        (name, kind)
        for name, kind in zip(*_columns(cursor, table), strict=True)
        if name != "matures_at"
        and not (table == "rollups" and name in ("first_event_time", "last_event_time"))
    ]
    keys = [name for name, kind in columns if _is_key(table, name, kind)]
    differs = " OR ".join(_differs(name, kind) for name, kind in columns if name not in keys)
    same = " AND ".join(f"stored.{name} IS NOT DISTINCT FROM recounted.{name}" for name in keys)
    fold = statement(f"fold_{table}", "coalmine_consumers.maintenance")
    if table in CELL_TABLES:
        recounted = fold.format(source=f"({recounted})")
    query = (
        f"SELECT count(*) AS keys, count(*) FILTER (WHERE {differs}) AS wrong "  # noqa: S608 - closed set
        f"FROM ({fold.format(source=f'({stored})')}) AS stored FULL JOIN ({recounted}) AS recounted ON {same}"
    )
    ((found, wrong),) = cursor.execute(query).fetchall()
    return int(found), int(wrong)


def _columns(cursor: duckdb.DuckDBPyConnection, table: AdditiveTable) -> tuple[list[str], list[str]]:
    relation = cursor.table(table)
    return relation.columns, [str(kind) for kind in relation.types]


def _is_key(table: AdditiveTable, name: str, kind: str) -> bool:
    if table in BUCKET_KEYS:
        return kind in ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    return kind == "VARCHAR" or name in ("allocation_epoch", "unit_group")


def _differs(name: str, kind: str) -> str:
    if kind != "DOUBLE":
        return f"stored.{name} IS DISTINCT FROM recounted.{name}"
    scale = f"greatest(abs(stored.{name}), abs(recounted.{name}))"
    if name.endswith("m2"):  # squares around means that are themselves rounded
        mean = f"{name[:-2]}mean"
        scale = f"({scale} + recounted.{_COUNTS.get(mean, 'n')} * recounted.{mean} ** 2)"
    elif name.endswith("mean"):  # values of either sign may cancel
        scale = f"({scale} + sqrt(recounted.{name[:-4]}m2))"
    else:
        scale = f"({scale} + recounted.n / 1000)"
    unknown = f"(stored.{name} IS NULL) <> (recounted.{name} IS NULL)"
    return f"({unknown} OR abs(stored.{name} - recounted.{name}) > {TOLERANCE} * {scale})"


def _where(cursor: duckdb.DuckDBPyConnection, table: AdditiveTable) -> str:
    """Buckets whose raw rows are all there and that have not aged away."""
    if table not in BUCKET_KEYS:
        return ""
    horizon = raw_horizon(cursor)
    cases = " ".join(
        f"WHEN '{resolution}' THEN {_moment(max(since, horizon))}"
        for resolution, since in rollups_kept_from(cursor).items()
    )
    return f"WHERE bucket_start >= CASE resolution {cases} END"


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ {quote_literal(moment.isoformat())}"
