"""Rows of the outbox and of what was sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from coalmine_alerts.delivery.channels import SentMessage
from coalmine_alerts.results.alerts import Alert, Severity, Transition
from coalmine_alerts.storage.alerts import LIVE
from coalmine_alerts.storage.rows import alert_of, pieces, transition_of
from coalmine_alerts.storage.tables import alerts, deliveries, memory, messages, transitions

LONGEST_WAIT: Final = timedelta(hours=25)
"""Nothing waits longer on purpose: the daily digest waits a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row of the outbox that waits."""

    id: int
    transition: int
    group_key: str
    severity: Severity
    created_at: datetime
    due_at: datetime
    attempts: int
    tried_at: datetime | None
    ambiguous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A message of a group that is not closed."""

    id: int
    message: SentMessage


def waiting(connection: Connection, channel: str) -> list[Waiting]:
    """Returns what waits for a channel, in order."""
    columns = [deliveries.c[name] for name in Waiting.__slots__]
    query = select(*columns).where(deliveries.c.state == "waiting", deliveries.c.channel == channel)
    return [Waiting(**row._mapping) for row in connection.execute(query.order_by(deliveries.c.id))]


def waits(connection: Connection, channel: str, due_at: datetime | None) -> bool:
    """Returns whether a row waits for a channel that is due by then; None: whenever it is due.

    Rows of a clock that was set back since are due.
    """
    query = select(deliveries.c.id).where(deliveries.c.state == "waiting", deliveries.c.channel == channel)
    if due_at is not None:
        made, due = deliveries.c.created_at, deliveries.c.due_at
        query = query.where(or_(due <= due_at, made > due_at, due > due_at + LONGEST_WAIT))
    return connection.execute(query.limit(1)).first() is not None


def of_others(connection: Connection, channels: Collection[str], before: datetime) -> list[int]:
    """Returns what waits since before a moment for channels that are none of some."""
    row = deliveries.c
    query = select(row.id).where(
        row.state == "waiting", row.channel.not_in(sorted(channels)), row.created_at < before
    )
    return list(connection.execute(query).scalars())


def mark_attempt(connection: Connection, rows: Sequence[Waiting], now: datetime) -> None:
    """Notes, before it is made, that an attempt may be taken."""
    for ids in pieces([row.id for row in rows]):
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids))
            .values(
                attempts=deliveries.c.attempts + 1,
                tried_at=func.coalesce(deliveries.c.tried_at, now),
                ambiguous=True,
            )
        )


def change(connection: Connection, ids: Sequence[int], **values: Any) -> None:  # noqa: ANN401 - columns
    """Changes columns of rows."""
    for piece in pieces(ids):
        connection.execute(update(deliveries).where(deliveries.c.id.in_(piece)).values(**values))


def told_transitions(connection: Connection, seqs: Sequence[int]) -> list[Transition]:
    """Returns transitions, oldest first."""
    found = [
        transition_of(row)
        for piece in pieces(seqs)
        for row in connection.execute(select(transitions).where(transitions.c.seq.in_(piece)))
    ]
    return sorted(found, key=lambda each: each.seq)


def alerts_by_fingerprint(connection: Connection, fingerprints: Collection[str]) -> dict[str, Alert]:
    """Returns alerts as they stand."""
    return {
        row.fingerprint: alert_of(row)
        for piece in pieces(sorted(fingerprints))
        for row in connection.execute(select(alerts).where(alerts.c.fingerprint.in_(piece)))
    }


def open_messages(connection: Connection, channel: str, group_key: str) -> list[Open]:
    """Returns the messages of a group that are not closed, the latest last."""
    query = select(messages).where(
        messages.c.channel == channel, messages.c.group_key == group_key, messages.c.open
    )
    return [
        Open(id=row.id, message=SentMessage(external_id=row.external_id, text=row.text, body=row.body))
        for row in connection.execute(query.order_by(messages.c.id))
    ]


