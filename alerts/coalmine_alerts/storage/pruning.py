"""Forgets what is long over, a piece at a time."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, exists, select

from coalmine_alerts.storage.rows import MOST_BOUND, pieces
from coalmine_alerts.storage.tables import alerts, deliveries, marks, messages, silences, transitions

KEPT: Final = timedelta(days=90)
"""How long transitions, and alerts that are over, are kept."""
_PIECE: Final = 2_000


def prune(connection: Connection, now: datetime) -> bool:
    """Forgets some of what has been over for long: transitions, what was sent of them, alerts and silences.

    What waits to be delivered or fires is kept, however old it is.

    Args:
        connection: In a transaction.
        now: The time.

    Returns:
        True if there may be more.
    """
    before = now - KEPT
    waits = exists().where(deliveries.c.transition == transitions.c.seq, deliveries.c.state == "waiting")
    is_old = (transitions.c.at < before) & ~waits
    query = select(transitions.c.seq).where(is_old).order_by(transitions.c.seq).limit(_PIECE)
    old = list(connection.execute(query).scalars())
    for seqs in pieces(old):
        connection.execute(delete(deliveries).where(deliveries.c.transition.in_(seqs)))
        connection.execute(delete(transitions).where(transitions.c.seq.in_(seqs)))
    told = exists().where(deliveries.c.message == messages.c.id)
    connection.execute(delete(messages).where(messages.c.changed_at < before, ~told))
    connection.execute(delete(silences).where(silences.c.ends_at < before))
    has_past = exists().where(transitions.c.fingerprint == alerts.c.fingerprint)
    gone = (
        select(alerts.c.fingerprint)
        .where(~alerts.c.live, alerts.c.evaluated_at < before, ~has_past)
        .limit(MOST_BOUND)
    )
    over = list(connection.execute(gone).scalars())
    if over:
        connection.execute(delete(marks).where(marks.c.fingerprint.in_(over)))
        connection.execute(delete(alerts).where(alerts.c.fingerprint.in_(over)))
    return len(old) == _PIECE or len(over) == MOST_BOUND
