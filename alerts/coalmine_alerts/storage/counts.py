"""How many alerts and deliveries there are, for metrics."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from coalmine_alerts.storage.tables import alerts, deliveries


class Kind(NamedTuple):
    """What alerts are counted by."""

    rule: str
    severity: str
    state: str
    environment: str
    prompt: str


class Queue(NamedTuple):
    """Deliveries of one channel in one state."""

    channel: str
    state: str
    deliveries: int
    oldest: datetime


def alert_counts(connection: Connection) -> Counter[Kind]:
    """Counts alerts that are not ok; an empty environment or prompt: of all, or of none."""
    table = alerts.c
    rows = connection.execute(
        select(table.rule, table.severity, table.state, table.labels).where(table.state != "ok")
    )
    return Counter(
        Kind(rule, severity, state, str(labels.get("environment", "")), str(labels.get("prompt", "")))
        for rule, severity, state, labels in rows
    )


def queues(connection: Connection) -> list[Queue]:
    """Counts the deliveries that wait, and those that were refused for good."""
    table = deliveries.c
    query = (
        select(table.channel, table.state, func.count(), func.min(table.created_at))
        .where(table.state.in_(("waiting", "parked")))
        .group_by(table.channel, table.state)
    )
    return [Queue(*row) for row in connection.execute(query)]
