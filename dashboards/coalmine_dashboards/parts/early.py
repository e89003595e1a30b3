"""A page's first questions, asked while its viewer's browser still loads what draws the page.

That takes a browser about as long as the questions take the server; one after the other, they were half of
the time until a page is ready.
"""

import importlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from coalmine_dashboards.api import ApiClient, ApiError
from coalmine_dashboards.parts.links import PageName
from coalmine_dashboards.parts.viewer import client, client_of

FRESH_S: Final = 10.0
"""A page that comes later for an answer asks again: it was held up, or another one came."""
_MOST: Final = 200
"""Answers that wait for their page."""
_POOL: Final = ThreadPoolExecutor(16, thread_name_prefix="early")
"""Of all viewers of this process."""

_Data = TypeVar("_Data")
Question = Callable[[ApiClient], _Data]
"""Asks the server; runs in a thread without a session, so it reads no widget."""


def ask_early(page: PageName, session: str | None, query: Mapping[str, str]) -> None:
    """Asks what a page will ask first, if it says what: its module has `first_questions`.

    Args:
        page: The page.
        session: Of who will look at it: others are asked for nothing.
        query: Parameters of the page's address.
    """

    def ask() -> None:
        with suppress(ApiError):  # the page says it
            asked = client_of(session)
            first = getattr(
                importlib.import_module(f"coalmine_dashboards.pages.{page}"), "first_questions", None
            )
            if asked is not None and first is not None:
                for name, question in first(query).items():
                    _EARLY.put((asked.identity, name), _POOL.submit(question, asked))

    _POOL.submit(ask)


def early(name: Hashable) -> Future[Any] | None:
    """Returns what was asked early for this viewer, once.

    Args:
        name: Of the question: says all that the answer depends on, except for the viewer.

    Raises:
        Unauthorised: Nobody signed in, or the session has ended.
    """
    return _EARLY.take((client().identity, name))


def answer(name: Hashable, question: Question[_Data]) -> _Data:
    """Returns what was asked early, the first time; asks now if nothing was."""
    found = early(name)
    result: _Data = question(client()) if found is None else found.result()
    return result


class _Early:
    """Answers by viewer and name of the question, the oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, tuple[float, Future[Any]]] = OrderedDict()

    def put(self, key: Hashable, found: Future[Any]) -> None:
        """Keeps an answer for its page, and forgets those that no page came for."""
        now = time.monotonic()
        with self._lock:
            self._found[key] = (now + FRESH_S, found)
            self._found.move_to_end(key)
            while len(self._found) > _MOST or next(iter(self._found.values()))[0] < now:
                self._found.popitem(last=False)

    def take(self, key: Hashable) -> Future[Any] | None:
        """Returns an answer once, unless it is too old."""
        with self._lock:
            until_s, found = self._found.pop(key, (0.0, None))
        return found if time.monotonic() < until_s else None


_EARLY: Final = _Early()
