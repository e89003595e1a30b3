"""Writes what steps made of alerts: alerts, transitions with their events, and deliveries; all or nothing."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from coalmine_alerts.events import stored_event
from coalmine_alerts.grouping import DigestTime, digest_of, due_at, group_key, is_for_digest
from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.standing import Heard, Standing, Step
from coalmine_alerts.storage.rows import alert_of, alert_values, pieces, story_of, transition_values
from coalmine_alerts.storage.tables import alerts, deliveries, messages, transitions
from coalmine_alerts.timing import Timing

Channels = Callable[[Alert], Sequence[str]]
"""Returns the names of the channels that an alert is told in."""

_log = structlog.stdlib.get_logger("coalmine.alerts")


class Move:
    """What one step made of one alert, as the tables hold it."""

    def __init__(self, step: Step, timing: Timing) -> None:
        """Makes the alert's row.

        Args:
            step: What was made of it.
            timing: Of its rule.

        Raises:
            ValueError: The alert cannot be stored: its rule made no texts.
        """
        self.step, self.timing = step, timing
        self.row = alert_values(step.standing.alert)
        story_of(self.row["story"])
        texts = [self.row["labels"], self.row["cause"], self.row["story"]]
        texts += [each.summary for each in step.transitions]
        # Raises for what is no UTF-8: one such text would keep every alert from being stored.
        json.dumps(texts, ensure_ascii=False).encode()

    @property
    def is_live(self) -> bool:
        """True: it is to be looked at even when no rule says anything about it."""
        alert = self.step.standing.alert
        waits = alert.true_since is not None or alert.false_since is not None
        return self.step.standing.is_live or (waits and self.timing.on_no_data == "alert")


_UNSEEN_S: Final = 30
"""Figures of an alert are stored that often, if nothing else changes."""


def is_worth_writing(before: Standing, after: Standing) -> bool:
    """Returns True if an alert must be stored, though it had no transition."""
    old, new = before.alert, after.alert
    age_s = (new.evaluated_at - old.evaluated_at).total_seconds()
    same = replace(old, evaluated_at=new.evaluated_at, value=new.value, story=new.story)
    return not 0 <= age_s < _UNSEEN_S or same != new or before.heard != after.heard


@dataclass(frozen=True, slots=True)
class _Told:
    """A transition that is told in some channels."""

    transition: Transition
    alert: Alert
    timing: Timing
    channels: tuple[str, ...]


class _Place(NamedTuple):
    channel: str
    group: str


def read_standings(connection: Connection, fingerprints: Iterable[str]) -> dict[str, Standing]:
    """Returns where some alerts stand; those that are not known are left out."""
    return {
        row.fingerprint: _standing(row)
        for piece in pieces(sorted(set(fingerprints)))
        for row in connection.execute(select(alerts).where(alerts.c.fingerprint.in_(piece)))
    }


def read_live(connection: Connection) -> dict[str, Standing]:
    """Returns where alerts stand that are to be looked at even when no rule says anything about them."""
    query = select(alerts).where(alerts.c.live).order_by(alerts.c.fingerprint)
    return {row.fingerprint: _standing(row) for row in connection.execute(query)}


def record(
    connection: Connection, moves: Sequence[Move], now: datetime, channels: Channels, digest: DigestTime
) -> list[Transition]:
    """Writes what steps made of alerts.

    Args:
        connection: In a transaction.
        moves: One for each alert.
        now: Time of the steps.
        channels: Where alerts are told.
        digest: When digests are.

    Returns:
        The transitions, in order.
    """
    routes = [_route(move.step, channels) for move in moves]
    _write_alerts(connection, moves, routes)
    pairs = [(each, move.step.standing.alert) for move in moves for each in move.step.transitions]
    made = _write_transitions(connection, pairs)
    owners = [(move, route) for move, route in zip(moves, routes, strict=True) for _ in move.step.transitions]
    told = [
        _Told(each, move.step.standing.alert, move.timing, route)
        for each, (move, route) in zip(made, owners, strict=True)
        if each.told
    ]
    _enqueue(connection, told, now, digest)
    return made


def _route(step: Step, channels: Channels) -> tuple[str, ...]:
    """Returns where an alert is told: where it belongs, and where it was told before of the same firing."""
    if not any(each.told for each in step.transitions):
        return ()
    try:
        found = tuple(channels(step.standing.alert))
    except Exception:  # noqa: BLE001 - the routing may raise anything
        # Alerts must not stand still because of one that has no way out.
        _log.exception("an alert has no channel", rule=step.standing.alert.rule)
        found = ()
    return tuple(dict.fromkeys((*found, *step.standing.heard.channels)))


def _write_alerts(connection: Connection, moves: Sequence[Move], routes: Sequence[tuple[str, ...]]) -> None:
    rows = []
    for move, route in zip(moves, routes, strict=True):
        heard = move.step.standing.heard
        if route:
            heard = replace(heard, channels=route)
        key = group_key(move.step.standing.alert)
        rows.append({**move.row, "group_key": key, "heard": heard.to_json(), "live": move.is_live})
    if rows:
        statement = upsert(alerts)
        changed = {name: statement.excluded[name] for name in rows[0] if name != "fingerprint"}
        statement = statement.on_conflict_do_update(index_elements=["fingerprint"], set_=changed)
        connection.execute(statement, rows)


def _write_transitions(connection: Connection, pairs: Sequence[tuple[Transition, Alert]]) -> list[Transition]:
    last = connection.execute(select(func.max(transitions.c.seq))).scalar() or 0
    made = [replace(each, seq=last + number) for number, (each, _) in enumerate(pairs, start=1)]
    rows = [
        {**transition_values(each), "event": stored_event(each, alert, group_key(alert))}
        for each, (_, alert) in zip(made, pairs, strict=True)
    ]
    if rows:
        connection.execute(insert(transitions), rows)
    return made


def _enqueue(connection: Connection, told: Sequence[_Told], now: datetime, digest: DigestTime) -> None:
    """Lets transitions wait for delivery: those of a channel and group that wait together are one message."""
    if not told:
        return
    groups = sorted({group_key(each.alert) for each in told})
    waiting, sent = _waiting(connection, groups), _sent(connection, groups)
    rows: list[dict[str, Any]] = []
    for each in told:
        transition = each.transition
        for channel in each.channels:
            if is_for_digest(transition.severity, transition.kind, each.timing):
                group, due = digest_of(now, transition.kind, digest)
            else:
                group = group_key(each.alert)
                place = _Place(channel, group)
                due = due_at(
                    now,
                    transition.severity,
                    transition.kind,
                    each.timing,
                    sent_at=sent.get(place),
                    waiting_until=waiting.get(place),
                )
                waiting[place] = min(due, waiting.get(place, due))
            rows.append(
                {
                    "transition": transition.seq,
                    "channel": channel,
                    "group_key": group,
                    "severity": transition.severity,
                    "created_at": now,
                    "due_at": due,
                    "attempts": 0,
                    "ambiguous": False,
                    "state": "waiting",
                }
            )
    if rows:
        connection.execute(insert(deliveries), rows)


def _waiting(connection: Connection, groups: Sequence[str]) -> dict[_Place, datetime]:
    """Returns when the next message of groups is due that waits."""
    column = deliveries.c
    return {
        _Place(row.channel, row.group_key): row.due
        for piece in pieces(groups)
        for row in connection.execute(
            select(column.channel, column.group_key, func.min(column.due_at).label("due"))
            .where(column.state == "waiting", column.group_key.in_(piece))
            .group_by(column.channel, column.group_key)
        )
    }


def _sent(connection: Connection, groups: Sequence[str]) -> dict[_Place, datetime]:
    """Returns when the latest message of groups was sent."""
    column = messages.c
    return {
        _Place(row.channel, row.group_key): row.sent
        for piece in pieces(groups)
        for row in connection.execute(
            select(column.channel, column.group_key, func.max(column.changed_at).label("sent"))
            .where(column.group_key.in_(piece))
            .group_by(column.channel, column.group_key)
        )
    }


def _standing(row: Row[Any]) -> Standing:
    return Standing(alert_of(row), Heard.from_json(row.heard))
