"""The machine's clock, and for how long it has run without a leap.

What is deleted by date cannot be had back, and a clock that is years ahead, as after a start or a restored
machine, is most often put right within a minute or two.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

LEAP_S = 60.0
"""The clock has leapt if it went this much more or less than time passed. One that is adjusted goes less."""


class SteadyClock:
    """Belongs to one thread."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._ahead_s: float | None = None
        self._steady_since = 0.0

    def look(self) -> tuple[datetime, float]:
        """Returns the time, and for how many seconds of looks the clock has not leapt."""
        now, passed = self._clock(), self._monotonic()
        ahead_s = now.timestamp() - passed
        if self._ahead_s is None or abs(ahead_s - self._ahead_s) >= LEAP_S:
            self._steady_since = passed
        self._ahead_s = ahead_s
        return now, passed - self._steady_since
