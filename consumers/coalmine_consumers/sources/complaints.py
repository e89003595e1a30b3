"""Logs a problem once, again while it lasts, and once more when it is over."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

REPEAT_EVERY_S: Final = 60.0
"""A problem that lasts is logged again this often."""


@dataclass(slots=True)
class _Trouble:
    text: str
    since: float
    said_at: float
    times: int = 1


@dataclass(slots=True)
class Complaints:
    """Problems that exist now, by key. A librdkafka client repeats itself many times a second."""

    log: logging.Logger
    clock: Callable[[], float] = time.monotonic
    _troubles: dict[str, _Trouble] = field(default_factory=dict)

    def raise_(self, key: str, text: str) -> None:
        """Records a problem; logs it if it is new, or was last logged long ago."""
        now = self.clock()
        trouble = self._troubles.get(key)
        if trouble is None:
            self._troubles[key] = _Trouble(text, now, now)
            self.log.warning("%s", text)
            return
        trouble.text = text
        trouble.times += 1
        if now - trouble.said_at >= REPEAT_EVERY_S:
            trouble.said_at = now
            lasted_s = now - trouble.since
            self.log.warning("%s (%d times in %.0f s)", text, trouble.times, lasted_s)

    def over(self, *keys: str) -> None:
        """Records that problems are over; logs those that existed."""
        for key in keys:
            trouble = self._troubles.pop(key, None)
            if trouble is not None:
                self.log.info("over after %.0f s: %s", self.clock() - trouble.since, trouble.text)

    @property
    def current(self) -> str | None:
        """Returns the oldest problem that exists, or None."""
        first = next(iter(list(self._troubles.values())), None)
        return None if first is None else first.text
