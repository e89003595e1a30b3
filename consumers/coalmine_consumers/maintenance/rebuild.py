"""Rebuild: rollups and cells recounted from raw rows, swapped for the old ones at once.

Counting goes on beside ingest. What is committed meanwhile is counted in further rounds, and the last
round, a few batches, inside the transaction that exchanges old for new. What retention has removed
from raw rows stays as it was: rollups of earlier days, and the share of expired requests in the cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from coalmine_consumers.errors import StoreDamaged
from coalmine_consumers.maintenance.compact import ADDITIVE_TABLES, BUCKET_KEYS, AdditiveTable, row_count
from coalmine_consumers.maintenance.horizon import BEGINNING, raw_horizon, rollups_kept_from
from coalmine_consumers.maintenance.recount import Batches, Relations, recount
from coalmine_consumers.maintenance.scratch import SCRATCH, Scratch, scratch
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.results import Rebuilt
from coalmine_consumers.sql import fetch_rows, lent
from coalmine_consumers.store import Store, live_segments
from coalmine_consumers.store.ledger import last_ingest_id

LAST_ROUND_BATCHES = 8
"""At most this many batches are counted while commits wait."""
MOST_ROUNDS = 20
"""After so many rounds commits have to wait, however many batches are left."""

EXPIRED: dict[AdditiveTable, str] = {
    "experiment_cells": "expired_cells",
    "experiment_segment_cells": "expired_segment_cells",
    "experiment_units": "expired_units",
}
"""Where the share of expired requests is kept."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a rebuild."""

    counted: int
    """Raw rows counted."""
    total: int
    """Raw rows when it began; commits in the meantime may add some."""


def rebuild(store: Store, progress: Callable[[Progress], None] = lambda _: None) -> Rebuilt:
    """Recounts everything. Readers see the old numbers until the end, then the new ones.

    Raises:
        StoreDamaged: Raw rows are missing. Nothing was changed: the rollups still count those rows.
    """
    with turn(store), scratch(store) as fresh:
        _require_raw_rows(store)
        rounds = _Rounds(store, fresh, progress)
        rounds.count_until_little_is_left()
        fresh.fold()
        for table, source in EXPIRED.items():
            fresh.add_from(source, table)
        fresh.fold()
        with store.transaction() as connection:
            rest = rounds.rest()
            horizon = raw_horizon(connection)
            before = _rows(connection)
            _exchange(connection, horizon)
            for tables in rest:
                _append(connection, tables, horizon)
            after = _rows(connection)
    return Rebuilt(rounds.counted, None if horizon == BEGINNING else horizon, before, after)


def _require_raw_rows(store: Store) -> None:
    with store.cursor() as cursor:
        for segment in live_segments(cursor):
            try:
                rows = pq.read_metadata(store.directory / segment.path).num_rows
            except (OSError, pa.ArrowException) as error:
                raise StoreDamaged(f"segment file {segment.path} cannot be read: {error}") from error
            if rows != segment.rows:
                raise StoreDamaged(f"segment file {segment.path} has {rows} rows, not {segment.rows}")


class _Rounds:
    """Counts batch by batch what is committed, the first time everything."""

    def __init__(self, store: Store, fresh: Scratch, progress: Callable[[Progress], None]) -> None:
        self.counted = 0
        self._store = store
        self._fresh = fresh
        self._progress = progress
        self._through = 0
        with store.cursor() as cursor:
            (row,) = fetch_rows(cursor, _TOTAL)
        self._total: int = row["total"]

    def count_until_little_is_left(self) -> None:
        """All but the last few batches."""
        for _ in range(MOST_ROUNDS):
            last = self._last()
            for tables in self._count(last):
                self._fresh.append(tables)
            if self._last() - last <= LAST_ROUND_BATCHES:
                return

    def rest(self) -> list[dict[AdditiveTable, pa.Table]]:
        """What is left. The caller keeps commits waiting, so nothing can follow."""
        return list(self._count(self._last()))

    def _last(self) -> int:
        with self._store.cursor() as cursor:
            return last_ingest_id(cursor)

    def _count(self, through: int) -> Iterator[dict[AdditiveTable, pa.Table]]:
        if through == self._through:
            return
        with self._store.cursor() as cursor:
            for counted in recount(cursor, Relations(), Batches(self._through, through)):
                self.counted += counted.raw_rows
                yield counted.tables
                self._progress(Progress(self.counted, max(self._total, self.counted)))
        self._through = through


_TOTAL = """
SELECT
    (SELECT count(*) FROM requests) + (SELECT count(*) FROM feedback) + (SELECT count(*) FROM scores) AS total
"""


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {table: row_count(connection, table) for table in ADDITIVE_TABLES}


def _exchange(connection: duckdb.DuckDBPyConnection, horizon: datetime) -> None:
    for table in ADDITIVE_TABLES:
        where, bounds = _kept(connection, table, horizon)
        old = "WHERE bucket_start >= $horizon" if table in BUCKET_KEYS else ""
        connection.execute(
            f"DELETE FROM {table} {old}",  # noqa: S608 - closed set
            {"horizon": horizon} if old else {},
        ).fetchall()
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT * FROM {SCRATCH}.{table} {where}",  # noqa: S608 - closed set
            bounds,
        ).fetchall()


def _append(
    connection: duckdb.DuckDBPyConnection, tables: dict[AdditiveTable, pa.Table], horizon: datetime
) -> None:
    for table, rows in tables.items():
        where, bounds = _kept(connection, table, horizon)
        with lent(connection, appended=rows):
            connection.execute(
                f"INSERT INTO {table} BY NAME SELECT * FROM appended {where}",  # noqa: S608 - closed set
                bounds,
            ).fetchall()


def _kept(
    connection: duckdb.DuckDBPyConnection, table: AdditiveTable, horizon: datetime
) -> tuple[str, dict[str, Any]]:
    """Which counted rows replace old ones: those whose raw rows are complete and that have not aged away."""
    if table not in BUCKET_KEYS:
        return "", {}
    kept = rollups_kept_from(connection)
    cases = " ".join(f"WHEN '{resolution}' THEN ${resolution}" for resolution in kept)
    where = f"WHERE bucket_start >= greatest($horizon, CASE resolution {cases} END)"
    return where, {"horizon": horizon} | {str(resolution): since for resolution, since in kept.items()}
