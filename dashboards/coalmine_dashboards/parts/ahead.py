"""Questions of a page that are asked at once, though its parts are drawn one after the other."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from coalmine_dashboards.api import ApiClient, ApiError
from coalmine_dashboards.parts.viewer import client

_POOL: Final = ThreadPoolExecutor(16, thread_name_prefix="ahead")
"""Of all viewers of this process."""
_FRESH_S: Final = 10.0
"""A part that is drawn later than this asks again: its page was held up, or the part was not drawn at all."""

_Data = TypeVar("_Data")


def ahead(question: Callable[[ApiClient], _Data], parts: int = 1) -> Callable[[], _Data]:
    """Asks now, while other parts of the page are drawn. Returns what a part fetches by.

    The first fetch of a part returns what was asked ahead; every later one, of a refresh, asks again.

    Args:
        question: Asks the server; runs in a thread without a session at first, so it reads no widget.
        parts: How many of the page's parts show the answer.
    """
    early: list[Future[_Data]] = []
    with suppress(ApiError):  # nobody is signed in any more: the part says so
        early += [_POOL.submit(question, client())] * parts
    until_s = time.monotonic() + _FRESH_S

    def fetch() -> _Data:
        if early and time.monotonic() < until_s:
            return early.pop().result()
        return question(client())

    return fetch
