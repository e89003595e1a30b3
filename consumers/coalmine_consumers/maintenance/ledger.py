"""Fold old rows of the ledger: one row per hour and event in place of one per commit and event.

A live collector commits several times a second, which makes a million rows a day. All they say adds up, the
exclusive or of ids included, so an audit of folded rows finds the same; it then names a run of batches.
"""

from datetime import UTC, datetime, timedelta

from coalmine_consumers.maintenance.policy import LedgerPolicy
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.sql import statement
from coalmine_consumers.store import Store

_DELETE = """
DELETE FROM batches USING folding
WHERE batches.event = folding.event
  AND batches.ingest_id BETWEEN folding.first_ingest_id AND folding.ingest_id
"""


def fold_ledger(store: Store, policy: LedgerPolicy, now: datetime) -> int:
    """Folds rows of batches that are old enough; returns how many rows fewer there are."""
    before = (now.astimezone(UTC) - timedelta(seconds=policy.apart_s)).replace(
        minute=0, second=0, microsecond=0
    )
    with turn(store), store.transaction() as connection:
        fold = statement("ledger_to_fold", __package__)
        connection.execute(f"CREATE TEMP TABLE folding AS {fold}", {"before": before})
        ((deleted,),) = connection.execute(_DELETE).fetchall()
        ((inserted,),) = connection.execute("INSERT INTO batches BY NAME FROM folding").fetchall()
        connection.execute("DROP TABLE folding")
        if deleted:
            fold = statement("fold_expired_rows", __package__)
            connection.execute(f"CREATE TEMP TABLE folding AS {fold}").fetchall()
            connection.execute("DELETE FROM expired_rows").fetchall()
            connection.execute("INSERT INTO expired_rows BY NAME FROM folding").fetchall()
            connection.execute("DROP TABLE folding")
    return int(deleted - inserted)
