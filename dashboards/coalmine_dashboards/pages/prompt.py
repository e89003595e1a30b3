"""What every version costs, how fast and how good it is, over time, with the changes of deployments."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from coalmine_consumers.results import Facets
from coalmine_dashboards.palette import Mode, VersionKey, assign_slots
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, choose_all_time, filters, known_facets
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.viewer import client
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.snapshot import Snapshot, fetch
from coalmine_dashboards.steps import whole_steps
from coalmine_dashboards.views.charts import draw
from coalmine_dashboards.views.health import health_items
from coalmine_dashboards.views.marks import mark_points
from coalmine_dashboards.views.markup import health_strip, versions_table
from coalmine_dashboards.views.panels import PANELS, needs_log, panel_points
from coalmine_dashboards.views.problems import nothing_in_range, nothing_yet
from coalmine_dashboards.views.table import table_rows

_CHARTS_IN_A_ROW = 3


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is None or not facets.prompts:
        chosen = Chosen(None, None, None, range_named("all"), live=True)
    else:
        chosen = filters(facets)
    live(
        "prompt",
        lambda: fetch(client(), chosen.selection(now := datetime.now(UTC)), now),
        lambda snapshot: _drawn(chosen, snapshot),
        asked=(chosen.prompt, chosen.environment, chosen.model, chosen.time_range.key),
        every_s=chosen.every_s,
    )


def _drawn(chosen: Chosen, snapshot: Snapshot) -> bool:
    known = st.session_state.get("facets")
    st.session_state.facets = snapshot.facets
    if known is None or _choices(known) != _choices(snapshot.facets):
        st.rerun()  # the filters above have new options
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
        advise(nothing_in_range(snapshot.facets, chosen.words()))
        if chosen.time_range.length is not None and st.button("Show all time", on_click=choose_all_time):
            st.rerun()
        return
    mode: Mode = "dark" if st.context.theme.type == "dark" else "light"
    slots = _slots(snapshot)
    st.html(versions_table(table_rows(snapshot.versions, slots, mode, snapshot.taken_at)))
    downloads(snapshot.versions, "versions")
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
