"""How a client asks the registry what an environment serves."""

from dataclasses import dataclass
from typing import Final

from coalmine_schemas.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """Waits of the background thread; no request ever waits for it."""

    wait_s: float = 25.0
    """How long the registry may hold a question until something changes."""
    timeout_s: float = 15.0
    """How much longer than that an answer may take, and how long connecting may."""
    first_backoff_s: float = 0.5
    """Longest wait after the first failure; doubled after each further one, and shortened at random."""
    max_backoff_s: float = 15.0
    """Longest wait between two attempts."""
    least_pause_s: float = 0.05
    """Least time between two questions, whatever the registry answers."""

    def __post_init__(self) -> None:
        for name in ("wait_s", "timeout_s", "first_backoff_s", "max_backoff_s", "least_pause_s"):
            if not getattr(self, name) > 0:
                raise InvalidParameter(f"poll.{name} must be above 0, not {getattr(self, name)!r}")

    def backoff_s(self, failures: int, jitter: float) -> float:
        """How long to wait after so many failures in a row.

        Args:
            failures: At least 1.
            jitter: Random, in [0, 1): clients that failed together come back one by one.
        """
        longest = min(self.max_backoff_s, self.first_backoff_s * 2.0 ** min(failures - 1, 30))
        return longest * (0.25 + 0.75 * jitter)


DEFAULT_POLL: Final = PollPolicy()
"""Default waits of a client."""
