"""Workers: threads that do one thing again and again beside the collector, until stopped."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

AGAIN_AFTER_S = 30.0
"""Seconds before a tick that failed is tried again."""

REST_S = 1.0
"""Seconds until a worker that may not work looks again."""

_log = structlog.stdlib.get_logger("coalmine.workers")

Tick = Callable[[threading.Event], float]
"""Does one piece of work and returns the seconds until the next. Returns soon after the event is set."""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """Status of a worker."""

    ticks: int
    failures: int
    error: str | None
    """Why the last tick failed; None if it did not."""
    since: float
    """When the last tick that did not fail ended, or else the worker began; monotonic seconds."""


class Worker:
    """A thread that ticks. A tick that fails is logged and tried again; it never ends the process."""

    def __init__(
        self,
        name: str,
        tick: Tick,
        *,
        first_after_s: float = 0.0,
        again_after_s: float | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepares.

        Args:
            name: Of the worker, in logs and metrics.
            tick: The work.
            first_after_s: Seconds before the first tick.
            again_after_s: Seconds before a tick that failed is tried again; `AGAIN_AFTER_S` if None.
            close: Called on the worker's thread when it ends.
        """
        self.name = name
        self._tick = tick
        self._first_after_s = first_after_s
        self._again_after_s = AGAIN_AFTER_S if again_after_s is None else again_after_s
        self._close = close
        self._may: Callable[[], bool] = lambda: True
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._health = WorkerHealth(0, 0, None, time.monotonic())
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def only_while(self, may: Callable[[], bool]) -> None:
        """Has it rest while `may` returns False, because another process does the work. Call it first."""
        self._may = may

    def start(self) -> None:
        """Starts the thread, and returns."""
        self._thread.start()

    def wake(self) -> None:
        """Makes the next tick come now. Any thread may call it."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Asks the thread to end, and returns."""
        self._stop.set()
        self._wake.set()

    def wait_stopped(self, timeout_s: float) -> bool:
        """Waits for the thread to end. Returns True if it did before the deadline."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def health(self) -> WorkerHealth:
        """Status of the worker."""
        return self._health

    def _run(self) -> None:
        pause_s = self._first_after_s
        while not self._stop.is_set():
            self._wake.wait(pause_s)
            self._wake.clear()
            if not self._stop.is_set():
                pause_s = self._tick_once()
        self._close()

    def _tick_once(self) -> float:
        if not self._may():
            return REST_S
        ticks, failures = self._health.ticks + 1, self._health.failures
        try:
            pause_s = self._tick(self._stop)
        except Exception as error:  # noqa: BLE001 - whatever it was, the process goes on
            _log.exception("a worker failed", worker=self.name, again_in_s=self._again_after_s)
            self._health = replace(
                self._health, ticks=ticks, failures=failures + 1, error=f"{type(error).__name__}: {error}"
            )
            return self._again_after_s
        self._health = WorkerHealth(ticks, failures, None, time.monotonic())
        return pause_s
