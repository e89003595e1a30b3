"""What people do with alerts."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.engine import Channels
from coalmine_alerts.results.alerts import Alert, Silence
from coalmine_registry.storage.database import Database

LONGEST_SILENCE: Final = timedelta(days=30)


class Commands:
    """What people do with alerts. Thread-safe."""

    def __init__(self, database: Database, channels: Channels, clock: Callable[[], datetime]) -> None:
        """Prepares to take commands.

        Args:
            database: Of alerts.
            channels: Where an alert is told.
            clock: Returns the time.
        """
        self._database, self._channels, self._clock = database, channels, clock

    def acknowledge(self, fingerprint: str, *, actor: str, reason: str | None = None) -> Alert:
        """Notes that somebody looks after an alert: it is not repeated until it is resolved.

        Raises:
            NotFound: There is no such alert.
            Conflict: It does not fire.
        """
        raise NotImplementedError

    def accept(self, fingerprint: str, *, actor: str, reason: str) -> Alert:
        """Accepts what an alert is about as the new normal: it is resolved, and its value the new reference.

        Raises:
            NotFound: There is no such alert.
            Conflict: It does not fire.
            Invalid: There is no reason.
        """
        raise NotImplementedError

    def silence(
        self, matchers: Mapping[str, str], *, ends_at: datetime | None, reason: str, actor: str
    ) -> Silence:
        """Silences alerts with these labels (`rule` is one of them; values may end in `*`).

        Raises:
            Invalid: There is no matcher, no reason, no end, or the end is past or more than 30 days away.
        """
        raise NotImplementedError

    def unsilence(self, silence_id: int, *, actor: str) -> Silence:
        """Ends a silence before its time.

        Raises:
            NotFound: There is no such silence.
            Conflict: It has ended.
        """
        raise NotImplementedError

    def mark(self, fingerprint: str, *, useful: bool, actor: str) -> None:
        """Notes what somebody thinks of the present, or the latest, firing of an alert.

        Raises:
            NotFound: There is no such alert.
            Conflict: It has never fired.
        """
        raise NotImplementedError
