"""Status of a collector."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from coalmine_consumers.sources.base import SourceLag

CollectorState = Literal["starting", "running", "waiting", "stopping", "stopped", "failed"]
"""`waiting`: something transient fails and is retried; `failed`: it stopped for good, see `reason`."""

RATE_WINDOW_S: Final = 10.0
"""Events per second are an average over this long."""


@dataclass(frozen=True, slots=True)
class CollectorHealth:
    """A collector at one moment. Counts are since it was started."""

    state: CollectorState
    reason: str | None
    """Why it is waiting or failed."""
    started_at: datetime
    last_commit_at: datetime | None
    last_commit_s: float | None
    """How long the last commit took."""
    events_per_s: float
    batches: int
    consumed: int
    stored: int
    duplicates: int
    dead_lettered: int
    gaps: int
    catching_up: bool
    lag: SourceLag


class Meter:
    """Events per second over a sliding window."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, window_s: float = RATE_WINDOW_S) -> None:
        self._clock = clock
        self._window_s = window_s
        self._started = clock()
        self._marks: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, events: int) -> None:
        """Counts events that happened now."""
        self._marks.append((self._clock(), events))
        self._total += events
        self._forget()

    def per_s(self) -> float:
        """The rate now."""
        self._forget()
        seconds = min(self._window_s, self._clock() - self._started)
        return self._total / seconds if seconds > 0 else 0.0

    def _forget(self) -> None:
        oldest = self._clock() - self._window_s
        while self._marks and self._marks[0][0] < oldest:
            self._total -= self._marks.popleft()[1]


@dataclass(slots=True)
class HealthRecord:
    """The counters behind `CollectorHealth`; safe to use from several threads."""

    state: CollectorState = "starting"
    reason: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_commit_at: datetime | None = None
    last_commit_s: float | None = None
    batches: int = 0
    consumed: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_lettered: int = 0
    gaps: int = 0
    _troubles: dict[str, str] = field(default_factory=dict)
    """What fails now and is tried again, by activity."""
    _meter: Meter = field(default_factory=Meter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set_state(self, state: CollectorState, reason: str | None = None) -> None:
        """Moves to a state. Nothing leaves `failed`."""
        with self._lock:
            if self.state != "failed":
                self.state, self.reason = state, reason

    def fails(self, what: str, why: str) -> None:
        """An activity fails and is tried again."""
        with self._lock:
            self._troubles[what] = why

    def works(self, what: str) -> None:
        """An activity worked."""
        with self._lock:
            self._troubles.pop(what, None)
            if self.state == "starting":
                self.state = "running"

    def committed(
        self, *, consumed: int, stored: int, duplicates: int, dead_lettered: int, gaps: int, took_s: float
    ) -> None:
        """Counts a commit."""
        with self._lock:
            self.last_commit_at = datetime.now(UTC)
            self.last_commit_s = took_s
            self.batches += 1
            self.consumed += consumed
            self.stored += stored
            self.duplicates += duplicates
            self.dead_lettered += dead_lettered
            self.gaps += gaps
            self._meter.add(consumed)

    def snapshot(self, lag: SourceLag, *, catching_up: bool) -> CollectorHealth:
        """Returns the collector's status."""
        with self._lock:
            state, reason = self.state, self.reason
            troubles = [f"{what}: {why}" for what, why in self._troubles.items()]
            if lag.problem is not None:
                troubles.append(lag.problem)
            if troubles and state in ("starting", "running"):
                state, reason = "waiting", "; ".join(troubles)
            return CollectorHealth(
                state=state,
                reason=reason,
                started_at=self.started_at,
                last_commit_at=self.last_commit_at,
                last_commit_s=self.last_commit_s,
                events_per_s=self._meter.per_s(),
                batches=self.batches,
                consumed=self.consumed,
                stored=self.stored,
                duplicates=self.duplicates,
                dead_lettered=self.dead_lettered,
                gaps=self.gaps,
                catching_up=catching_up,
                lag=lag,
            )
