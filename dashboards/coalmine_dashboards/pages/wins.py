"""What each shipped version brought, and how fast and how safely one ships."""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_alerts.results.wins import Gain, Wins
from coalmine_dashboards.palette import Mode
from coalmine_dashboards.parts.advice import advise, nothing
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.markup import health_strip
from coalmine_dashboards.views.problems import nothing_yet
from coalmine_dashboards.views.wins import (
    MOST_LINES,
    gain_columns,
    gains_chart,
    latest,
    series_of,
    shipped_columns,
    wins_items,
)

_EVERY_S: Final = 60.0
_DEFAULT_TIME: Final = "all"
_LONGEST: Final = timedelta(days=3650)
_MOST_ROWS: Final = 50


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is not None and not facets.prompts:
        advise(nothing_yet())
        return
    chosen = Chosen(None, None, None, range_named(_DEFAULT_TIME), live=True)
    if facets is not None:
        chosen = filters(facets, ("prompt", "environment"), default_time=_DEFAULT_TIME)
    live(
        "wins",
        lambda: _wins(chosen),
        lambda found: _draw(found, chosen),
        asked=(chosen.prompt, chosen.environment, chosen.time_range.key),
        every_s=_EVERY_S if chosen.live else None,
    )


def _wins(chosen: Chosen) -> Wins:
    now = datetime.now(UTC)
    since = chosen.time_range.since(now) or now - _LONGEST
    return client().read("/v1/wins", Wins, prompt=chosen.prompt, environment=chosen.environment, since=since)


def _draw(found: Wins, chosen: Chosen) -> bool:
    if not found.shipped:
        nothing(
            "No rollout has ended",
            f"Of {chosen.words()}. What a version brings is measured while it is rolled out:",
            "coalmine rollout start PROMPT VERSION --env prod",
        )
        return False
    st.html(health_strip(wins_items(found), "Wins"))
    if not found.complete:
        st.caption(f"Only the newest {len(found.shipped)} rollouts: choose a shorter time.")
    _draw_gains(found)
    st.subheader("Rollouts that ended", anchor=False)
    newest = found.shipped[::-1]
    table(newest[:_MOST_ROWS], shipped_columns(local), "Rollouts that ended")
    if len(newest) > _MOST_ROWS:
        st.caption(f"The newest {_MOST_ROWS} of {len(newest)}; the download has all.")
    downloads(newest, "shipped")
    return True


def _draw_gains(found: Wins) -> None:
    st.subheader("What they brought together", anchor=False)
    if not found.gains:
        st.caption("No version that reached everybody had a metric measured against the one before it.")
        return
    st.caption(
        "Effects of versions that reached everybody, added up. Versions ship because they looked good, so "
        "the sum is rather too good where intervals are wide."
    )
    standing = latest(found.gains)
    names = [series_of(each) for each in standing]
    chosen = st.multiselect(
        "Metrics in the chart",
        names,
        default=names[: min(3, len(names))],
        max_selections=MOST_LINES,
        key="metric",
        bind="query-params",
    )
    first = found.shipped[0]
    begin = first.ended_at - timedelta(seconds=first.out_s or 0.0)
    for relative in (True, False):
        gains = [each for each in found.gains if each.relative is relative]
        lines = [name for name in chosen if any(series_of(each) == name for each in gains)]
        if lines:
            _draw_chart(gains, lines, begin, relative)
    table(standing, gain_columns(), "Cumulative changes")
    downloads(found.gains, "gains")


def _draw_chart(gains: list[Gain], lines: list[str], begin: datetime, relative: bool) -> None:
    mode: Mode = "dark" if st.context.theme.type == "dark" else "light"
    kind = "relative" if relative else "points"
    st.altair_chart(gains_chart(gains, lines, mode, begin), width="stretch", key=f"gains-{kind}-{lines}")
