"""Measures how long Kafka acknowledges nothing, and says when that is too long."""

from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 1.0
"""How long events may wait while nothing is acknowledged: what a process that is killed loses at most."""
CONNECT_PATIENCE_S: Final = 3.0
"""The same before the first acknowledgement: connecting takes several exchanges with several brokers."""
_MOST_PATIENCE_S: Final = 8.0
_UNSTEADY_S: Final = 10.0
_LONGEST_STEP_S: Final = 0.2


class Silence:
    """The time since the last acknowledgement, as far as this thread ran.

    A broker that is slower than the patience is no broker that is away: when silence returns soon after it
    was broken, the patience is doubled, and halved at the next outage that comes later.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._least_s = CONNECT_PATIENCE_S
        self.patience_s = CONNECT_PATIENCE_S
        """How long it may last."""
        self._silent_s = 0.0
        self._looked_at = clock()
        self._steady_since: float | None = None

    def broken(self) -> None:
        """An event was acknowledged."""
        self._silent_s = 0.0
        if self._least_s != PATIENCE_S:
            self._least_s = self.patience_s = PATIENCE_S
        if self._steady_since is None:
            self._steady_since = self._clock()

    def lasts_too_long(self, *, waiting: bool) -> bool:
        """Whether to give up waiting, said once.

        Args:
            waiting: Whether an event waits to be acknowledged; otherwise there is nothing to hear.
        """
        now = self._clock()
        # A process that was suspended, or had no processor, heard nothing because it did not listen.
        self._silent_s += min(now - self._looked_at, _LONGEST_STEP_S)
        self._looked_at = now
        if not waiting:
            self._silent_s = 0.0
        if self._silent_s < self.patience_s:
            return False
        unsteady = self._steady_since is not None and now - self._steady_since < _UNSTEADY_S
        patience_s = self.patience_s * (2.0 if unsteady else 0.5)
        self.patience_s = min(_MOST_PATIENCE_S, max(self._least_s, patience_s))
        self._silent_s, self._steady_since = 0.0, None
        return True
