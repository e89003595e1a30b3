"""What every version costs, how fast and how good it is, over time, with the changes of deployments."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from coalmine_consumers.results import Facets, VersionRow
from coalmine_dashboards.api import ApiClient
from coalmine_dashboards.palette import Mode, VersionKey, assign_slots
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.early import Question, answer
from coalmine_dashboards.parts.filters import (
    FACETS,
    Chosen,
    choose_all_time,
    chosen_in,
    filters,
    known_facets,
)
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.prompt_views import (
    happened,
    heading,
    models_that_began,
    side_by_side,
    versions,
)
from coalmine_dashboards.parts.tables import MOST_ROWS, say_more
from coalmine_dashboards.parts.viewer import local, viewers_mode
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.snapshot import Snapshot, fetch
from coalmine_dashboards.steps import whole_steps
from coalmine_dashboards.views.charts import draw
from coalmine_dashboards.views.health import health_items
from coalmine_dashboards.views.marks import mark_points
from coalmine_dashboards.views.markup import health_strip, plain, versions_table
from coalmine_dashboards.views.panels import (
    MOST_LINES,
    PANELS,
    has_values,
    label_of,
    needs_log,
    panel_points,
    readable,
)
from coalmine_dashboards.views.problems import nothing_in_range, nothing_yet
from coalmine_dashboards.views.table import table_rows

_CHARTS_IN_A_ROW = 3
_OVER_TIME: Final = "over time"
_VIEWS: Final = ("Over time", "Side by side", "Versions", "Timeline")


def first_questions(query: Mapping[str, str]) -> dict[Hashable, Question[Any]]:
    """What the page of an address will ask first, by name."""
    first: dict[Hashable, Question[Any]] = {FACETS: ApiClient.facets}
    if query.get("view", _VIEWS[0]) == _VIEWS[0] and "versions" not in query:
        chosen = chosen_in(query)
        first[chosen.named(_OVER_TIME)] = lambda asked: _fetched(asked, chosen, [])
    return first


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is None or not facets.prompts:
        _over_time(Chosen(None, None, None, range_named("all"), live=True))
        return
    chosen = filters(facets)
    if chosen.prompt is None:
        _over_time(chosen)
        return
    heading(chosen.prompt, chosen)
    view = one_of_few("view", "view", "View", _VIEWS, _VIEWS[0], label_visibility="collapsed")
    match view:
        case "Side by side":
            side_by_side(chosen.prompt, chosen)
        case "Versions":
            versions(chosen.prompt, chosen)
        case "Timeline":
            happened(chosen.prompt, chosen)
        case _:
            _over_time(chosen)


def _over_time(chosen: Chosen) -> None:
    def asked() -> Snapshot:
        named = st.session_state.get("versions") or st.query_params.get_all("versions")
        return answer(chosen.named(_OVER_TIME, *named), lambda asked: _fetched(asked, chosen, named))

    live(
        "prompt",
        asked,
        lambda snapshot: _drawn(chosen, snapshot),
        asked=(chosen.prompt, chosen.environment, chosen.model, chosen.time_range.key),
        every_s=chosen.every_s,
    )


def _fetched(asked: ApiClient, chosen: Chosen, named: Sequence[str]) -> Snapshot:
    now = datetime.now(UTC)
    return fetch(
        asked,
        chosen.selection(now),
        now,
        lambda: models_that_began(asked, chosen.prompt, chosen.environment),
        lambda versions: _drawn_versions(versions, named, with_prompt=chosen.prompt is None),
    )


def _drawn(chosen: Chosen, snapshot: Snapshot) -> bool:
    known = st.session_state.get("facets")
    st.session_state.facets = snapshot.facets
    if known is None or _choices(known) != _choices(snapshot.facets):
        st.rerun()  # the filters above have new options
    if snapshot.ingest is not None:
        st.html(health_strip(health_items(snapshot.ingest, snapshot.taken_at)))
    _draw(chosen, snapshot)
    return bool(snapshot.versions)


def _choices(facets: Facets) -> tuple[Sequence[str], ...]:
    return facets.prompts, facets.environments, facets.models


def _draw(chosen: Chosen, snapshot: Snapshot) -> None:
    if not snapshot.facets.prompts:
        advise(nothing_yet())
        return
    if not snapshot.versions:
        advise(nothing_in_range(snapshot.facets, chosen.words(), local))
        if chosen.time_range.length is not None and st.button("Show all time", on_click=choose_all_time):
            st.rerun()
        return
    mode = viewers_mode()
    slots = _slots(snapshot)
    many = len(snapshot.versions) > MOST_ROWS
    listed = _by_calls(snapshot.versions)[:MOST_ROWS] if many else snapshot.versions
    st.html(versions_table(table_rows(listed, slots, mode, snapshot.taken_at, local)))
    say_more(len(snapshot.versions))
    downloads(snapshot.versions, "versions")
    _draw_charts(chosen, snapshot, slots, mode)
    st.caption(plain(f"As of {local(snapshot.taken_at, seconds=True)}; charts have the same time zone."))


def _draw_charts(chosen: Chosen, snapshot: Snapshot, slots: dict[VersionKey, int], mode: Mode) -> None:
    series, since, now = snapshot.timeseries, snapshot.selection.since, snapshot.taken_at
    ends = None if since is None else whole_steps(_axis_start(snapshot, since), now, series.step)
    with_prompt = chosen.prompt is None
    drawn = _chosen_series(snapshot, with_prompt=with_prompt)
    series = replace(series, items=[row for row in series.items if (row.prompt, row.version) in drawn])
    # Versions of different prompts may have the same number: only selected ones get a colour.
    shown = {key: slots[key] for key in {(row.prompt, row.version) for row in series.items}}
    marks = mark_points(snapshot.marks, ends, with_prompt=with_prompt, models=snapshot.models)
    for start in range(0, len(PANELS), _CHARTS_IN_A_ROW):
        columns = st.columns(_CHARTS_IN_A_ROW, gap="medium")
        for column, panel in zip(columns, PANELS[start : start + _CHARTS_IN_A_ROW], strict=False):
            panel = readable(panel, shown.values())  # noqa: PLW2901
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
                if has_values(points):
                    draw_chart(drawing, key)
                else:
                    st.caption(panel.empty)


def _by_calls(versions: Sequence[VersionRow]) -> list[VersionRow]:
    return sorted(versions, key=lambda row: -row.requests)


def _drawn_versions(
    versions: Sequence[VersionRow], named: Sequence[str], *, with_prompt: bool
) -> set[VersionKey]:
    """The versions in the charts: those that are named by their labels, or those with the most calls."""
    by_calls = {(row.prompt, row.version): None for row in _by_calls(versions)}
    picked = {key for key in by_calls if label_of(key, with_prompt=with_prompt) in named}
    return picked or set([*by_calls][:MOST_LINES])


def _chosen_series(snapshot: Snapshot, *, with_prompt: bool) -> set[VersionKey]:
    """The versions in the charts, which the viewer may choose."""
    known = {label_of((row.prompt, row.version), with_prompt=with_prompt) for row in snapshot.versions}
    unknown = st.session_state.setdefault("unknown versions", [])
    if named := st.query_params.get_all("versions"):
        unknown[:] = [each for each in named if each not in known]
    chosen = st.session_state.get("versions")
    if unknown and not chosen:
        st.warning(f"No calls here of {plain(', '.join(unknown))}, which the link of this page names.")
    if len(known) > MOST_LINES or named or chosen:
        usual = f"the {MOST_LINES} with the most calls" if len(known) > MOST_LINES else "all"
        chosen = st.multiselect(
            f"Versions in the charts ({usual}, unless you choose)",
            sorted(known),
            key="versions",
            bind="query-params",
            placeholder="Choose versions",
        )
    return _drawn_versions(snapshot.versions, chosen or [], with_prompt=with_prompt)


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
