"""Questions of a page that are asked at once, though its parts are drawn one after the other."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from coalmine_dashboards.api import ApiError
from coalmine_dashboards.parts.early import FRESH_S, Question, early
from coalmine_dashboards.parts.viewer import client

_POOL: Final = ThreadPoolExecutor(16, thread_name_prefix="ahead")
"""Of all viewers of this process."""

_Data = TypeVar("_Data")


def ahead(question: Question[_Data], parts: int = 1, *, name: Hashable = None) -> Callable[[], _Data]:
    """Asks now, while other parts of the page are drawn. Returns what a part fetches by.

    The first fetch of a part returns what was asked ahead; every later one, of a refresh, asks again.

    Args:
        question: Asks the server.
        parts: How many of the page's parts show the answer.
        name: Of the question, if it is one of the page's `first_questions`.
    """
    asked: list[Future[_Data]] = []
    with suppress(ApiError):  # nobody is signed in any more: the part says so
        asked += [early(name) or _POOL.submit(question, client())] * parts
    until_s = time.monotonic() + FRESH_S

    def fetch() -> _Data:
        if asked and time.monotonic() < until_s:
            return asked.pop().result()
        return question(client())

    return fetch
