"""Sends what is due, on every channel at the same time: one that does not respond delays no other."""

import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Final

import structlog

from coalmine_alerts.delivery.channels import Channel
from coalmine_alerts.delivery.outbox import give_up_gone, may_be_due, settle_failed, settle_sent, take
from coalmine_alerts.errors import Ambiguous, Later, Refused
from coalmine_registry.storage.database import Database

ROUND_S: Final = 10.0
"""How long a round waits for channels that it began with; one that takes longer goes on by itself."""
_MOST_FAILURES: Final = 2
"""In a round: what comes after would most likely fail, too."""
_MOST_MESSAGES: Final = 100
"""In a round of one channel."""

_log = structlog.stdlib.get_logger("coalmine.alerts")


class Sender:
    """Empties the outbox of alerts. One thread calls it, in one process."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], datetime],
        rng: random.Random | None = None,
        round_s: float = ROUND_S,
    ) -> None:
        """Prepares.

        Args:
            database: Of alerts.
            channels: By name; closed with this.
            clock: Returns the time.
            rng: Source of the jitter of pauses.
            round_s: As `ROUND_S`.
        """
        self._database, self._channels, self._clock = database, dict(channels), clock
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self._round_s = round_s
        self._threads = ThreadPoolExecutor(max(len(channels), 1), thread_name_prefix="alerts-channel")
        self._running: dict[str, Future[int]] = {}
        self._closed = False

    def send_due(self) -> int:
        """Sends what is due on every channel, each on a thread of its own.

        Returns:
            How many messages were taken. A failure of a channel is stored with the rows and logged.

        Raises:
            Transient: The database of alerts cannot be used now.
        """
        give_up_gone(self._database, self._channels, self._clock())
        begun = {
            name: self._threads.submit(self._round, channel)
            for name, channel in self._channels.items()
            if name not in self._running
        }
        # Not for one that an earlier round has waited for in vain: a page of another channel may be due.
        wait(begun.values(), timeout=self._round_s)
        self._running |= begun
        done = [name for name, each in self._running.items() if each.done()]
        return sum(each.result() for each in [self._running.pop(name) for name in done])

    def close(self) -> None:
        """Waits for what is being sent."""
        self._closed = True
        self._threads.shutdown(wait=True)

    def _round(self, channel: Channel) -> int:
        sent = failures = 0
        while sent < _MOST_MESSAGES and failures < _MOST_FAILURES and not self._closed:
            taken = self._send_next(channel)
            if taken is None:
                break
            sent, failures = sent + taken, failures + (not taken)
        return sent

    def _send_next(self, channel: Channel) -> bool | None:
        """Sends one message; None: nothing is due, or the channel wants none now."""
        # Looks first without the lock that writers need.
        if not self._database.read(lambda connection: may_be_due(connection, channel, self._clock())):
            return None
        batch = self._database.write(lambda connection: take(connection, channel, self._clock()))
        if batch is None:
            return None
        log = _log.bind(channel=channel.name, group=batch.group)
        try:
            sent = channel.send(batch.telling)
        except Exception as error:
            failure = error
            self._database.write(
                lambda connection: settle_failed(connection, batch, failure, self._clock(), self._rng)
            )
            if isinstance(error, Later | Ambiguous):
                log.warning("an alert waits to be sent", reason=str(error), attempts=batch.attempts + 1)
            else:
                expected = isinstance(error, Refused)
                log.error("an alert cannot be sent", reason=str(error), exc_info=not expected)
            return False
        self._database.write(lambda connection: settle_sent(connection, batch, sent, self._clock()))
        return True
