"""Evaluates alerts and sends what is due, in the background."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from coalmine_alerts.results.alerts import Transition
from coalmine_alerts.results.story import readable
from coalmine_server.services.alerting import Alerting
from coalmine_server.workers.worker import Worker

LOOK_S: Final = 1.0
"""How often to look for messages that are due."""

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

    return Worker("alerts", evaluate, again_after_s=every_s), messages


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
