"""The page: fetches, formats and draws. Streamlit reruns it, or a part, on each interaction and refresh."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import streamlit as st

from coalmine_consumers.results import Facets
from coalmine_dashboards.alerts_page import show_alerts
from coalmine_dashboards.api import ApiClient, ApiError, Selection
from coalmine_dashboards.connection import connection_of_process
from coalmine_dashboards.palette import Mode, VersionKey, assign_slots
from coalmine_dashboards.ranges import DEFAULT_RANGE, RANGES, TimeRange, range_named
from coalmine_dashboards.sign_in import COOKIE, SESSIONS
from coalmine_dashboards.snapshot import Snapshot, fetch
from coalmine_dashboards.steps import whole_steps
from coalmine_dashboards.views.charts import draw
from coalmine_dashboards.views.health import health_items
from coalmine_dashboards.views.marks import mark_points
from coalmine_dashboards.views.markup import health_strip, plain, shown, stylesheet, versions_table
from coalmine_dashboards.views.panels import PANELS, needs_log, panel_points
from coalmine_dashboards.views.problems import (
    Advice,
    advice_for,
    nothing_in_range,
    nothing_yet,
    unknown_choice,
)
from coalmine_dashboards.views.table import table_rows
from coalmine_schemas.discovery import home_of
from coalmine_schemas.simulated_home import simulated_words

__all__ = ["REFRESH_S", "client_for", "show"]

REFRESH_S = 3.0
"""Time between two refreshes. New events are visible to the server's queries after about a second."""

_ALL = "all"
_CHARTS_IN_A_ROW = 3
_ICONS = {"info": ":material/info:", "warning": ":material/hourglass_empty:", "error": ":material/link_off:"}


@dataclass(frozen=True, slots=True)
class Chosen:
    """State of the filters."""

    prompt: str | None
    environment: str | None
    model: str | None
    time_range: TimeRange
    live: bool

    def selection(self, now: datetime) -> Selection:
        """Returns the filters as the API takes them."""
        return Selection(self.prompt, self.environment, self.model, self.time_range.since(now))

    def words(self) -> str:
        """Returns the filters in words, for messages."""
        prompt = f"prompt {self.prompt}" if self.prompt else "any prompt"
        environment = f"environment {self.environment}" if self.environment else "any environment"
        model = f"model {self.model}" if self.model else "any model"
        when = "any time" if self.time_range.length is None else f"the last {self.time_range.label}"
        return f"{prompt}, {environment}, {model}, {when}"


def show() -> None:
    """Draws the whole page."""
    st.set_page_config(page_title="Coalmine", page_icon="🐤", layout="wide")
    st.html(stylesheet())
    facets = _known_facets()
    with st.container(horizontal=True, vertical_alignment="bottom", key="header"):
        st.title("Coalmine", anchor=False, width="content")
        st.caption("Every prompt version, measured while it runs.", width="stretch")
        view = st.segmented_control(
            "View",
            ["versions", "alerts"],
            format_func=str.capitalize,
            default="versions",
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
            width="content",
        )
    if (simulated := simulated_words(home_of(None, os.environ))) is not None:
        st.caption(f":material/science: {plain(simulated)}")
    if view == "alerts":
        st.fragment(_alerts, run_every=REFRESH_S)()
        return
    chosen = _filters(facets) if facets is not None and facets.prompts else None
    live = chosen is None or chosen.live
    st.fragment(_refreshing, run_every=REFRESH_S if live else None)(chosen)


def _alerts() -> None:
    """Draws the page of alerts, which is refreshed like the other."""
    try:
        show_alerts(_client())
    except ApiError as error:
        _advise(advice_for(error))


def _known_facets() -> Facets | None:
    """Returns the last known values to choose from; the refreshed part updates them."""
    if "facets" not in st.session_state:
        try:
            st.session_state.facets = _client().facets()
        except ApiError:
            return None  # the refreshed part gets the same error and shows it
    facets: Facets = st.session_state.facets
    return facets


def _filters(facets: Facets) -> Chosen:
    """Draws the filters. The page's URL holds their values, so it can be bookmarked and shared."""
    known = {"prompt": facets.prompts, "environment": facets.environments, "model": facets.models}
    for name, values in known.items():
        _note_unknown(name, values)
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        prompt, environment, model = (_choice(name, values) for name, values in known.items())
        time_range = st.segmented_control(
            "Time",
            [choice.key for choice in RANGES],
            default=DEFAULT_RANGE,
            required=True,
            key="time",
            bind="query-params",
        )
        live = st.toggle(
            "Live",
            value=True,
            key="live",
            bind="query-params",
            help=f"Refreshes every {REFRESH_S:.0f} s. Switch off to pause.",
        )
    for name, value in st.session_state.get("unknown", {}).items():
        if st.session_state[name] == _ALL:
            _advise(unknown_choice(name, value))
    return Chosen(
        prompt=prompt,
        environment=environment,
        model=model,
        time_range=range_named(time_range),
        live=live,
    )


def _choice(name: str, known: Sequence[str]) -> str | None:
    """Draws one filter; None is all values."""
    chosen = st.selectbox(
        name.capitalize(),
        [_ALL, *known],
        format_func=lambda value: f"All {name}s" if value == _ALL else shown(value),
        key=name,
        bind="query-params",
        width=220,
    )
    return None if chosen == _ALL else chosen


