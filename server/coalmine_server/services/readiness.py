"""Whether the store can answer questions now."""

from typing import Literal

from coalmine_server.errors import Unavailable

Phase = Literal["starting", "standby", "stopping", "failed"]

RETRY_AFTER_S = 1


class NotReady(Unavailable):
    """The store cannot answer now.

    Args:
        phase: Why: the process is starting, waits as a standby, is stopping, or has failed.
        reason: More about it, for people.
    """

    def __init__(self, phase: Phase, reason: str) -> None:
        super().__init__(reason)
        self.phase = phase
        self.reason = reason
        self.retry_after_s = None if phase == "failed" else RETRY_AFTER_S
        """Seconds after which asking again may help."""

    def __reduce__(self) -> tuple[type["NotReady"], tuple[Phase, str]]:
        return (type(self), (self.phase, self.reason))
