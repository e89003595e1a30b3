"""Filters of a page, held by its address: it can be bookmarked and shared."""

import contextlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import streamlit as st

from coalmine_consumers.results import Facets
from coalmine_dashboards.api import ApiClient, ApiError, Selection
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.choice import note_unknown, say_unknown
from coalmine_dashboards.parts.early import answer
from coalmine_dashboards.parts.live import REFRESH_S
from coalmine_dashboards.parts.live import live as refreshed
from coalmine_dashboards.parts.viewer import client
from coalmine_dashboards.ranges import DEFAULT_RANGE, RANGES, TimeRange, range_named
from coalmine_dashboards.views.markup import plain, shown
from coalmine_dashboards.views.problems import nothing_yet

ALL: Final = ""
"""The choice of all values: no prompt, version, environment or model has that name."""
FACETS: Final = "facets"
"""Name of the first question of pages with filters."""
Dimension = Literal["prompt", "environment", "model"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """State of the filters; what a page does not ask for is None."""

    prompt: str | None
    environment: str | None
    model: str | None
    time_range: TimeRange
    live: bool

    def selection(self, now: datetime) -> Selection:
        """The filters as the API takes them."""
        return Selection(self.prompt, self.environment, self.model, self.time_range.since(now))

    def named(self, question: str, *others: str) -> Hashable:
        """Names a question about what is chosen now, and about others; for `parts.early`."""
        return question, self.selection(datetime.now(UTC)), others

    @property
    def every_s(self) -> float | None:
        """Seconds between refreshes."""
        return self.refreshed(REFRESH_S)

    def refreshed(self, every_s: float) -> float | None:
        """Seconds between refreshes of a part with a pause of its own; None while the viewer wants none."""
        return every_s if self.live else None

    def words(self) -> str:
        """The filters in words, for messages."""
        prompt = f"prompt {self.prompt}" if self.prompt else "any prompt"
        environment = f"environment {self.environment}" if self.environment else "any environment"
        model = f"model {self.model}" if self.model else "any model"
        when = "any time" if self.time_range.length is None else f"the last {self.time_range.label}"
        return f"{prompt}, {environment}, {model}, {when}"


def chosen_in(query: Mapping[str, str], default_time: str = DEFAULT_RANGE) -> Chosen:
    """The state of a page's filters that its address says, before they are drawn."""
    prompt, environment, model = (query.get(name) or None for name in ("prompt", "environment", "model"))
    return Chosen(prompt, environment, model, range_named(query.get("time", default_time)), live=True)


def known_facets() -> Facets | None:
    """The values to choose from, as last seen; None if the server never said: the live part shows why."""
    with contextlib.suppress(ApiError):
        st.session_state.facets = answer(FACETS, ApiClient.facets)
    found: Facets | None = st.session_state.get("facets")
    return found


def nothing_recorded() -> None:
    """Draw how to begin, until there are calls."""

    def draw(facets: Facets) -> None:
        if facets.prompts:
            st.rerun()
        advise(nothing_yet())

    refreshed("nothing recorded", lambda: client().facets(), draw)


def filters(
    facets: Facets,
    dimensions: Sequence[Dimension] = ("prompt", "environment", "model"),
    *,
    required: Sequence[Dimension] = (),
    time: bool = True,
    default_time: str = DEFAULT_RANGE,
    live: bool = True,
) -> Chosen:
    """Draw the filters of a page.

    Args:
        facets: Values to choose from.
        dimensions: Which filters.
        required: Those that have no "all": the first value is chosen at first.
        time: True for a time range.
        default_time: Key of the time range of an address that names none.
        live: True for a page that refreshes itself, and a switch that pauses it.
    """
    values = {"prompt": facets.prompts, "environment": facets.environments, "model": facets.models}
    keys = [choice.key for choice in RANGES]
    for name in dimensions:
        note_unknown(name, [ALL, *values[name]])
    if time:
        note_unknown("time", keys)
    chosen: dict[str, str | None] = {}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        for name in dimensions:
            chosen[name] = _choice(name, values[name], required=name in required)
        time_range = default_time
        if time:
            time_range = st.segmented_control(
                "Time",
                keys,
                default=default_time,
                required=True,
                key="time",
                bind="query-params",
            )
        if live:
            live = st.toggle(
                "Live",
                value=True,
                key="live",
                bind="query-params",
                help="Refreshes by itself. Switch off to pause.",
            )
    for name in dimensions:
        if name in required:
            say_unknown(name, name, values[name][0])
        else:
            say_unknown(name, name, ALL, f"all {name}s")
    if time:
        say_unknown("time", "time", default_time)
    return Chosen(
        prompt=chosen.get("prompt"),
        environment=chosen.get("environment"),
        model=chosen.get("model"),
        time_range=range_named(time_range),
        live=live,
    )


def one_of(key: str, label: str, options: Sequence[str], first: int = 0) -> str | None:
    """Draw a choice that the address holds; one that it names and that there is not is said.

    Args:
        key: Of the widget, and name of the address's parameter.
        label: Of the widget.
        options: To choose from.
        first: Place of the one that is chosen at first.
    """
    named = st.query_params.get(key)
    is_new = key not in st.session_state
    if is_new and named is not None and named not in options:
        st.warning(f"There is no {plain(label.lower())} {plain(named)} here.")
    return selected(key, label, options, options[min(first, len(options) - 1)] if options else None)


def selected(key: str, label: str, options: Sequence[str], first: str | None, width: int = 220) -> str | None:
    """Draw a choice that stays in the address that names it: what is chosen by default would not.

    Such an address would show another once there are other options.

    Args:
        key: Of the widget, and name of the address's parameter.
        label: Of the widget.
        options: To choose from.
        first: The one that is chosen unless the address names one; None: none is.
        width: Of the widget, in pixels.
    """
    if first is not None and st.session_state.get(key) not in options:
        named = st.query_params.get(key)
        st.session_state[key] = next((each for each in options if named in (each, shown(each))), first)
    chosen = st.selectbox(
        label, options, index=None, format_func=shown, key=key, bind="query-params", width=width
    )
    return first if chosen is None else chosen  # the address may name it, and no value


def choose_all_time() -> None:
    """Chooses the longest time range: for a button of an empty state."""
    st.session_state.time = RANGES[-1].key


def _choice(name: Dimension, known: Sequence[str], *, required: bool) -> str | None:
    """Draw one filter; None is all values."""
    if required:
        return selected(name, name.capitalize(), known, known[0], 190)
    if name not in st.session_state and (named := st.query_params.get(name)) in known:
        st.session_state[name] = named  # links name it as it is, and Streamlit knows it as it is shown
    chosen = st.selectbox(
        name.capitalize(),
        [ALL, *known],
        format_func=lambda value: f"All {name}s" if value == ALL else shown(value),
        key=name,
        bind="query-params",
        width=190,
    )
    return None if chosen == ALL else chosen
