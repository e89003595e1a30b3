"""Versions beside their own past, models in use and their ends, and prompts on other models."""

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from coalmine_alerts.results.models import CalendarModel
from coalmine_analytics.results.drift import Drift, VersionDrift
from coalmine_consumers.results import DayIgnored, Timeseries, VersionRow
from coalmine_dashboards.api import ApiClient
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.ahead import ahead
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.early import Question
from coalmine_dashboards.parts.filters import (
    FACETS,
    Chosen,
    chosen_in,
    filters,
    known_facets,
    nothing_recorded,
)
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, may, told
from coalmine_dashboards.views.drift import (
    SERIES,
    DriftRow,
    by_urgency,
    change_columns,
    metric_columns,
    shifts_chart,
    trend_chart,
    version_columns,
)
from coalmine_dashboards.views.markup import plain, shown
from coalmine_dashboards.views.models import (
    MEASURES,
    MOST_MODELS,
    calendar_chart,
    calendar_columns,
    matrix_columns,
    matrix_rows,
    models_of,
)
from coalmine_evals.results.models import ModelFlag
from coalmine_registry.roles import Role

_EVERY_S: Final = 30.0
"""Drift is judged by the hour."""
_MATRIX_EVERY_S: Final = 120.0
"""It is asked for model by model, which takes the server a while."""
_CALENDAR: Final = "model calendar"
_MOST_VERSIONS: Final = 60
_MOST_BARS: Final = 30
_MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class _Drifts:
    items: list[VersionDrift]
    more: bool
    """True: others are not looked at."""
    series: dict[str, Timeseries]
    """By environment, of the version that is shown there; empty for all prompts together."""


@dataclass(frozen=True, slots=True)
class _Matrix:
    rows: list[VersionRow]
    flags: list[ModelFlag]


def first_questions(query: Mapping[str, str]) -> dict[Hashable, Question[Any]]:
    """What the page of an address will ask first, by name."""
    return {FACETS: ApiClient.facets, **_questions(chosen_in(query))}


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is not None and not facets.prompts:
        nothing_recorded()
        return
    chosen = chosen_in(st.query_params) if facets is None else filters(facets)
    prompt, environment, model = chosen.prompt, chosen.environment, chosen.model
    every_s = chosen.refreshed(_EVERY_S)
    key = chosen.time_range.key
    drifts, calendar, matrix = (ahead(each, name=name) for name, each in _questions(chosen).items())
    st.subheader("Drift of versions that nobody changed", anchor=False)
    live(
        "drift",
        drifts,
        lambda seen: _draw_drifts(seen, prompt),
        asked=(prompt, environment, key),
        every_s=every_s,
    )
    st.subheader("Models in use", anchor=False)
    live(
        _CALENDAR,
        calendar,
        lambda rows: _draw_calendar(
            [
                row
                for row in rows
                if environment in (None, row.environment)
                and model in (None, row.model)
                and (prompt is None or prompt in row.prompts)
            ]
        ),
        every_s=every_s,
    )
    st.subheader("Prompts on models", anchor=False)
    live(
        "matrix",
        matrix,
        lambda seen: _draw_matrix(seen, chosen),
        asked=(prompt, environment, model, key),
        every_s=None if every_s is None else _MATRIX_EVERY_S,
    )


def _questions(chosen: Chosen) -> dict[Hashable, Question[Any]]:
    """Of the page's parts, in their order, by name."""
    return {
        chosen.named("drifts"): lambda asked: _drifts(asked, chosen),
        _CALENDAR: lambda asked: asked.items("/v1/model-calendar", CalendarModel),
        chosen.named("matrix"): lambda asked: _matrix(asked, chosen),
    }


def _drifts(asked: ApiClient, chosen: Chosen) -> _Drifts:
    prompt, environment = chosen.prompt, chosen.environment
    if prompt is None:
        every = asked.first("/v1/drifts", VersionDrift, _MOST_VERSIONS + 1, environment=environment)
        return _Drifts(by_urgency(every[:_MOST_VERSIONS]), len(every) > _MOST_VERSIONS, {})
    found = asked.read("/v1/drift", Drift, prompt=prompt, environment=environment).items
    since = chosen.time_range.since(datetime.now(UTC))
    series = {}
    for item in found:
        pages = {"prompt": item.prompt, "version": item.version, "environment": item.environment}
        series[item.environment] = asked.read("/v1/timeseries", Timeseries, **pages, since=since)
    return _Drifts(by_urgency(found), more=False, series=series)


def _draw_drifts(seen: _Drifts, prompt: str | None) -> bool:
    if not seen.items:
        nothing(
            "No version to watch yet",
            "A version is compared with its own first days. Choose another environment above, or wait.",
        )
        return False
    table(seen.items, version_columns(local, told), "Drift of versions")
    if seen.more:
        st.caption(f"Only {_MOST_VERSIONS} versions are looked at here: choose a prompt above for others.")
    rows = [
        DriftRow(item.prompt, item.version, item.environment, metric)
        for item in seen.items
        for metric in item.metrics
    ]
    downloads(rows or seen.items, "drift")
    changes = [(item, change) for item in seen.items for change in item.model_changes]
    if changes:
        st.markdown("**Models that began to answer**")
        table(changes, change_columns(local), "Models that began to answer")
    if prompt is not None:
        for item in seen.items:
            _draw_version(item, seen.series[item.environment])
    return True


