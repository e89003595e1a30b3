"""What the page of a prompt shows beside its charts: groups side by side, versions, what happened."""

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_alerts.results.alerts import Care
from coalmine_alerts.results.models import CalendarModel
from coalmine_analytics.results.breakdown import Breakdown
from coalmine_dashboards.api import ApiClient, NotFound, segment
from coalmine_dashboards.formatting import percent
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, one_of
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import Column, Html, table
from coalmine_dashboards.parts.viewer import BY_VIEWER, client, local, viewers_mode
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.breakdown import group_columns, place_columns, value_rows
from coalmine_dashboards.views.diff import diff_html
from coalmine_dashboards.views.explain import axis_title, range_chart
from coalmine_dashboards.views.marks import ModelBegan
from coalmine_dashboards.views.markup import plain, shown
from coalmine_dashboards.views.registry import version_columns
from coalmine_dashboards.views.shipped import shipped_columns, shipped_values
from coalmine_registry.records import Diff, PromptSummary, VersionRecord
from coalmine_rollouts.records import AsShipped
from coalmine_server.results import TimelineItem

_KEPT_FOR: Final = "1m"
"""How long an answer is shown that reads raw requests or the whole past of a prompt."""
_EVERY_S: Final = 60.0
_GROUPS: Final = ("version", "model", "environment", "app")
_SEGMENT: Final = "segment:"
"""Before the key of a segment, among what tells groups apart."""


def heading(prompt: str, chosen: Chosen) -> None:
    """Draw who cares for a prompt, and what serves it."""

    def draw(known: tuple[Care, PromptSummary | None]) -> None:
        care, summary = known
        words = [f"Owner: **{plain(care.owner)}**" if care.owner else "No owner: alerts.yaml names one"]
        if care.runbook is not None:
            words.append(f"[Runbook]({care.runbook.replace('(', '%28').replace(')', '%29')})")
        if care.tier != "standard":
            words.append(f"Tier: {care.tier}")
        if summary is None:
            words.append("not in the registry: services name its versions themselves")
        elif summary.serving:
            serving = [f"{plain(where)} {plain(version)}" for where, version in summary.serving.items()]
            words.append(f"Serving: {', '.join(serving)}")
        else:
            words.append("served nowhere")
        st.caption(" · ".join(words))

    every_s = chosen.refreshed(_EVERY_S)
    live("prompt-heading", lambda: _care(client(), prompt), draw, asked=prompt, every_s=every_s)


@st.cache_data(ttl=_KEPT_FOR, max_entries=100, show_spinner=False, hash_funcs=BY_VIEWER)
def _care(asked: ApiClient, prompt: str) -> tuple[Care, PromptSummary | None]:
    path = f"/v1/prompts/{segment(prompt)}"
    care = asked.read(f"{path}/care", Care)
    try:
        return care, asked.read(path, PromptSummary)
    except NotFound:
        return care, None


@st.cache_data(ttl=_KEPT_FOR, max_entries=100, show_spinner=False, hash_funcs=BY_VIEWER)
def models_that_began(asked: ApiClient, prompt: str | None, environment: str | None) -> list[ModelBegan]:
    """When models began to answer: for marks on charts."""
    found = [
        ModelBegan(each.first_seen, each.model, f"{each.environment}: {each.model} began to answer")
        for each in asked.items("/v1/model-calendar", CalendarModel)
        if environment in (None, each.environment) and (prompt is None or prompt in each.prompts)
    ]
    if prompt is not None:
        found += [
            ModelBegan(each.at, "", each.text)
            for each in _timeline(asked, prompt, environment, "30d")
            if each.kind == "model_change"
        ]
    return found


def side_by_side(prompt: str, chosen: Chosen) -> None:
    """Draw versions, models, environments or segments with intervals, and say which cannot be told apart."""
    live(
        "side-by-side",
        lambda: _breakdown(client(), prompt, _by(), chosen),
        _leaderboard,
        asked=(prompt, chosen),
        every_s=chosen.refreshed(_EVERY_S),
    )


def _by() -> str:
    """What tells groups apart, as the widget or, at first, the address says."""
    found: str = st.session_state.get("by") or st.query_params.get("by", "version")
    return found if found in _GROUPS or found.startswith(_SEGMENT) else "version"


@st.cache_data(
    ttl=_KEPT_FOR,
    max_entries=100,
    show_spinner="Reading requests …",
    hash_funcs={**BY_VIEWER, Chosen: repr},
)
def _breakdown(asked: ApiClient, prompt: str, by: str, chosen: Chosen) -> Breakdown:
    dimension, _, key = by.partition(":")
    return asked.read(
        "/v1/breakdown",
        Breakdown,
        prompt=prompt,
        by=dimension,
        segment=key or None,
        environment=chosen.environment,
        model=chosen.model,
        since=chosen.time_range.since(datetime.now(UTC)),
    )


def _leaderboard(found: Breakdown) -> None:
    metrics = {each.metric: each for each in found.metrics}
    names = sorted(metrics, key=lambda name: name != "quality")
    segments = dict.fromkeys(f"{_SEGMENT}{key}" for key in (*found.segments, *filter(None, [found.segment])))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one_of("by", "Compare by", [*_GROUPS, *segments])
        chosen = one_of("metric", "Metric", names)
    metric = metrics.get(chosen or "")
    if metric is None:
        nothing("Nothing is measured of these requests", "Services record metrics with each call.")
        return
    mode = viewers_mode()
    st.markdown(f"**{plain(shown(metric.metric))}**: {plain(metric.words)}.")
    rows = value_rows(metric)
    title = axis_title(metric.metric, metric.unit)
    draw_chart(range_chart(rows, title, mode, filled="may be the best"), "places")
    groups = {each.name: each for each in found.groups}
    table(metric.values, place_columns(metric, groups), f"Groups by {metric.metric}")
    downloads(metric.values, "leaderboard")
    st.subheader("Every metric that matters", anchor=False)
    table(found.groups, group_columns(found), "Groups, all metrics")
    downloads(found.metrics, "breakdown")
    st.caption(plain(_caveats(found)))


