"""Time as an argument: the machine's, or one that moves only when something waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol

__all__ = ["Clock", "SystemClock", "VirtualClock"]


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The present, aware UTC."""

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait that long or until `stop` is set; returns whether it is set. Never waits if seconds <= 0."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait that long or until `stop` is set."""
        return stop.wait(seconds) if seconds > 0 else stop.is_set()


class VirtualClock:
    """Stands still until something waits, and then is there at once: for tests and for dry runs."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self.waited_s = 0.0
        """Sum of all waits so far."""

    def now(self) -> datetime:
        """The present of this clock."""
        return self._now

    def wait(self, seconds: float, stop: Event) -> bool:
        """Move on by that long without waiting."""
        if not stop.is_set() and seconds > 0:
            self._now += timedelta(seconds=seconds)
            self.waited_s += seconds
        return stop.is_set()