def groups_with_open_messages(connection: Connection, channel: str) -> frozenset[str]:
    """Returns the groups of a channel that have an open message."""
    query = select(messages.c.group_key).where(messages.c.channel == channel, messages.c.open)
    return frozenset(connection.execute(query).scalars())


def live_groups(connection: Connection, groups: Collection[str]) -> frozenset[str]:
    """Returns those of some groups in which an alert is not over."""
    return frozenset(
        group
        for piece in pieces(sorted(groups))
        for group in connection.execute(
            select(alerts.c.group_key)
            .where(alerts.c.group_key.in_(piece), alerts.c.state.in_(LIVE))
            .distinct()
        ).scalars()
    )


def told_in(connection: Connection, message_ids: Sequence[int]) -> frozenset[str]:
    """Returns the fingerprints of the alerts that messages told of."""
    query = (
        select(transitions.c.fingerprint)
        .join(deliveries, deliveries.c.transition == transitions.c.seq)
        .where(deliveries.c.message.in_(message_ids))
    )
    return frozenset(connection.execute(query).scalars())


def sent_between(connection: Connection, channel: str, moment: datetime, now: datetime) -> dict[str, int]:
    """Returns how many messages were made since a moment, by group.

    Those of later than now were made before the clock was set back.
    """
    query = (
        select(messages.c.group_key, func.count())
        .where(messages.c.channel == channel, messages.c.created_at > moment, messages.c.created_at <= now)
        .group_by(messages.c.group_key)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def add_message(
    connection: Connection, channel: str, group_key: str, sent: SentMessage, *, now: datetime
) -> int:
    """Stores a new message and returns its id."""
    values = {"channel": channel, "group_key": group_key, "open": True, "created_at": now, "changed_at": now}
    statement = insert(messages).values(**values, **_sent_values(sent)).returning(messages.c.id)
    return int(connection.execute(statement).scalar_one())


def change_message(connection: Connection, message_id: int, sent: SentMessage, *, now: datetime) -> None:
    """Stores what a message says now."""
    connection.execute(
        update(messages).where(messages.c.id == message_id).values(changed_at=now, **_sent_values(sent))
    )


def close_messages(connection: Connection, channel: str, group_key: str) -> None:
    """Closes the messages of a group: the next one is a new one."""
    connection.execute(
        update(messages)
        .where(messages.c.channel == channel, messages.c.group_key == group_key, messages.c.open)
        .values(open=False)
    )


def held_until(connection: Connection, channel: str) -> datetime | None:
    """Returns until when a channel wants no messages at all, if it said so."""
    stored = connection.execute(select(memory.c.value).where(memory.c.name == _hold(channel))).scalar()
    return None if stored is None else datetime.fromisoformat(stored)


def hold(connection: Connection, channel: str, until: datetime) -> None:
    """Notes until when a channel wants no messages."""
    value = until.isoformat()
    statement = upsert(memory).values(name=_hold(channel), value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def note_unusable(connection: Connection, channel: str, *, unusable: bool) -> None:
    """Notes whether a channel's latest answer was that it takes nothing at all."""
    connection.execute(delete(memory).where(memory.c.name == _unusable(channel)))
    if unusable:
        connection.execute(insert(memory).values(name=_unusable(channel), value=True))


def is_unusable(connection: Connection, channel: str) -> bool:
    """Returns True if a channel's latest answer was that it takes nothing at all."""
    query = select(memory.c.name).where(memory.c.name == _unusable(channel))
    return connection.execute(query).first() is not None


def _unusable(channel: str) -> str:
    return f"delivery/unusable/{channel}"


def _hold(channel: str) -> str:
    return f"delivery/held/{channel}"


def _sent_values(sent: SentMessage) -> Mapping[str, Any]:
    return {"external_id": sent.external_id, "text": sent.text, "body": dict(sent.body)}