def _draw_version(item: VersionDrift, series: Timeseries) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(item.prompt)} {plain(item.version)}** in {plain(item.environment)}")
        for each in item.warnings:
            st.caption(f":material/warning: {plain(each)}")
        for row in item.metrics:
            if row.state in ("drifted", "returned"):
                st.markdown(f"- **{plain(row.metric)}** {plain(told(row.words))}")
        if item.metrics:
            left, right = st.columns(2, gap="medium")
            with left:
                _draw_shifts(item)
            with right:
                _draw_trend(item, series)
            table(item.metrics, metric_columns(local), f"Metrics of {item.prompt} in {item.environment}")
            st.caption(
                f"One false alarm in {item.false_alarm_every_days:,.0f} days or more, "
                "over all metrics together."
            )
        _ignored_days(item)


def _draw_shifts(item: VersionDrift) -> None:
    chart = shifts_chart(item.metrics)
    if chart is None:
        st.caption("No metric has a reference and enough data yet.")
        return
    draw_chart(chart, f"shifts-{item.environment}")


def _draw_trend(item: VersionDrift, series: Timeseries) -> None:
    known = {row.metric: row for row in item.metrics if row.metric in SERIES}
    if not known:
        return
    asked = st.query_params.get("metric")
    if asked is not None and asked not in known:
        st.caption(f"{plain(asked)} is not served over time: the table has its figures.")
    worst = next((name for name, row in known.items() if row.state == "drifted"), next(iter(known)))
    chosen = st.selectbox(
        "Metric over time",
        list(known),
        index=list(known).index(asked if asked in known else worst),
        key=f"metric-{item.environment}",
    )
    st.query_params["metric"] = chosen
    chart = trend_chart(series, known[chosen])
    if chart is None:
        st.caption(f"No values of {plain(chosen)} in the chosen time: choose a longer one above.")
        return
    draw_chart(chart, f"trend-{item.environment}")
    st.caption("Dashed: the reference. Red: since when it most likely is so, and how sure that is.")


def _ignored_days(item: VersionDrift) -> None:
    for each in item.ignored_days:
        verb = "is ignored" if each.ignored else "counts again"
        by = plain(each.acted_by or "settings")
        st.caption(f"{each.day} {verb}: {plain(each.reason)} ({by})")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"ignore-{item.environment}"
        day = None
        if may(Role.APPROVER):
            today = datetime.now(UTC).date()
            day = st.date_input(
                "Ignore a day (UTC)", value=today, max_value=today, key=f"{key}-day", width=180
            )
        action(
            "Ignore this day",
            lambda reason: client().send(
                "POST",
                "/v1/drift/ignored-days",
                DayIgnored,
                {
                    "prompt": item.prompt,
                    "environment": item.environment,
                    "day": str(day),
                    "reason": reason,
                },
            ),
            f"{day} is ignored.",
            key=key,
            role=Role.APPROVER,
            question=f"Drift detection will ignore {day} of {item.prompt} in {item.environment}.",
            affected="Every version of the prompt there, its reference included, and alerts about its drift.",
        )


def _draw_calendar(rows: list[CalendarModel]) -> bool:
    if not rows:
        nothing(
            "No such model answered in the last 30 days",
            "Calls appear here as soon as they are recorded; choose another model or environment above.",
        )
        return False
    now = datetime.now(UTC)
    table(rows, calendar_columns(local, now.date()), "Models in use")
    draw_chart(calendar_chart(rows[:_MOST_BARS], now), "calendar")
    st.caption(
        "Bars: from the first to the last answer. Crosses: announced ends. Dashed: now. Ends come with "
        "releases; those that alerts.yaml names under models are added."
    )
    downloads(rows, "models")
    return True


def _matrix(asked: ApiClient, chosen: Chosen) -> _Matrix:
    filters = asdict(chosen.selection(datetime.now(UTC)))
    flags = asked.read("/v1/model-flags", list[ModelFlag], prompt=chosen.prompt)
    return _Matrix(
        asked.first("/v1/versions", VersionRow, _MOST_ROWS, by="model", **filters),
        [flag for flag in flags if chosen.model in (None, flag.model)],
    )


def _draw_matrix(seen: _Matrix, chosen: Chosen) -> bool:
    rows = matrix_rows(seen.rows, seen.flags)
    if not rows:
        nothing(
            "No calls and no runs to compare", f"None match {chosen.words()}: choose a longer time above."
        )
        return False
    models = models_of(rows)
    measure = one_of_few("show", "measure", "Show", list(MEASURES), "Quality")
    drawn = models
    if len(models) > MOST_MODELS:
        drawn = st.multiselect(
            "Models",
            models,
            default=models[:MOST_MODELS],
            format_func=shown,
            key="models",
            help="Those with the most requests at first; add others here.",
        )
    if drawn:
        table(rows, matrix_columns(drawn, measure), "Prompts on models")
    if len(seen.rows) >= _MOST_ROWS:
        st.caption(
            f"Only {_MOST_ROWS} versions on models are looked at here: choose a prompt above for others."
        )
    st.caption(
        f"{measure}: {MEASURES[measure]}, with the number of values. Requests choose their model, so columns "
        "are not randomised; safe and unsafe is what runs of evaluations have shown, on the same cases."
    )
    downloads(seen.rows, "models-of-versions")
    return True
