"""One maintenance task at a time: a merge must not take the files a rebuild reads, and so on.

Commits and queries are not concerned; they go on beside any task.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from coalmine_consumers.store import Store

_guard = threading.Lock()
_turns: WeakKeyDictionary[Store, threading.RLock] = WeakKeyDictionary()


@contextmanager
def turn(store: Store) -> Iterator[None]:
    """Waits for the running task of this store to end, and makes others wait during the block."""
    with _lock_of(store):
        yield


@contextmanager
def turn_if_free(store: Store) -> Iterator[bool]:
    """`turn`, without waiting: yields False if a task is running, and then nothing may be done."""
    lock = _lock_of(store)
    if not lock.acquire(blocking=False):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _lock_of(store: Store) -> threading.RLock:
    with _guard:
        return _turns.setdefault(store, threading.RLock())
