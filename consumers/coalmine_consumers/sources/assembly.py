"""Assembles one poll from runs of messages, and finds where a message came from."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from coalmine_consumers.raw import Gap, Origin, RawBatch, RawColumn, TopicPartition, UnroutableMessage
from coalmine_schemas.events import EventName


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one event that were read from one partition in one go."""

    partition: TopicPartition
    event: EventName
    values: Sequence[bytes | None]
    origin: Callable[[int], Origin]
    """Origin of the message at an index of `values`."""
    size_bytes: int
    """Payload bytes, about."""


class BatchAssembly:
    """Collects runs, positions and gaps until `build`.

    A partition may be dropped again while collecting (it was revoked): then the batch knows nothing of it.
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._starts: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._skipped: dict[TopicPartition, int] = {}
        self._gaps: list[Gap] = []
        self._unroutable: list[tuple[TopicPartition, UnroutableMessage]] = []
        self._retired: list[TopicPartition] = []
        self.messages = 0
        """Messages collected so far."""
        self.size_bytes = 0
        """Their payload bytes."""

    @property
    def empty(self) -> bool:
        """True if no partition was advanced: there is nothing to commit."""
        return not self._positions

    def add(self, run: Run) -> None:
        """Appends messages of one event."""
        self._runs.append(run)
        self.messages += len(run.values)
        self.size_bytes += run.size_bytes

    def add_unroutable(self, partition: TopicPartition, message: UnroutableMessage) -> None:
        """Appends a message of no known event."""
        self._unroutable.append((partition, message))
        self.messages += 1
        self.size_bytes += len(message.value or b"")

    def add_gap(self, gap: Gap) -> None:
        """Records a loss. The partition must be advanced past it as well."""
        self._gaps.append(gap)

    def advance(self, partition: TopicPartition, start: int, position: int, *, skipped: int = 0) -> None:
        """Advances a partition.

        Args:
            partition: The partition.
            start: Where it stood before this step; kept only if this is its first step in the batch.
            position: Next to read after this step.
            skipped: How many positions of this step never held a message for us.
        """
        self._starts.setdefault(partition, start)
        self._positions[partition] = position
        if skipped:
            self._skipped[partition] = self._skipped.get(partition, 0) + skipped

    def retire(self, partition: TopicPartition) -> None:
        """Records that a partition is gone for good."""
        self._retired.append(partition)

    def drop(self, partition: TopicPartition) -> None:
        """Forgets everything collected from a partition."""
        if self._starts.pop(partition, None) is None:
            return
        del self._positions[partition]
        self._skipped.pop(partition, None)
        self._runs = [run for run in self._runs if run.partition != partition]
        self._unroutable = [pair for pair in self._unroutable if pair[0] != partition]
        self._gaps = [gap for gap in self._gaps if (gap.topic, gap.partition) != partition[:2]]
        self.messages = sum(len(run.values) for run in self._runs) + len(self._unroutable)
        self.size_bytes = sum(run.size_bytes for run in self._runs)
        self.size_bytes += sum(len(message.value or b"") for _, message in self._unroutable)

    def build(self) -> RawBatch | None:
        """The batch as it is now, or None if it is empty: what is dropped later stays in it, whole."""
        if self.empty:
            return None
        events: dict[EventName, list[Run]] = {}
        for run in self._runs:
            events.setdefault(run.event, []).append(run)
        return RawBatch(
            columns={event: _column(runs) for event, runs in events.items()},
            starts=dict(self._starts),
            positions=dict(self._positions),
            gaps=tuple(self._gaps),
            skipped=dict(self._skipped),
            unroutable=tuple(message for _, message in self._unroutable),
            retired=tuple(self._retired),
            size_bytes=self.size_bytes,
        )


def _column(runs: list[Run]) -> RawColumn:
    if len(runs) == 1:
        return RawColumn(runs[0].values, runs[0].origin)
    values: list[bytes | None] = []
    for run in runs:
        values.extend(run.values)
    firsts = [0, *accumulate(len(run.values) for run in runs[:-1])]

    def origin(index: int) -> Origin:
        which = bisect_right(firsts, index) - 1
        return runs[which].origin(index - firsts[which])

    return RawColumn(values, origin)
