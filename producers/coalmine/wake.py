"""Wakes a thread from anywhere, also from within its own sleep."""

import threading
from contextlib import suppress


class Wake:
    """What `threading.Event` is to one sleeping thread, but `set` never waits.

    An event of that class holds a lock while it is set, and while a thread begins to wait for it. A stream
    that is garbage-collected, or a signal that is handled, in the midst of that ends its call on the same
    thread, and would wait for that lock for ever; with it every request that wakes the thread.
    """

    def __init__(self) -> None:
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def set(self) -> None:
        """Ends the wait that is going on, or else the next one."""
        with suppress(RuntimeError):  # it is set already
            self._asleep.release()

    def wait(self, timeout_s: float | None = None) -> None:
        """Waits until it is set, which this takes back, or for so long."""
        self._asleep.acquire(timeout=-1 if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))
