"""A part of a page that refreshes itself and outlives its server: the last data stay, with their age."""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import streamlit as st

from coalmine_dashboards.api import ApiError, Forbidden, NotFound, Refused, Unauthorised
from coalmine_dashboards.formatting import ago
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.views.problems import advice_for

REFRESH_S: Final = 3.0
"""Time between two refreshes. New events are visible to the server's queries after about a second."""

PATIENCE: Final = 30.0
"""A part rests for so many times as long as its questions take the server."""
LONGEST_S: Final = 30.0
"""Nor longer than this, unless it is refreshed more rarely in any case."""
_SOON_S: Final = 10.0
"""What is refreshed more rarely is asked for in between while the server is away."""
_LAST_WEIGHS: Final = 0.5
"""The last answer among those before, in how long a part's questions take."""
_TAKES_S: Final[dict[str, float]] = {}
"""By part, for all viewers of this process."""

_Data = TypeVar("_Data")


def live(
    name: str,
    fetch: Callable[[], _Data],
    draw: Callable[[_Data], bool | None],
    *,
    asked: Hashable = None,
    every_s: float | None = REFRESH_S,
) -> None:
    """Fetch and draw, again and again, without the rest of the page.

    Args:
        name: Of the part, unique among all pages.
        fetch: Asks the server; may raise `ApiError`.
        draw: Draws what came; False: it was nothing, and need not be shown again while the server is away.
            Widgets need keys that do not change between refreshes.
        asked: What was asked for, such as the filters: data of another question are not shown in its place.
        every_s: Seconds between refreshes, at least; None: none. A page whose questions take the server long
            is refreshed less often, by who opens it after that is known.
    """
    st.fragment(_once, run_every=None if every_s is None else pause_s(every_s, _TAKES_S.get(name, 0.0)))(
        name, fetch, draw, asked, every_s
    )


def pause_s(every_s: float, takes_s: float) -> float:
    """Returns seconds between refreshes of what takes so long: watching must cost a server little."""
    return max(every_s, min(LONGEST_S, PATIENCE * takes_s))


def draw_again_once(ready: Callable[[], object]) -> None:
    """Draw the whole page again, now and then, until `ready` raises no `ApiError`."""
    asked: list[bool] = []

    def ask() -> None:
        if asked:  # not at once: what failed just now would fail again
            with suppress(ApiError):
                ready()
                st.rerun()
        asked.append(True)

    st.fragment(ask, run_every=REFRESH_S)()


def _once(
    name: str,
    fetch: Callable[[], Any],
    draw: Callable[[Any], bool | None],
    asked: Hashable,
    every_s: float | None,
) -> None:
    place, now = f"last {name}", datetime.now(UTC)
    began_s = time.monotonic()
    try:
        data = fetch()
    except ApiError as error:
        advise(advice_for(error))
        if isinstance(error, Unauthorised) and error.had_token:
            st.session_state.pop(place, None)  # no longer for this viewer
        kept = st.session_state.get(place)
        if kept is not None and kept[0] == asked:
            st.caption(f"Showing the last known data, from {ago(kept[1], now)}.")
            with suppress(ApiError):
                draw(kept[2])
        says_no = isinstance(error, Forbidden | NotFound | Refused)
        if every_s is None or (every_s > _SOON_S and not says_no):
            draw_again_once(fetch)
        return
    took_s = time.monotonic() - began_s
    known_s = _TAKES_S.get(name, took_s)
    weighed_s = _LAST_WEIGHS * took_s + (1 - _LAST_WEIGHS) * known_s
    # What is drawn first may have been asked before: it took at least so long.
    _TAKES_S[name] = weighed_s if place in st.session_state else max(known_s, weighed_s)
    st.session_state[place] = (asked, now, data)
    try:
        if draw(data) is False:
            del st.session_state[place]
    except ApiError as error:  # of what only drawing asks for
        advise(advice_for(error))
