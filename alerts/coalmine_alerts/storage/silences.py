"""Silences, and what they silence."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from coalmine_alerts.results.alerts import Silence
from coalmine_alerts.storage.rows import silence_of
from coalmine_alerts.storage.tables import silences
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import NotFound
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.results import Page


def list_silences(
    database: Database,
    *,
    active_at: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Silence]:
    """Lists silences, the latest first.

    Args:
        database: Of alerts.
        active_at: Only those in force at this moment; None: all.
        cursor: `next_cursor` of the page before.
        limit: Maximum number of silences.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    query = select(silences) if active_at is None else _active(active_at)
    query = query.order_by(silences.c.id.desc())
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(silences.c.id < before)

    def read(connection: Connection) -> Page[Silence]:
        return page_of(connection, query, limit, silence_of, lambda row: (row.id,))

    return database.read(read)


def active_silences(connection: Connection, now: datetime) -> list[Silence]:
    """Returns the silences in force at a moment."""
    return [silence_of(row) for row in connection.execute(_active(now).order_by(silences.c.id))]


def read_silence(connection: Connection, silence_id: int) -> Silence:
    """Returns one silence.

    Raises:
        NotFound: There is none of this id.
    """
    row = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
    if row is None:
        raise NotFound(f"there is no silence {silence_id}: `GET /v1/alerts/silences` lists those there are")
    return silence_of(row)


def silenced_until(active: Iterable[Silence], rule: str, labels: Mapping[str, str]) -> datetime | None:
    """Returns until when an alert is silenced; None if it is not."""
    return max((each.ends_at for each in active if matches(each.matchers, rule, labels)), default=None)


def matches(matchers: Mapping[str, str], rule: str, labels: Mapping[str, str]) -> bool:
    """Returns True if an alert has all labels that a silence names; `rule` is one of them."""
    have = {**labels, "rule": rule}
    return all(name in have and _same(wanted, have[name]) for name, wanted in matchers.items())


def _same(wanted: str, value: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def _active(now: datetime) -> Select[Any]:
    in_force = (silences.c.created_at <= now) & (silences.c.ends_at > now) & silences.c.ended_at.is_(None)
    return select(silences).where(in_force)
