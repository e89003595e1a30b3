"""Where reading of a partition goes on: what the store holds, set against what the broker says.

Only this decides about losses. A record is lost if the broker deleted it unread, and then the position lies
before the start of the log; a jump within the log (transaction markers, compaction) means nothing.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from coalmine_consumers.raw import Gap, GapReason, TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly
from coalmine_consumers.sources.base import Positions


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """A partition as the broker describes it."""

    partition: TopicPartition
    """Named with the id its topic has now."""
    first: int
    """Offsets before this one were deleted."""
    end: int
    """Offset of the next record to be written."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where reading goes on, and what the store must learn before."""

    partition: TopicPartition
    stored: int
    """Where the batch that goes on begins: the stored position, if there is one of this topic."""
    position: int
    """Next to read."""
    gap: Gap | None = None
    retired: tuple[TopicPartition, ...] = ()
    """Stored partitions of an earlier topic of the same name."""
    new: bool = False
    """True if the store holds no position of this topic yet."""

    def note(self, assembly: BatchAssembly, log: logging.Logger) -> None:
        """Adds what the store must learn to a batch, and logs it; nothing if it goes on where it stood."""
        for partition in self.retired:
            assembly.retire(partition)
        if self.gap is not None:
            assembly.add_gap(self.gap)
            _say(self.gap, log)
        if self.new or self.gap is not None:
            # A first position is stored before anything is read: what is deleted from then on is a loss.
            assembly.advance(self.partition, self.stored, self.position)


def resume(log: PartitionLog, stored: Positions) -> Resumption:
    """Decides where to go on in a partition.

    Args:
        log: What the broker says. Its topic id must be no younger than its offsets: asked for before them.
        stored: What the store says, read once everything polled before is committed.
    """
    partition = log.partition
    earlier = tuple(each for each in stored if each != partition and each[:2] == partition[:2])
    at = stored.get(partition)
    if at is not None:
        position, reason = _within(log, at)
        return Resumption(partition, at, position, _gap(partition, at, position, reason), earlier)
    unnamed = stored.get(partition._replace(topic_id=""))
    if unnamed is not None:  # stored before topics had ids; this one is taken to be the same
        position, reason = _within(log, unnamed)
        gap = _gap(partition, unnamed, position, reason)
        return Resumption(partition, unnamed, position, gap, earlier, new=True)
    recreated = None
    if earlier:
        recreated = _gap(partition, max(stored[each] for each in earlier), log.first, "recreated")
    return Resumption(partition, log.first, log.first, recreated, earlier, new=True)


def _within(log: PartitionLog, at: int) -> tuple[int, GapReason | None]:
    if at < log.first:
        return log.first, "expired"
    if at > log.end:
        return log.first, "truncated"
    return at, None


def _gap(partition: TopicPartition, expected: int, position: int, reason: GapReason | None) -> Gap | None:
    if reason is None:
        return None
    return Gap(partition.topic, partition.partition, expected, position, datetime.now(UTC), reason)


def _say(gap: Gap, log: logging.Logger) -> None:
    where = (gap.topic, gap.partition)
    if gap.reason == "recreated":
        log.warning(
            "topic %s was deleted and created again: reading partition %s from offset %d, its start; what "
            "was unread in the old one, from offset %d on, is lost",
            *where,
            gap.available_offset,
            gap.expected_offset,
        )
    elif gap.reason == "truncated":
        log.error(
            "%s/%s ends before offset %d, where we stood: the broker lost messages; reading again from "
            "offset %d, without storing anything twice",
            *where,
            gap.expected_offset,
            gap.available_offset,
        )
    else:
        log.error(
            "loss in %s/%s: the broker deleted offsets %d to %d before they were read",
            *where,
            gap.expected_offset,
            gap.available_offset - 1,
        )
