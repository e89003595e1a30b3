"""Alerts and their transitions, as they are read."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, select

from coalmine_alerts.results.alerts import Alert, AlertState, Transition
from coalmine_alerts.storage.rows import alert_of, transition_of
from coalmine_alerts.storage.tables import alerts, transitions
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import NotFound
from coalmine_registry.operations.pages import invalid_cursor, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import decode_cursor
from coalmine_schemas.results import Page

LIVE: Final[tuple[AlertState, ...]] = ("pending", "firing", "no_data")
"""States of what is not over."""


def list_alerts(
    database: Database,
    *,
    states: Collection[AlertState] = (),
    environment: str | None = None,
    prompt: str | None = None,
    rule: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Alert]:
    """Lists alerts, those that changed their state last first.

    Args:
        database: Of alerts.
        states: Only alerts in these states; empty: in any.
        environment: Only alerts with this label.
        prompt: Only alerts with this label.
        rule: Only alerts of this rule.
        cursor: `next_cursor` of the page before.
        limit: Maximum number of alerts.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    query = select(alerts).order_by(alerts.c.since.desc(), alerts.c.fingerprint)
    if states:
        query = query.where(alerts.c.state.in_(sorted(states)))
    query = query.where(*labelled(environment, prompt))
    if rule is not None:
        query = query.where(alerts.c.rule == rule)
    if cursor is not None:
        since, fingerprint = _alert_cursor(cursor)
        same = (alerts.c.since == since) & (alerts.c.fingerprint > fingerprint)
        query = query.where((alerts.c.since < since) | same)

    def read(connection: Connection) -> Page[Alert]:
        return page_of(
            connection, query, limit, alert_of, lambda row: (row.since.isoformat(), row.fingerprint)
        )

    return database.read(read)


def labelled(environment: str | None, prompt: str | None) -> list[ColumnElement[bool]]:
    """Returns the conditions for alerts with these labels; None: whatever the label."""
    wanted = {"environment": environment, "prompt": prompt}
    return [
        alerts.c.labels[label].as_string() == value for label, value in wanted.items() if value is not None
    ]


def alert(database: Database, fingerprint: str) -> Alert:
    """Returns one alert.

    Raises:
        NotFound: There is none of this fingerprint.
    """
    return database.read(lambda connection: read_alert(connection, fingerprint))


def read_alert(connection: Connection, fingerprint: str) -> Alert:
    """Returns one alert.

    Raises:
        NotFound: There is none of this fingerprint.
    """
    row = connection.execute(select(alerts).where(alerts.c.fingerprint == fingerprint)).first()
    if row is None:
        raise not_found(fingerprint)
    return alert_of(row)


def not_found(fingerprint: str) -> NotFound:
    """Returns the error for an alert that does not exist."""
    return NotFound(f"there is no alert {fingerprint}: `coalmine alerts list` shows those there are")


def history(connection: Connection, fingerprints: Sequence[str], since: datetime) -> list[Transition]:
    """Returns the transitions of some alerts since a moment, oldest first."""
    query = select(transitions).where(
        transitions.c.fingerprint.in_(list(fingerprints)), transitions.c.at >= since
    )
    return [transition_of(row) for row in connection.execute(query.order_by(transitions.c.seq))]


def _alert_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        since, fingerprint = decode_cursor(cursor, [str, str])
        moment = datetime.fromisoformat(since)
    except (InvalidParameter, ValueError) as error:
        raise invalid_cursor(cursor) from error
    if moment.tzinfo is None:
        raise invalid_cursor(cursor)
    return moment, fingerprint
