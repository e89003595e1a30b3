"""What somebody does by pressing a button in Slack: acknowledge, silence, say what they think of an alert.

Nothing that changes what users are served is a button. Whoever is not in the table of users may acknowledge
and nothing else.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from coalmine_alerts.commands import Commands
from coalmine_alerts.messages.buttons import Pressed, pressed
from coalmine_alerts.messages.slack import escape
from coalmine_alerts.storage.alerts import alert
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import CoalmineError

_MOST_REMEMBERED: Final = 1_000
_REASON: Final = "pressed in Slack"
_DONE: Final = {
    "acknowledge": "Acknowledged.",
    "silence": "Silenced.",
    "useful": "Thank you, noted as useful.",
    "noise": "Thank you, noted as noise.",
}

_log = structlog.stdlib.get_logger("coalmine.alerts")


class Buttons:
    """Gives the commands that people press. Thread-safe."""

    def __init__(
        self,
        database: Database,
        commands: Commands,
        subjects: Mapping[str, str],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepares.

        Args:
            database: Of alerts.
            commands: What people do with alerts.
            subjects: Who a user of Slack is here: `U0123456789` to the subject.
            clock: Returns the time.
        """
        self._database, self._commands, self._subjects, self._clock = database, commands, subjects, clock
        # Slack sends a press again if it believes that nobody heard.
        self._had: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._lock = threading.Lock()

    def press(self, payload: Mapping[str, Any]) -> str | None:
        """Does what a payload `block_actions` asks for.

        Returns:
            What to tell the person who pressed; None if it was no button of ours, or was done before.
        """
        if payload.get("type") != "block_actions":
            return None
        user = str((payload.get("user") or {}).get("id") or "")
        said = []
        for action in payload.get("actions") or ():
            wanted = pressed(action)
            if wanted and user and self._is_new((user, str(action.get("action_ts")), wanted.act)):
                said.append(self._do(user, wanted))
        return escape("\n".join(said)) or None

    def _do(self, user: str, wanted: Pressed) -> str:
        subject = self._subjects.get(user)
        if subject is None and wanted.act != "acknowledge":
            return (
                f"Only people whose Slack id is in the table of users may do this. Yours is {user}: ask "
                "whoever configures alerts to add it."
            )
        actor = subject or f"slack:{user}"
        failed, others = [], set()
        for fingerprint in wanted.fingerprints:
            try:
                has_it = self._command(fingerprint, wanted, actor)
            except CoalmineError as error:
                failed.append(str(error))
            else:
                others |= {has_it} - {None, actor}
        _log.info("a button was pressed", act=wanted.act, actor=actor, alerts=wanted.fingerprints)
        if len(failed) == len(wanted.fingerprints):
            return f"Nothing was done: {failed[0]}"
        if others:
            return f"{', '.join(sorted(map(str, others)))} looks after it already."
        return _DONE[wanted.act]

    def _command(self, fingerprint: str, wanted: Pressed, actor: str) -> str | None:
        """Does it to one alert; returns who looks after it if that was asked for."""
        match wanted.act:
            case "acknowledge":
                return self._commands.acknowledge(fingerprint, actor=actor).acknowledged_by
            case "silence":
                found = alert(self._database, fingerprint)
                ends_at = self._clock() + timedelta(seconds=wanted.seconds or 0)
                matchers = {"rule": found.rule, **found.labels}
                self._commands.silence(matchers, ends_at=ends_at, reason=_REASON, actor=actor)
            case "useful" | "noise":
                self._commands.mark(fingerprint, useful=wanted.act == "useful", actor=actor)
        return None

    def _is_new(self, key: tuple[str, ...]) -> bool:
        with self._lock:
            if key in self._had:
                return False
            self._had[key] = None
            if len(self._had) > _MOST_REMEMBERED:
                self._had.popitem(last=False)
            return True
