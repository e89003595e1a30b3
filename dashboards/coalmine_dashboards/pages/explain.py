"""Why a metric moved: prompt, model or traffic, and in which segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.explain import Explanation
from coalmine_consumers.results import VersionRow
from coalmine_dashboards.api import ApiClient, NotFound
from coalmine_dashboards.formatting import count, difference, figure, interval
from coalmine_dashboards.palette import Mode
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets, nothing_recorded, one_of
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import BY_VIEWER, client, local, viewers_mode
from coalmine_dashboards.views.explain import (
    axis_title,
    contribution_columns,
    feature_columns,
    moved_columns,
    part_columns,
    range_chart,
    range_rows,
    waterfall,
)
from coalmine_dashboards.views.health import HealthItem
from coalmine_dashboards.views.markup import health_strip, plain, shown

_PERIODS: Final = "now and before"
"""In place of a version: the time range against the one before it."""
_KEPT_FOR: Final = "1m"
"""Raw requests are read for each answer, which takes seconds for millions of them."""
_MOST_ROWS: Final = 15
_FOR_TERMINALS: Final = "; `coalmine versions` shows when there were requests"
"""What the server advises where there are no requests: the page has the choices itself."""


@dataclass(frozen=True, slots=True)
class _Asked:
    prompt: str
    environment: str | None
    metric: str
    a: str | None
    b: str | None
    time: str


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is None or not facets.prompts:
        nothing_recorded()
        return
    chosen = filters(facets, ("prompt", "environment"), required=("prompt",), live=False)
    assert chosen.prompt is not None
    known = facets.versions.get(chosen.prompt, [])
    asked = _question(chosen, chosen.prompt, known)
    if asked is None:
        return
    if asked.a is None and chosen.time_range.length is None:
        nothing(
            "All time has nothing before it",
            "Choose a shorter time above, which is compared with the time before it, or two versions.",
        )
        return
    live(
        "explain",
        lambda: _explanation(client(), asked, chosen),
        lambda found: _draw(found) if isinstance(found, Explanation) else _say_no(found, asked, len(known)),
        asked=asked,
        every_s=None,
    )


def _question(chosen: Chosen, prompt: str, versions: Sequence[str]) -> _Asked | None:
    """What is compared, from widgets that the address holds; None: it cannot be answered."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = one_of("a", "Compare", [_PERIODS, *versions], 0 if len(versions) < 2 else len(versions) - 1)
        others = [each for each in versions if each != a]
        b = None
        if a != _PERIODS and others:
            b = one_of("b", "with", others, len(others) - 1)
        metric = one_of("metric", "Metric", _metrics(client(), prompt), 0)
    if a is None or metric is None:
        return None
    if a != _PERIODS and b is None:
        nothing("There is only one version", "Compare two times instead: now and before.")
        return None
    return _Asked(prompt, chosen.environment, metric, None if a == _PERIODS else a, b, chosen.time_range.key)


@st.cache_data(ttl=_KEPT_FOR, max_entries=50, show_spinner=False, hash_funcs=BY_VIEWER)
def _metrics(asked: ApiClient, prompt: str) -> list[str]:
    """Metrics of requests, quality first, where the prompt has any."""
    left_out = {"requests_per_unit"}
    versions = asked.items("/v1/versions", VersionRow, prompt=prompt)
    if all(each.quality_mean is None for each in versions):
        left_out.add("quality")  # the server would refuse it
    rows = asked.items("/v1/metrics", MetricRow)
    names = [row.metric for row in rows if row.metric not in left_out]
    return sorted(names, key=lambda name: name != "quality")


def _explanation(asked: ApiClient, question: _Asked, chosen: Chosen) -> Explanation | NotFound:
    try:
        return _explained(asked, question, chosen)
    except NotFound as error:
        return error


def _say_no(why: NotFound, question: _Asked, versions: int) -> bool:
    """Of a young prompt there is nothing before the time that is asked for at first: that is no fault."""
    if question.a is None:
        remedy = (
            "Choose a shorter time above if the prompt is young, a longer one if it has no recent requests"
        )
        remedy += ", or compare two versions" if versions > 1 else ""
    else:
        remedy = "Choose a longer time, another metric or other versions above"
    nothing("Nothing to compare", f"{why.detail.removesuffix(_FOR_TERMINALS)}. {remedy}.")
    return False