def _note_unknown(name: str, known: Sequence[str]) -> None:
    """Remembers a value of the URL that there is not: Streamlit drops it, and would show all in silence."""
    unknown = st.session_state.setdefault("unknown", {})
    value = st.query_params.get(name)
    if value is not None:
        unknown.pop(name, None)
        if value not in (_ALL, *known):
            unknown[name] = value


def _refreshing(chosen: Chosen | None) -> None:
    """Draws the part that is refreshed every few seconds, without the rest of the page."""
    now = datetime.now(UTC)
    wanted = chosen or Chosen(None, None, None, range_named(_ALL), live=True)
    try:
        snapshot = fetch(_client(), wanted.selection(now), now)
    except ApiError as error:
        _advise(advice_for(error))
        _draw_last(wanted)
        return
    known = st.session_state.get("facets")
    st.session_state.facets = snapshot.facets
    if known is None or _choices(known) != _choices(snapshot.facets):
        st.rerun()  # the filters above have new options
    st.session_state.last = (wanted, snapshot)
    st.html(health_strip(health_items(snapshot.ingest, now)))
    _draw(wanted, snapshot)


def _choices(facets: Facets) -> tuple[list[str], ...]:
    return facets.prompts, facets.environments, facets.models


def _draw_last(wanted: Chosen) -> None:
    """Draws the last figures while the server is unavailable, if they match the filters."""
    if "last" not in st.session_state:
        return
    asked, snapshot = st.session_state.last
    if snapshot.versions and replace(asked, live=wanted.live) == wanted:
        st.caption(f"Showing the last known figures, from {snapshot.taken_at:%H:%M:%S} UTC.")
        _draw(asked, snapshot)


def _draw(chosen: Chosen, snapshot: Snapshot) -> None:
    if not snapshot.facets.prompts:
        _advise(nothing_yet())
        return
    if not snapshot.versions:
        _advise(nothing_in_range(snapshot.facets, chosen.words()))
        if chosen.time_range.length is not None and st.button("Show all time", on_click=_choose_all_time):
            st.rerun()
        return
    mode: Mode = "dark" if st.context.theme.type == "dark" else "light"
    slots = _slots(snapshot)
    st.html(versions_table(table_rows(snapshot.versions, slots, mode, snapshot.taken_at)))
    _draw_charts(chosen, snapshot, slots, mode)
    st.caption(f"As of {snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC. Times in charts are UTC.")


def _draw_charts(chosen: Chosen, snapshot: Snapshot, slots: dict[VersionKey, int], mode: Mode) -> None:
    series, since, now = snapshot.timeseries, snapshot.selection.since, snapshot.taken_at
    ends = None if since is None else whole_steps(_axis_start(snapshot, since), now, series.step)
    with_prompt = chosen.prompt is None
    # Versions of different prompts may have the same number: only selected ones get a colour.
    shown = {key: slots[key] for key in {(row.prompt, row.version) for row in series.items}}
    marks = mark_points(snapshot.marks, ends, with_prompt=with_prompt)
    for start in range(0, len(PANELS), _CHARTS_IN_A_ROW):
        columns = st.columns(_CHARTS_IN_A_ROW, gap="medium")
        for column, panel in zip(columns, PANELS[start : start + _CHARTS_IN_A_ROW], strict=False):
            points = panel_points(panel, series, now=now, ends=ends, with_prompt=with_prompt)
            drawing = draw(
                panel, points, shown, step=series.step, mode=mode, with_prompt=with_prompt, marks=marks
            )
            with column:
                asides = [panel.aside, "logarithmic" if needs_log(panel, points) else ""]
                aside = ", ".join(filter(None, asides))
                st.markdown(f"**{panel.title}** :gray[:small[{aside}]]")
                # Other filters, another chart: the old one must not stay while the new one is drawn.
                filters = (chosen.prompt, chosen.environment, chosen.model, chosen.time_range.key)
                key = f"chart-{panel.key}-{filters}"
                st.altair_chart(drawing, width="stretch", key=key)


def _axis_start(snapshot: Snapshot, since: datetime) -> datetime:
    """Returns the start of the time axis: of the range, or the first call if that is later."""
    return max(since, snapshot.facets.first_event_time or since)


def _slots(snapshot: Snapshot) -> dict[VersionKey, int]:
    """Returns the number of each version, which gives its colour."""
    known = {prompt: list(versions) for prompt, versions in snapshot.facets.versions.items()}
    seen = [(row.prompt, row.version) for row in snapshot.versions]
    drawn = [(row.prompt, row.version) for row in snapshot.timeseries.items]
    for prompt, version in [*seen, *drawn]:  # they may have come a moment after the facets
        if version not in known.setdefault(prompt, []):
            known[prompt].append(version)
    return assign_slots(known)


def _advise(advice: Advice) -> None:
    box = {"info": st.info, "warning": st.warning, "error": st.error}[advice.tone]
    box(f"**{plain(advice.title)}**  \n{plain(advice.text)}", icon=_ICONS[advice.tone])
    if advice.code is not None:
        st.code(advice.code, language=advice.language)


def _choose_all_time() -> None:
    st.session_state.time = _ALL


def _client() -> ApiClient:
    connection = connection_of_process()
    own = SESSIONS.token_of(st.context.cookies.get(COOKIE))
    return client_for(connection.url, connection.token if own is None else own)


@st.cache_resource(max_entries=100, show_spinner=False, on_release=ApiClient.close)
def client_for(url: str, token: str | None) -> ApiClient:
    """Returns the client for a server, shared by all open pages."""
    return ApiClient(url, token)
