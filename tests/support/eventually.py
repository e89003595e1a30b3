"""Waits for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def eventually(find: Callable[[], _T | None], *, within_s: float = 60.0, what: str = "it") -> _T:
    """The first thing found that is not None, False or empty.

    Args:
        find: Looked again and again.
        within_s: How long.
        what: Said where it never came.

    Raises:
        AssertionError: There was none in time.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < give_up_at, f"{what} did not happen within {within_s} s: {found!r}"
        time.sleep(0.01)
