"""What was told to whom, as it is read."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from coalmine_alerts.results.messages import Delivery, Message, ToldTransition
from coalmine_alerts.storage.alerts import labelled, read_alert
from coalmine_alerts.storage.rows import transition_of
from coalmine_alerts.storage.tables import alerts, deliveries, messages, transitions
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.results import Page


def told_transitions(
    database: Database,
    fingerprint: str | None = None,
    *,
    since: datetime | None = None,
    environment: str | None = None,
    prompt: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[ToldTransition]:
    """Lists transitions with what became of telling them, the latest first.

    Args:
        database: Of alerts.
        fingerprint: Only of this alert; None: of all.
        since: Only those from then on.
        environment: Only of alerts with this label.
        prompt: Only of alerts with this label.
        cursor: `next_cursor` of the page before.
        limit: Maximum number of transitions.

    Raises:
        NotFound: There is no alert of this fingerprint.
        Invalid: `cursor` or `limit` is not valid.
    """
    table = transitions.c
    joined = transitions.join(alerts, alerts.c.fingerprint == table.fingerprint)
    query = select(transitions, alerts.c.rule, alerts.c.labels).select_from(joined).order_by(table.seq.desc())
    if fingerprint is not None:
        query = query.where(table.fingerprint == fingerprint)
    if since is not None:
        query = query.where(table.at >= since)
    query = query.where(*labelled(environment, prompt))
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(table.seq < before)

    def read(connection: Connection) -> Page[ToldTransition]:
        if fingerprint is not None:
            read_alert(connection, fingerprint)
        page = page_of(connection, query, limit, lambda row: row, lambda row: (row.seq,))
        told = _deliveries(connection, [row.seq for row in page.items])
        items = [
            ToldTransition(transition_of(row), row.rule, row.labels, tuple(told.get(row.seq, ())))
            for row in page.items
        ]
        return Page(items, page.next_cursor)

    return database.read(read)


def list_messages(
    database: Database,
    *,
    group: str | None = None,
    channel: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Message]:
    """Lists messages, the latest first.

    Args:
        database: Of alerts.
        group: Only about this group.
        channel: Only in this channel.
        cursor: `next_cursor` of the page before.
        limit: Maximum number of messages.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    table = messages.c
    query = select(messages).order_by(table.id.desc())
    if group is not None:
        query = query.where(table.group_key == group)
    if channel is not None:
        query = query.where(table.channel == channel)
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(table.id < before)

    def read(connection: Connection) -> Page[Message]:
        return page_of(
            connection,
            query,
            limit,
            lambda row: Message(
                row.id,
                row.channel,
                row.group_key,
                row.open,
                row.created_at,
                row.changed_at,
                row.text,
                row.body,
            ),
            lambda row: (row.id,),
        )

    return database.read(read)


def _deliveries(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Delivery]]:
    """The deliveries of some transitions, by transition."""
    query = select(deliveries).where(deliveries.c.transition.in_(seqs)).order_by(deliveries.c.id)
    found: dict[int, list[Delivery]] = {}
    for row in connection.execute(query):
        delivery = Delivery(
            row.channel, row.state, row.attempts, row.due_at, row.done_at, row.error, row.message
        )
        found.setdefault(row.transition, []).append(delivery)
    return found
