"""Waits for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

_FIRST_PAUSE_S, _USUAL_PAUSE_S, _LONGEST_PAUSE_S, _GROWTH = 0.01, 0.1, 0.5, 1.1


def eventually(find: Callable[[], _T | None], *, within_s: float = 60.0, what: str = "it") -> _T:
    """The first thing found that is not None, False or empty.

    Who is waited for needs the processor more than who waits: looks come less and less often, ten times a
    second after the first one, and no sooner than after as long as the last look took.

    Args:
        find: Looked again and again.
        within_s: How long.
        what: Said where it never came.

    Raises:
        AssertionError: There was none in time.
    """
    give_up_at = time.monotonic() + within_s
    pause_s = _FIRST_PAUSE_S
    while True:
        begun_at = time.monotonic()
        found = find()
        if found:
            return found
        looked_at = time.monotonic()
        assert looked_at < give_up_at, f"{what} did not happen within {within_s} s: {found!r}"
        time.sleep(max(pause_s, min(looked_at - begun_at, _LONGEST_PAUSE_S)))
        pause_s = min(pause_s * _GROWTH, _USUAL_PAUSE_S)
