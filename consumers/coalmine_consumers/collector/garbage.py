"""Pauses Python's cycle collector while very many objects without cycles are created."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
_was_enabled = False


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pauses the cycle collector for the whole process; may be used from several threads at once.

    A client library makes one object per message, which the collector goes through again and again to find
    that all are in use: a fifth of the reading thread's time at full speed. Garbage in cycles waits
    meanwhile, so a pause must be short.
    """
    global _pauses, _was_enabled  # noqa: PLW0603 - the collector is global as well
    with _lock:
        if _pauses == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _pauses == 0 and _was_enabled:
                gc.enable()
