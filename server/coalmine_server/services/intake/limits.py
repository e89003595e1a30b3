"""How many events an app, and a token, may send: a token bucket each."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

MOST_NAMES: Final = 10_000
"""Apps and tokens that are remembered; the oldest are forgotten first."""


class TooManyEvents(Exception):
    """An app or token sends more than it may.

    Args:
        name: Which one.
        retry_after_s: When there is room for the batch.
    """

    def __init__(self, name: str, retry_after_s: int) -> None:
        super().__init__(name, retry_after_s)
        self.name = name
        self.retry_after_s = retry_after_s


class EventLimits:
    """Counts events by name. Thread-safe.

    Args:
        per_minute: Events that a name may send at once, and again each minute. At least one whole batch.
        clock: Tells the time in seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = float(per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, events: Mapping[str, int]) -> None:
        """Takes room for a batch, of all names or of none.

        Args:
            events: Events by name.

        Raises:
            TooManyEvents: A name has too little room.
        """
        now = self._clock()
        with self._lock:
            after = {name: self._left(name, now) + number for name, number in events.items()}
            for name, spent in after.items():
                # One batch always fits into an empty bucket: otherwise it could never be sent.
                if spent > max(self._per_minute, events[name]):
                    wait_s = (spent - self._per_minute) * 60.0 / self._per_minute
                    raise TooManyEvents(name, max(1, math.ceil(wait_s)))
            for name, spent in after.items():
                self._spent[name] = (spent, now)
                self._spent.move_to_end(name)
            while len(self._spent) > MOST_NAMES:
                self._spent.popitem(last=False)

    def __len__(self) -> int:
        return len(self._spent)

    def _left(self, name: str, now: float) -> float:
        spent, then = self._spent.get(name, (0.0, now))
        return max(0.0, spent - (now - then) * self._per_minute / 60.0)
