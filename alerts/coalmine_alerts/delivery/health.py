"""How channels stand: what they did not take is told in the others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select

from coalmine_alerts.results.delivery import ChannelHealth
from coalmine_alerts.standing import RANK
from coalmine_alerts.storage.deliveries import is_unusable
from coalmine_alerts.storage.tables import deliveries
from coalmine_registry.storage.database import Database

LATELY: Final = timedelta(hours=1)

_row = deliveries.c
_WAITS: Final = _row.state == "waiting"


def channel_health(database: Database, channels: Sequence[str], now: datetime) -> list[ChannelHealth]:
    """Returns how channels stand, with those that are not configured any more and missed something."""

    def work(connection: Connection) -> list[ChannelHealth]:
        gone = _gone(connection, channels, now)
        return [
            *(_of(connection, name, now) for name in channels),
            *(_of(connection, name, now, configured=False) for name in gone),
        ]

    return database.read(work)


def _gone(connection: Connection, channels: Sequence[str], now: datetime) -> list[str]:
    missed = _WAITS | _parked_lately(now)
    query = select(_row.channel).where(missed, _row.channel.not_in(channels)).distinct()
    return list(connection.execute(query.order_by(_row.channel)).scalars())


def _parked_lately(now: datetime) -> ColumnElement[bool]:
    return (_row.state == "parked") & (_row.done_at > now - LATELY)


def _of(connection: Connection, name: str, now: datetime, *, configured: bool = True) -> ChannelHealth:
    mine = _row.channel == name
    waits, lately = mine & _WAITS, mine & _parked_lately(now)
    tried = waits & (_row.attempts > 0) if configured else waits  # nobody will try the others
    waiting = connection.execute(select(func.count()).where(waits)).scalar_one()
    failing_since = connection.execute(select(func.min(_row.tried_at)).where(tried)).scalar()
    parked, parked_at = connection.execute(select(func.count(), func.max(_row.done_at)).where(lately)).one()
    delivered = mine & _row.message.is_not(None)
    failed = lately | tried
    errors = select(_row.error).where(failed, _row.error.is_not(None)).order_by(_row.id.desc()).limit(1)
    latest = select(_row.done_at).where(delivered).order_by(_row.id.desc()).limit(1)
    severities = connection.execute(select(_row.severity).where(failed).distinct()).scalars()
    worst = sorted(severities, key=RANK.__getitem__)
    return ChannelHealth(
        channel=name,
        waiting=waiting,
        failing_since=failing_since,
        unusable=failing_since is not None and is_unusable(connection, name),
        parked=parked,
        parked_at=parked_at,
        delivered_at=connection.execute(latest).scalar(),
        worst=worst[-1] if worst else None,
        error=connection.execute(errors).scalar(),
        configured=configured,
    )
