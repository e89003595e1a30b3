"""What each shipped version brought, and how fast and how safely one ships."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_alerts.results.wins import Wins
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_dashboards.api import ApiClient
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.ahead import ahead
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import several
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets, nothing_recorded
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import local, viewers_mode
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.markup import health_strip
from coalmine_dashboards.views.wins import (
    MOST_LINES,
    by_weight,
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
_MOST_GAINS: Final = 12
_FIRST_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    wins: Wins
    metrics: list[MetricRow]


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is not None and not facets.prompts:
        nothing_recorded()
        return
    chosen = Chosen(None, None, None, range_named(_DEFAULT_TIME), live=True)
    if facets is not None:
        chosen = filters(facets, ("prompt", "environment"), default_time=_DEFAULT_TIME)
    wins = ahead(lambda asked: _wins(asked, chosen))
    metrics = ahead(lambda asked: asked.items("/v1/metrics", MetricRow))
    live(
        "wins",
        lambda: _Seen(wins(), metrics()),
        lambda seen: _draw(seen, chosen),
        asked=(chosen.prompt, chosen.environment, chosen.time_range.key),
        every_s=chosen.refreshed(_EVERY_S),
    )


def _wins(asked: ApiClient, chosen: Chosen) -> Wins:
    now = datetime.now(UTC)
    since = chosen.time_range.since(now) or now - _LONGEST
    return asked.read("/v1/wins", Wins, prompt=chosen.prompt, environment=chosen.environment, since=since)


def _draw(seen: _Seen, chosen: Chosen) -> bool:
    found = seen.wins
    if not found.shipped:
        nothing(
            "No rollout has ended",
            f"Of {chosen.words()}. What a version brings is measured while it is rolled out:",
            "coalmine rollout start PROMPT VERSION",
        )
        return False
    st.html(health_strip(wins_items(found), "Wins"))
    if not found.complete:
        st.caption(f"Only the newest {len(found.shipped)} rollouts: choose a shorter time.")
    st.subheader("What they brought together", anchor=False)
    if found.gains:
        _draw_gains(seen)
    else:
        st.caption("No version that reached everybody had a metric measured against the one before it.")
    st.subheader("Rollouts that ended", anchor=False)
    newest = found.shipped[::-1]
    table(newest[:_MOST_ROWS], shipped_columns(local), "Rollouts that ended")
    if len(newest) > _MOST_ROWS:
        st.caption(f"The newest {_MOST_ROWS} of {len(newest)}; the download has all.")
    downloads(newest, "shipped")
    return True


def _draw_gains(seen: _Seen) -> None:
    found = seen.wins
    st.caption(
        "Effects of versions that reached everybody, added up. Versions ship because they looked good, so "
        "the sum is rather too good where intervals are wide."
    )
    standing = latest(found.gains, by_weight(seen.metrics))
    names = [series_of(each) for each in standing]
    chosen = several("metric", "metric", "Metrics in the chart", names, names[:_FIRST_LINES], most=MOST_LINES)
    first = found.shipped[0]
    begin = first.ended_at - timedelta(seconds=first.out_s or 0.0)
    for relative in (True, False):
        gains = [each for each in found.gains if each.relative is relative]
        lines = [name for name in chosen if any(series_of(each) == name for each in gains)]
        if lines:
            kind = "relative" if relative else "points"
            drawing = gains_chart(gains, lines, viewers_mode(), (begin, found.until))
            draw_chart(drawing, f"gains-{kind}-{lines}")
    directions = {row.metric: row.direction for row in seen.metrics}
    table(standing[:_MOST_GAINS], gain_columns(directions), "Cumulative changes")
    if len(standing) > _MOST_GAINS:
        st.caption(
            f"The first {_MOST_GAINS} of {len(standing)} metrics, those beyond chance first; choose a prompt "
            "above to see fewer, or download all."
        )
    downloads(found.gains, "gains")