@st.cache_data(
    ttl=_KEPT_FOR, max_entries=50, show_spinner="Reading requests …", hash_funcs={**BY_VIEWER, Chosen: repr}
)
def _explained(asked: ApiClient, question: _Asked, chosen: Chosen) -> Explanation:
    return asked.read(
        "/v1/explain",
        Explanation,
        prompt=question.prompt,
        environment=question.environment,
        metric=question.metric,
        a=question.a,
        b=question.b,
        since=chosen.time_range.since(datetime.now(UTC)),
    )


def _draw(found: Explanation) -> None:
    mode = viewers_mode()
    unit = found.unit
    st.markdown(f"**{plain(found.headline)}**")
    _sides(found)
    if found.warnings:
        st.caption("  \n".join(f":material/warning: {plain(each)}" for each in found.warnings))
    st.subheader("What the change is made of", anchor=False)
    draw_chart(waterfall(found, mode), "parts")
    st.caption(
        "A filled bar is clear: its interval, the grey line, excludes no change. The parts add up exactly."
    )
    table([*found.parts, *found.parts_of_prompt], part_columns(unit), "Parts of the change")
    downloads([*found.parts, *found.parts_of_prompt], "parts")
    if found.contributions:
        largest = sorted(found.contributions, key=lambda each: -abs(each.contribution))[:_MOST_ROWS]
        with st.expander(f"What single values brought ({len(largest)} of {len(found.contributions)})"):
            table(largest, contribution_columns(unit), "Contributions")
            downloads(found.contributions, "contributions")
    _moved(found, mode)
    _regression(found, mode)
    _left_out(found)


def _sides(found: Explanation) -> None:
    items = [
        HealthItem(
            f"{side.name} · {count(side.requests)} requests of {count(side.units)} units",
            figure(side.value, found.unit),
            "plain",
            f"From {local(side.since)} to {local(side.until)}.",
        )
        for side in (found.a, found.b)
    ]
    ends = interval(found.lower, found.upper, found.unit)
    how = "beyond chance" if found.clear else "not beyond chance"
    change = difference(found.change, found.unit)
    items.append(
        HealthItem(f"Change, {how}", f"{change} ({ends})", "plain", "The interval holds at every look.")
    )
    st.html(health_strip(items, "What is compared"))


def _moved(found: Explanation, mode: Mode) -> None:
    st.subheader("Where it moved", anchor=False)
    if not found.moved:
        st.caption("No segment, model or application has enough requests on both sides to be looked at.")
        return
    title = f"change of {axis_title(found.metric, found.unit)}"
    rows = range_rows(
        [
            (
                f"{row.dimension}: {row.value or 'none'}",
                row.effect,
                row.lower,
                row.upper,
                row.verdict == "moved",
            )
            for row in found.moved
        ],
        found.unit,
    )
    if rows:
        draw_chart(range_chart(rows, title, mode), "moved")
    table(found.moved[:_MOST_ROWS], moved_columns(found.unit), "Segments, models and applications")
    downloads(found.moved, "moved")


def _regression(found: Explanation, mode: Mode) -> None:
    regression = found.regression
    st.subheader(f"What goes with {plain(shown(found.metric))}", anchor=False)
    st.caption("Associations, not causes: nothing here is randomised.")
    if not regression.features:
        st.caption(plain(". ".join(regression.words) or "There is too little data."))
        return
    features = sorted(regression.features, key=lambda each: (not each.clear, -abs(each.standardised)))
    rows = range_rows(
        [(each.feature, each.coefficient, each.lower, each.upper, each.clear) for each in features],
        found.unit,
    )
    title = f"change of {axis_title(found.metric, found.unit)}"
    draw_chart(range_chart(rows, title, mode), "features")
    table(features[:_MOST_ROWS], feature_columns(found.unit), "Associations")
    downloads(features, "associations")
    st.caption(plain(". ".join(regression.words)))


def _left_out(found: Explanation) -> None:
    notes = [*found.not_told_apart, *found.left_out, *found.regression.left_out]
    if notes:
        with st.expander(f"What was left out ({len(notes)})"):
            for each in notes:
                st.markdown(f"- {plain(each)}")
