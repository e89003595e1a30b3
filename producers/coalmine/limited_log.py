"""Log lines at a limited rate, so that a broken disk or broker cannot flood a service's log."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress


class LimitedLog:
    """Passes on the first line of each kind, then at most one per interval, with how many were held back.

    Safe from any thread: two threads may at worst both pass a line. Never raises.

    Args:
        logger: Where the lines go.
        every_s: Least time between two lines of the same kind.
        clock: Monotonic seconds.
    """

    def __init__(
        self, logger: logging.Logger, *, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        self._passed_at: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def say(self, kind: str, message: str, *args: object) -> None:
        """Logs a warning unless one of this kind was logged less than `every_s` ago.

        Args:
            kind: What the rate is limited by; one of a small, fixed set, since each is remembered.
            message: With %-placeholders for `args`. Never holds a secret or a user's text.
            args: Values for the placeholders.
        """
        self.log(logging.WARNING, kind, message, *args)

    def log(self, level: int, kind: str, message: str, *args: object) -> None:
        """The same at any level."""
        now = self._clock()
        passed_at = self._passed_at.get(kind)
        if passed_at is not None and now - passed_at < self._every_s:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return
        self._passed_at[kind] = now
        held_back = self._held_back.pop(kind, 0)
        if held_back:
            message, args = f"{message} (and %d more like this)", (*args, held_back)
        with suppress(Exception):
            self._logger.log(level, message, *args)
