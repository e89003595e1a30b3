"""Waits for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def eventually(find: Callable[[], _T], *, within_s: float = 30.0) -> _T:
    """The first thing found that is true.

    Raises:
        AssertionError: There was none in time.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < give_up_at, f"not in {within_s} s: {found!r}"
        time.sleep(0.005)
