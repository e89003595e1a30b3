"""Writes alerts, their transitions and what is to be sent, as the engine does, without rules and timers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from coalmine_alerts.fingerprint import fingerprint
from coalmine_alerts.results.alerts import Alert, AlertState, Cause, Severity, TransitionKind
from coalmine_alerts.results.story import Story
from coalmine_alerts.storage.rows import alert_of, alert_values
from coalmine_alerts.storage.tables import alerts, deliveries, messages, transitions
from coalmine_registry.storage.database import Database

START = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)


class AlertOutbox:
    """A database of alerts, and a clock that the test sets."""

    def __init__(self, database: Database, channels: Sequence[str]) -> None:
        self.database, self.channels = database, tuple(channels)
        self.now = START

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def tell(self, name: str, state: AlertState = "firing", **how: Any) -> str:
        """Changes an alert, and has it told. Returns its fingerprint."""
        return self.tell_all([name], state, **how)[0]

    def tell_all(self, names: Sequence[str], state: AlertState = "firing", **how: Any) -> list[str]:
        """Changes alerts at the same time, and has them told. Returns their fingerprints."""
        return self.database.write(
            lambda connection: [self._tell(connection, name, state, **how) for name in names]
        )

    def _tell(
        self,
        connection: Connection,
        name: str,
        state: AlertState,
        *,
        group: str | None = None,
        rule: str = "quality_drift",
        severity: Severity = "warning",
        kind: TransitionKind = "state",
        cause: Cause | None = None,
        due_in_s: float = 0.0,
        channels: Sequence[str] | None = None,
        **changes: Any,
    ) -> str:
        labels = {"environment": "prod", "prompt": name}
        key = fingerprint(rule, labels)
        cause = cause or Cause("prompt", group or name)
        group_key = f"prod|{cause.kind}|{cause.id}"

        found = connection.execute(select(alerts).where(alerts.c.fingerprint == key)).first()
        before = alert_of(found) if found is not None else None
        fires = state == "firing" and (before is None or before.state != "firing")
        alert = Alert(
            fingerprint=key,
            rule=rule,
            labels=labels,
            state=state,
            severity=severity,
            cause=cause,
            since=self.now if before is None or before.state != state else before.since,
            began_at=self.now,
            fired_at=self.now if fires else (before.fired_at if before else None),
            firing=(before.firing if before else 0) + fires,
            value=-0.05,
            story=Story(title=f"{rule} of {name}", summary=f"{rule} of {name} is {state}"),
            evaluated_at=self.now,
            true_since=self.now,
            false_since=None,
            no_data_since=None,
            acknowledged_by=None,
            acknowledged_at=None,
            silenced_until=None,
            inhibited_by=None,
            flapping_since=None,
            last_notice=None,
            accepted_by=None,
            accepted_at=None,
            accepted_value=None,
        )
        values = {**alert_values(replace(alert, **changes)), "group_key": group_key}
        if found is None:
            connection.execute(insert(alerts).values(**values, heard={}, live=True))
        else:
            connection.execute(update(alerts).where(alerts.c.fingerprint == key).values(**values))
        seq = connection.execute(
            insert(transitions)
            .values(
                fingerprint=key,
                at=self.now,
                kind=kind,
                from_state=before.state if before else "ok",
                to_state=state,
                severity=severity,
                firing=alert.firing,
                summary=f"{name} is {state}",
                told=True,
            )
            .returning(transitions.c.seq)
        ).scalar_one()
        for channel in self.channels if channels is None else channels:
            connection.execute(
                insert(deliveries).values(
                    transition=seq,
                    channel=channel,
                    group_key=group_key,
                    severity=severity,
                    created_at=self.now,
                    due_at=self.now + timedelta(seconds=due_in_s),
                    attempts=0,
                    ambiguous=False,
                    state="waiting",
                )
            )

        return key

    def states(self, channel: str) -> list[str]:
        """States of the rows of a channel, in order."""
        query = select(deliveries.c.state).where(deliveries.c.channel == channel).order_by(deliveries.c.id)
        return self.database.read(lambda connection: list(connection.execute(query).scalars()))

    def rows(self, channel: str) -> list[Any]:
        """Rows of a channel, in order."""
        query = select(deliveries).where(deliveries.c.channel == channel).order_by(deliveries.c.id)
        return self.database.read(lambda connection: list(connection.execute(query)))

    def messages(self, channel: str) -> list[Any]:
        """What was sent to a channel, in order."""
        query = select(messages).where(messages.c.channel == channel).order_by(messages.c.id)
        return self.database.read(lambda connection: list(connection.execute(query)))
