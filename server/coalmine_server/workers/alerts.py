"""Evaluates alerts and sends what is due, in the background."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from coalmine_alerts.delivery.buttons import Buttons
from coalmine_alerts.delivery.socket_mode import SocketMode
from coalmine_alerts.results.alerts import Transition
from coalmine_alerts.results.story import readable
from coalmine_server.services.alerting import Alerting
from coalmine_server.settings import AlertsSettings
from coalmine_server.workers.worker import Worker

LOOK_S: Final = 1.0
"""How often to look for messages that are due."""

FIRST_AFTER_S: Final = 3.0
"""A server that has just started answers first: to look at everything takes it as long as half its start."""

CONNECTED_S: Final = 10.0
"""How often to look whether the connection to Slack stands."""

_log = structlog.stdlib.get_logger("coalmine.alerts")


def alert_workers(alerting: Alerting, every_s: float) -> Sequence[Worker]:
    """The worker that evaluates rules, and the one that sends messages."""

    def send(_stop: threading.Event) -> float:
        return 0.0 if alerting.sender.send_due() else LOOK_S

    def close() -> None:
        if "sender" in alerting.__dict__:
            alerting.sender.close()

    messages = Worker("alert-messages", send, again_after_s=LOOK_S, close=close)

    def evaluate(_stop: threading.Event) -> float:
        changed = alerting.engine.tick(alerting.clock())
        log_transitions(changed)
        if any(each.told for each in changed):
            messages.wake()
        return every_s

    first_after_s = min(every_s, FIRST_AFTER_S)
    return Worker("alerts", evaluate, first_after_s=first_after_s, again_after_s=every_s), messages


def buttons_worker(alerting: Alerting, settings: AlertsSettings) -> Worker | None:
    """Hears what people press in Slack; None where no app token is given."""
    token = settings.slack_app_token
    if token is None:
        return None
    connection: SocketMode | None = None

    def tick(_stop: threading.Event) -> float:
        nonlocal connection
        if connection is None:
            buttons = Buttons(
                alerting.database, alerting.commands, settings.slack_users, clock=alerting.clock
            )
            connection = SocketMode(token.get_secret_value(), buttons)
        connection.keep_connected()
        return CONNECTED_S

    def close() -> None:
        if connection is not None:
            connection.close()

    return Worker("alert-buttons", tick, close=close)


def log_transitions(changed: Sequence[Transition]) -> None:
    """Writes what changed to the log: whoever has no channel reads it there."""
    for each in changed:
        _log.info(
            "an alert changed",
            kind=each.kind,
            state=each.to_state,
            severity=each.severity,
            told=each.told,
            alert=each.fingerprint,
            summary=readable(each.summary),
        )
