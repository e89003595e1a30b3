"""The interface shared by Kafka, the spool and the in-memory source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.raw import RawBatch, TopicPartition

Positions = Mapping[TopicPartition, int]
"""Next position to read, by partition."""


@dataclass(frozen=True, slots=True)
class SourceLag:
    """Messages in the source that are not committed yet."""

    messages: int
    """Sum over partitions. A lower bound while the source cannot be asked."""
    partitions: Positions = field(default_factory=dict)
    """Messages waiting, by partition."""
    note: str | None = None
    """Why the figure may be wrong now ("broker not reachable"), or None."""
    problem: str | None = None
    """Why not everything reaches us although reading works, and the remedy; or None."""


class Source(Protocol):
    """Ordered partitions of messages, read from stored positions.

    One thread calls `start`, `poll` and `rewind`; `committed`, `lag` and `close` may be called from another.
    The store is the only memory of what was consumed: a source never trusts a position kept elsewhere.
    """

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """Begins reading.

        Args:
            positions: Reads the committed positions from the store.
            quiesce: Returns once everything polled so far is committed or dropped. The source calls it,
                from inside `poll`, before it asks for `positions` because partitions were (re)assigned.
        """
        ...

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | DecodedBatch | None:
        """Returns what is there, waiting up to `timeout_s` for the first message; None if nothing came.

        What others decoded comes as they made it, however many messages that are.

        Blocks no longer than about `timeout_s` (a rebalance may add the time `quiesce` takes).

        Raises:
            SourceUnavailable: Nothing can be read now; poll again later. Nothing is lost by it.
            Terminal: Waiting will not help.
        """
        ...

    def committed(self, positions: Positions) -> None:
        """Learns that the store holds everything before `positions`. Never raises for a temporary failure."""
        ...

    def rewind(self) -> None:
        """Forgets what was polled and not committed; the next poll reads from `positions()` again."""
        ...

    def lag(self) -> SourceLag:
        """Returns how much waits. Quick: makes no network call that could block for long."""
        ...

    def close(self) -> None:
        """Stops reading and releases resources (group membership, file handles). May be called twice."""
        ...
