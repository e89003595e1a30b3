"""A part of a page that refreshes itself and outlives its server: the last data stay, with their age."""

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import streamlit as st

from coalmine_dashboards.api import ApiError
from coalmine_dashboards.formatting import ago
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.views.problems import advice_for

REFRESH_S: Final = 3.0
"""Time between two refreshes. New events are visible to the server's queries after about a second."""

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
        every_s: Seconds between refreshes; None: none.
    """
    st.fragment(_once, run_every=every_s)(f"last {name}", fetch, draw, asked)


def _once(place: str, fetch: Callable[[], Any], draw: Callable[[Any], bool | None], asked: Hashable) -> None:
    now = datetime.now(UTC)
    try:
        data = fetch()
    except ApiError as error:
        advise(advice_for(error))
        kept = st.session_state.get(place)
        if kept is not None and kept[0] == asked:
            st.caption(f"Showing the last known data, from {ago(kept[1], now)}.")
            draw(kept[2])
        return
    st.session_state.pop(place, None)
    if draw(data) is not False:
        st.session_state[place] = (asked, now, data)
