"""Transitions as events for Kafka's topic `alerts`: kept with the transition until they are published."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.results.story import readable
from coalmine_alerts.storage.tables import transitions
from coalmine_registry.records import OutboxEntry
from coalmine_registry.storage.database import Database
from coalmine_schemas.events import AlertLink, AlertTransition
from coalmine_schemas.rules import fitted

_TIMES: Final = ("event_time", "fired_at", "silenced_until")


def stored_event(transition: Transition, alert: Alert, group: str) -> dict[str, Any]:
    """Returns the event of a transition as JSON.

    Args:
        transition: With its number.
        alert: As it stands after it.
        group: That it is told in.
    """
    event = AlertTransition(
        fingerprint=transition.fingerprint,
        event_time=transition.at,
        rule=alert.rule,
        state=transition.to_state,
        severity=transition.severity,
        summary=readable(transition.summary),
        labels=alert.labels,
        value=transition.value,
        transition=transition.seq,
        kind=transition.kind,
        from_state=transition.from_state,
        firing=transition.firing,
        fired_at=alert.fired_at,
        told=transition.told,
        acknowledged_by=alert.acknowledged_by,
        silenced_until=alert.silenced_until,
        inhibited_by=alert.inhibited_by,
        group=group,
        rollout=alert.cause.id if alert.cause.kind == "rollout" else None,
        actor=transition.actor,
        reason=transition.reason,
        links=[AlertLink(text=each.text, path=each.path) for each in alert.story.links],
    )
    record = fitted("alerts", event.to_record())
    times = {name: record[name].isoformat() for name in _TIMES if record[name] is not None}
    return {**record, **times}


class AlertOutbox:
    """The events that are not published yet."""

    def __init__(self, database: Database) -> None:
        """Prepares to read them.

        Args:
            database: Of alerts.
        """
        self._database = database

    def data_version(self) -> int | None:
        """Returns a number that is another one after every change. See `Database.data_version`."""
        return self._database.data_version()

    def outbox_pending(self, limit: int) -> list[OutboxEntry]:
        """Returns events that have not been sent yet, oldest first."""
        query = select(transitions.c.seq, transitions.c.event).where(transitions.c.event.is_not(None))
        query = query.order_by(transitions.c.seq).limit(limit)
        return [
            OutboxEntry(row.seq, "alerts", _event(row.event))
            for row in self._database.read(lambda connection: connection.execute(query).all())
        ]

    def outbox_delivered(self, ids: Sequence[int]) -> None:
        """Forgets events that were sent."""
        statement = update(transitions).where(transitions.c.seq.in_(list(ids))).values(event=None)
        self._database.write(lambda connection: connection.execute(statement))


def _event(stored: Mapping[str, Any]) -> AlertTransition:
    times = {name: datetime.fromisoformat(stored[name]) for name in _TIMES if stored[name] is not None}
    return AlertTransition.from_record({**stored, **times})
