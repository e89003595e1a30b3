"""How much to read at once: little while live, so that events show at once; much while catching up."""

from dataclasses import dataclass
from typing import Final, NamedTuple

_GATHERED_PER_COMMIT: Final = 4
"""A commit costs the same for one event as for hundreds, so gathering takes four times as long: a service
that sends all the time keeps the writing thread busy for a fifth of it, not for half."""


@dataclass(frozen=True, slots=True)
class PacePolicy:
    """Batch sizes and waits.

    Small batches cost a third of the throughput, large ones cost delay; which matters depends on the lag.
    """

    live_messages: int = 20_000
    """A live batch holds at most this; a full one means that we have fallen behind."""
    live_min_wait_s: float = 0.2
    """A live poll gathers at least this long."""
    live_max_wait_s: float = 0.5
    """A live poll gathers at most this long, however slow commits are."""
    catch_up_messages: int = 100_000
    """A batch while catching up. From 50,000 rows of an event on, the store writes Parquet at once. Half as
    many again took 100 MB more memory and were no faster."""
    catch_up_wait_s: float = 1.0
    """A poll while catching up gathers at most this long."""


class Request(NamedTuple):
    """What to ask the source for."""

    max_messages: int
    timeout_s: float


class Pace:
    """Decides the next request from how the last ones went."""

    def __init__(self, policy: PacePolicy) -> None:
        self._policy = policy
        self.catching_up = False
        """True while batches are large."""
        self._most: int | None = None

    def request(self, last_commit_s: float) -> Request:
        """What to ask for next.

        Args:
            last_commit_s: How long the last commit took.
        """
        policy = self._policy
        if self._most is not None:
            return Request(self._most, policy.live_min_wait_s)
        if self.catching_up:
            return Request(policy.catch_up_messages, policy.catch_up_wait_s)
        wait_s = max(policy.live_min_wait_s, _GATHERED_PER_COMMIT * last_commit_s)
        return Request(policy.live_messages, min(policy.live_max_wait_s, wait_s))

    def narrow(self, messages: int) -> None:
        """Asks for half as much, after a batch of so many messages could not be committed."""
        self._most = max(1, messages // 2)

    def widen(self) -> None:
        """Asks for more again, after a commit; called from the writing thread, as `narrow` is."""
        if self._most is not None:
            self._most = None if self._most >= self._policy.live_messages else 2 * self._most

    def polled(self, messages: int) -> None:
        """Records how many messages the last request got."""
        self.catching_up = messages >= self._policy.live_messages
