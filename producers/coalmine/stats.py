"""What the client did with the events it was given, counted."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DropReason = Literal[
    "queue_full",  # the application made events faster than they could be written
    "closed",  # made after close()
    "invalid",  # breaks the event's rules, e.g. an empty prompt name
    "too_large",  # larger than a Kafka message may be, even without its texts
    "spool_full",  # the spool reached `spool_max_bytes`
    "disk_full",
    "read_only",  # spool directory or file system not writable
    "spool_error",  # any other refusal by the spool's file system
    "kafka_rejected",  # the broker will never take this event, e.g. larger than its own limit
    "internal",  # a bug of ours
]
"""Why an event was lost."""

ProblemKind = Literal[
    "unknown_reply",  # record() found no counts in the reply; the event went without tokens
    "no_usage",  # a stream ended without usage; the event went without tokens and cost
    "bad_value",  # one optional value was unusable and left out; the event went
    "shortened",  # a name was too long, or names were too many; the rest of the event went
    "redaction_failed",  # the hook raised; the text was dropped, the event went
    "text_too_long",  # a text was dropped so that its event fits a message; the event went
    "text_backlog",  # too much text was waiting in memory; the text was dropped, the event went
    "kafka_config",  # librdkafka does not take its settings; events go to the spool
    "misuse",  # e.g. one call used twice, or feedback that says nothing
    "corrupt_spool_file",  # set aside as *.avro.corrupt
    "spooled_event_rejected",  # the broker will never take this spooled event, which was dropped
    "internal",
]
"""What went wrong beside losing an event out of memory."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of the client's counters since it was made, or since the fork in a child process.

    `produced == delivered + spooled + sum(dropped.values()) + queued`, whatever happens.
    """

    produced: int
    """Events the application made."""
    delivered: int
    """Events that Kafka acknowledged without going through the spool."""
    spooled: int
    """Events written to the spool, there to be read or re-sent."""
    drained: int
    """Events re-sent from the spool and acknowledged by Kafka; other processes' events may be among them."""
    queued: int
    """Events in memory, not yet safe."""
    dropped: Mapping[str, int]
    """Events lost, by reason (`DropReason`)."""
    problems: Mapping[str, int]
    """Things that went wrong without losing an event, by kind (`ProblemKind`)."""


class Counters:
    """The numbers behind `Stats`; safe from any thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts again at zero, in a forked child."""
        self._lock = threading.RLock()  # a finalizer may count in the midst of counting
        self._taken = 0
        self._refused = 0
        self._lost = 0
        self._delivered = 0
        self._spooled = 0
        self._drained = 0
        self._dropped: Counter[str] = Counter()
        self._problems: Counter[str] = Counter()

    def take(self, events: int) -> None:
        """Events were taken out of the queue to be written."""
        with self._lock:
            self._taken += events

    def refuse(self, reason: DropReason) -> None:
        """An event was lost before it came into the queue."""
        with self._lock:
            self._refused += 1
            self._dropped[reason] += 1

    def drop(self, reason: DropReason, events: int = 1) -> None:
        """Events were lost after they were taken out of the queue."""
        with self._lock:
            self._lost += events
            self._dropped[reason] += events

    def deliver(self) -> None:
        """Kafka acknowledged one event."""
        with self._lock:
            self._delivered += 1

    def spool(self, events: int) -> None:
        """Events were written to the spool."""
        with self._lock:
            self._spooled += events

    def drain(self, events: int) -> None:
        """Kafka acknowledged events re-sent from the spool."""
        with self._lock:
            self._drained += events

    def problem(self, kind: ProblemKind) -> None:
        """Something went wrong without losing an event."""
        with self._lock:
            self._problems[kind] += 1

    def snapshot(self, *, waiting: int) -> Stats:
        """The counters now.

        Args:
            waiting: Events in the queue. The others that were taken from it and are neither delivered,
                spooled nor dropped are in memory, too.
        """
        with self._lock:
            unsettled = self._taken - self._delivered - self._spooled - self._lost
            return Stats(
                produced=self._taken + self._refused + waiting,
                delivered=self._delivered,
                spooled=self._spooled,
                drained=self._drained,
                queued=waiting + unsettled,
                dropped=dict(self._dropped),
                problems=dict(self._problems),
            )
