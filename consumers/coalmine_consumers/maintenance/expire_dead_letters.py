"""Retention of dead letters. The ledger keeps counting them, as expired."""

from datetime import UTC, datetime, time

from coalmine_consumers.maintenance.plan import first_kept_day
from coalmine_consumers.maintenance.policy import RetentionPolicy
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.store import Store

_BOOK = """
INSERT INTO expired_dead_letters (ingest_id, event, status, rows)
SELECT ingest_id, event, status, count(*) FROM dead_letters WHERE failed_at < $before GROUP BY ALL
"""


def expire_dead_letters(store: Store, policy: RetentionPolicy, now: datetime) -> int:
    """Removes dead letters of days before the first to keep, whatever their status; returns how many."""
    first = first_kept_day(now, policy.dead_letter_days)
    if first is None:
        return 0
    before = {"before": datetime.combine(first, time.min, tzinfo=UTC)}
    with turn(store), store.transaction() as connection:
        connection.execute(_BOOK, before).fetchall()
        removal = "DELETE FROM dead_letters WHERE failed_at < $before"
        ((removed,),) = connection.execute(removal, before).fetchall()
    return int(removed)
