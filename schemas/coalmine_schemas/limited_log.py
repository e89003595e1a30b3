"""Logs at a limited rate, so that a broken disk or broker cannot flood a log."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_MAX_KINDS: Final = 1000


class RateLimitedLogger:
    """Logs the first message of each kind, then at most one per interval, with how many were suppressed.

    Safe from any thread: two threads may at worst both log a message. Never raises.

    Args:
        logger: Where the messages go.
        every_s: Least time between two messages of the same kind.
        clock: Monotonic seconds.
    """

    def __init__(
        self, logger: logging.Logger, *, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def report(self, kind: str, message: str, *args: object) -> None:
        """Logs a warning unless one of this kind was logged less than `every_s` ago.

        Args:
            kind: What the rate is limited by; the last thousand are remembered.
            message: With %-placeholders for `args`. Never holds a secret or a user's text.
            args: Values for the placeholders.
        """
        self.log(logging.WARNING, kind, message, *args)

    def log(self, level: int, kind: str, message: str, *args: object) -> None:
        """The same at any level."""
        now = self._clock()
        logged_at = self._logged_at.get(kind)
        if logged_at is not None and now - logged_at < self._every_s:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        if len(self._logged_at) >= _MAX_KINDS:
            self._logged_at.clear()
        self._logged_at[kind] = now
        suppressed = self._suppressed.pop(kind, 0)
        if suppressed:
            message, args = f"{message} (and %d more like this)", (*args, suppressed)
        with suppress(Exception):
            self._logger.log(level, message, *args)


class LibrdkafkaLog:
    """What a Kafka client is given for a `logger`: passes its lines on at a limited rate, by facility.

    Without one, librdkafka writes to standard error. Its lines wait until the client is polled.
    """

    def __init__(self, log: RateLimitedLogger) -> None:
        self._log = log

    def log(self, level: int, template: str, facility: str, name: str, text: str) -> None:
        """Called by the client, with librdkafka's facility, e.g. FAIL."""
        del template, name
        self._log.log(level, f"librdkafka {facility}", "librdkafka %s: %s", facility, text)