def _caveats(found: Breakdown) -> str:
    notes = ["Not randomised: what else differed counts as well; Explain takes that apart"]
    if found.counted_share < 1:
        notes.append(
            f"of very many requests those of {percent(found.counted_share)} of the units are counted"
        )
    if found.left_out:
        notes.append(f"{found.left_out} groups with fewer requests are left out")
    return f"{'; '.join(notes)}. Intervals hold at every look, at {found.alpha:g}."


def versions(prompt: str, chosen: Chosen) -> None:
    """Draw the registered versions with diff, commit, and what each was like when it shipped."""
    every_s = chosen.refreshed(_EVERY_S)
    live(
        "prompt-versions", lambda: _versions(client(), prompt), _draw_versions, asked=prompt, every_s=every_s
    )


def _versions(
    asked: ApiClient, prompt: str
) -> tuple[PromptSummary, list[VersionRecord], list[AsShipped]] | None:
    path = f"/v1/prompts/{segment(prompt)}"
    try:
        summary = asked.read(path, PromptSummary)
    except NotFound:
        return None
    return (
        summary,
        asked.items(f"{path}/versions", VersionRecord),
        asked.read(f"{path}/as-shipped", list[AsShipped]),
    )


def _draw_versions(found: tuple[PromptSummary, list[VersionRecord], list[AsShipped]] | None) -> None:
    if found is None:
        nothing(
            "This prompt is not in the registry",
            "Services name its versions themselves. Push it to see diffs, commits and who changed what:",
            "coalmine push",
        )
        return
    summary, records, shipped = found
    table(records, version_columns(summary.serving, local), "Versions")
    downloads(records, "registered-versions")
    _diff(summary.name, [each.version for each in records])
    st.subheader("As shipped", anchor=False)
    values = shipped_values(shipped)
    if not values:
        st.caption("No rollout of this prompt has completed: each that does keeps what its version was like.")
        return
    table(values, shipped_columns(local), "What versions were like when they shipped")
    downloads(values, "as-shipped")


def _diff(prompt: str, known: list[str]) -> None:
    st.subheader("Diff", anchor=False)
    if len(known) < 2:
        st.caption("There is no other version to compare with.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = one_of("a", "From", known, 1)
        b = one_of("b", "To", known, 0)
    if a is None or b is None or a == b:
        st.caption("Choose two versions.")
        return
    found = client().read(f"/v1/prompts/{segment(prompt)}/diff", Diff, a=a, b=b)
    reasons = "; ".join(each.what for each in found.classification.reasons) or "nothing changed"
    st.markdown(f"**{plain(found.classification.level)}** change: {plain(reasons)}")
    if found.lines:
        st.html(diff_html(found))
        downloads(found.lines, "diff")


def happened(prompt: str, chosen: Chosen) -> None:
    """Draw what happened to a prompt, the latest first."""
    live(
        "prompt-timeline",
        lambda: _timeline(client(), prompt, chosen.environment, chosen.time_range.key),
        lambda items: _draw_timeline(items, chosen),
        asked=(prompt, chosen.environment, chosen.time_range.key),
        every_s=chosen.refreshed(_EVERY_S),
    )


@st.cache_data(ttl=_KEPT_FOR, max_entries=100, show_spinner=False, hash_funcs=BY_VIEWER)
def _timeline(asked: ApiClient, prompt: str, environment: str | None, time: str) -> list[TimelineItem]:
    since = range_named(time).since(datetime.now(UTC)) or datetime(2000, 1, 1, tzinfo=UTC)
    return asked.items("/v1/timeline", TimelineItem, prompt=prompt, environment=environment, since=since)


def _draw_timeline(items: list[TimelineItem], chosen: Chosen) -> None:
    if not items:
        nothing("Nothing happened", f"No change of {chosen.words()}: choose a longer time above.")
        return
    latest = items[::-1]
    table(latest, _timeline_columns(), "What happened")
    downloads(latest, "timeline")


def _timeline_columns() -> list[Column[TimelineItem]]:
    def what(row: TimelineItem) -> str:
        return row.text.removeprefix(f"rollout {row.rollout}: ")

    def kind(row: TimelineItem) -> str | Html:
        words = row.kind.replace("_", " ")
        return words if row.rollout is None else Html(anchor(words, "rollouts", rollout=row.rollout))

    def by(row: TimelineItem) -> str:
        return "the rollout itself" if row.actor == f"rollout:{row.rollout}" else row.actor or ""

    return [
        Column("At", lambda row: local(row.at, seconds=True), text=True),
        Column("Kind", kind, text=True),
        Column("Version", lambda row: row.version or "", text=True),
        Column("What", what, text=True, wraps=True),
        Column("Environment", lambda row: row.environment or "", text=True, vital=False),
        Column("By", by, text=True, vital=False),
        Column("Reason", lambda row: row.reason or "", text=True, wraps=True, vital=False),
    ]
