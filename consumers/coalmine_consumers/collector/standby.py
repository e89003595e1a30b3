"""Waits for a store that another process owns, and takes over when it is released."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from coalmine_consumers.errors import StoreLocked

StoreT = TypeVar("StoreT")

LOOK_EVERY_S: Final = 0.5
"""How often the lock is tried."""
SAY_EVERY_S: Final = 300.0
"""How often a standby logs that it is waiting."""

_log = logging.getLogger(__name__)


def wait_for_lock(
    open_store: Callable[[], StoreT],
    stop: threading.Event,
    *,
    on_wait: Callable[[int | None], None] = lambda pid: None,
    look_every_s: float = LOOK_EVERY_S,
) -> StoreT | None:
    """Opens a store, waiting as a standby while another process owns it.

    Args:
        open_store: Opens the store or raises `StoreLocked`. Other errors are passed on.
        stop: Ends the waiting.
        on_wait: Called with the owner's process id each time the lock is found taken.
        look_every_s: How often to try.

    Returns:
        The store, now ours; None if `stop` was set first.
    """
    said_at = float("-inf")
    waited_since = time.monotonic()
    while True:
        try:
            store = open_store()
        except StoreLocked as locked:
            on_wait(locked.pid)
            now = time.monotonic()
            if now - said_at >= SAY_EVERY_S:
                said_at = now
                _log.warning("standby: %s; waiting to take over", locked)
            if stop.wait(look_every_s):
                return None
        else:
            if said_at > float("-inf"):
                _log.warning("took over the store after %.1f s as standby", time.monotonic() - waited_since)
            return store
