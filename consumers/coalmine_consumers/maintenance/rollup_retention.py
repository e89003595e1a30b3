"""Retention of rollups: old ones lose their finer resolutions, very old ones are deleted.

Every event is counted at each resolution, so a minute becomes part of an hour by deleting the minute. Sums
at the coarser resolutions are untouched; readers learn from `rollup_kept_from` which they may use.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time

import duckdb

from coalmine_consumers.aggregation.resolutions import LENGTH_S, Resolution
from coalmine_consumers.maintenance.compact import BUCKET_KEYS
from coalmine_consumers.maintenance.horizon import BEGINNING, keep_rollups_from
from coalmine_consumers.maintenance.plan import ageing_cutoffs, first_kept_day
from coalmine_consumers.maintenance.policy import AgeingPolicy, RetentionPolicy
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.store import Store

_BOOK = """
INSERT INTO expired_rollups (kept_from, requests, feedback)
SELECT $before, sum(requests), sum(feedback) FROM rollups
WHERE resolution = 'day' AND bucket_start < $before
HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Aged:
    """Rollup rows that were removed."""

    finer_rows: int
    """Minutes and hours that are part of a coarser bucket now."""
    expired_rows: int
    """Rows of all resolutions that retention removed."""


def age(store: Store, ageing: AgeingPolicy, retention: RetentionPolicy, now: datetime) -> Aged:
    """Deletes minutes, hours and days that are too old to be kept."""
    cutoffs = ageing_cutoffs(ageing, now)
    first = first_kept_day(now, retention.rollup_days)
    expired_before = BEGINNING if first is None else datetime.combine(first, time.min, tzinfo=UTC)
    with turn(store), store.transaction() as connection:
        expired = 0
        if first is not None:
            connection.execute(_BOOK, {"before": expired_before}).fetchall()
            expired = sum(_delete(connection, resolution, expired_before) for resolution in LENGTH_S)
        finer = _delete(connection, "minute", cutoffs.hours_before)
        finer += _delete(connection, "hour", cutoffs.days_before)
    return Aged(finer, expired)


def _delete(connection: duckdb.DuckDBPyConnection, resolution: Resolution, before: datetime) -> int:
    """Deletes a resolution's buckets that begin before a moment; returns how many rows went."""
    keep_rollups_from(connection, resolution, before)
    rows = 0
    for table in BUCKET_KEYS:
        delete = f"DELETE FROM {table} WHERE resolution = $resolution AND bucket_start < $before"  # noqa: S608
        ((deleted,),) = connection.execute(delete, {"resolution": resolution, "before": before}).fetchall()
        rows += deleted
    return rows
