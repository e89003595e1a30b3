"""Alerts: what fires, what one can do about it, what was told, what happened, and other thresholds."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_alerts.results.alerts import Alert, Silence
from coalmine_alerts.results.messages import Message, Runbook, ToldTransition
from coalmine_alerts.results.rules import KnownRule
from coalmine_dashboards.api import ApiClient, ApiError, NotFound, if_allowed, segment
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.ahead import ahead
from coalmine_dashboards.parts.alert_card import draw_alert, matcher_words
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import choose_by_id
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import Chosen, filters, known_facets
from coalmine_dashboards.parts.links import link
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.threshold_test import draw_threshold_test
from coalmine_dashboards.parts.viewer import client, local, told
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.alerts import (
    alert_columns,
    by_urgency,
    change_columns,
    message_page,
    spans_chart,
    spans_of,
)
from coalmine_dashboards.views.markup import plain, shown
from coalmine_registry.roles import Role

_FRAME_PX: Final = 900
_MESSAGE_PX: Final = 330
_PAST_EVERY_S: Final = 15.0
_MOST_ALERTS: Final = 200
_MOST_CHANGES: Final = 200
_MOST_MESSAGES: Final = 20
_ANY_RULE: Final = "any rule"
_CHOSEN: Final = "alert-chosen"


@dataclass(frozen=True, slots=True)
class _Seen:
    alerts: list[Alert]
    silences: list[Silence]
    named: Alert | None
    """The one that the address names, whatever its state."""
    changes: list[ToldTransition]
    """Of that one."""


@dataclass(frozen=True, slots=True)
class _Past:
    changes: list[ToldTransition]
    messages: list[Message]


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is None or not facets.prompts:
        chosen = Chosen(None, None, None, range_named("24h"), live=True)
    else:
        chosen = filters(facets, ("prompt", "environment"))
    if (rule := st.query_params.get("runbook")) is not None:
        _runbook(rule)
    named, group = st.query_params.get("alert"), st.query_params.get("group")
    alerts = ahead(lambda asked: _fetch(asked, chosen, named))
    past = ahead(lambda asked: _past(asked, chosen, group))
    rules = ahead(lambda asked: asked.read("/v1/alerts/rules", list[KnownRule]))
    live(
        "alerts",
        alerts,
        lambda seen: _draw(seen, chosen, named, group),
        asked=(chosen.prompt, chosen.environment, named, group),
        every_s=chosen.every_s,
    )
    live(
        "alert history",
        past,
        lambda seen: _draw_past(seen, chosen),
        asked=(chosen.prompt, chosen.environment, chosen.time_range.key, group),
        every_s=None if chosen.every_s is None else _PAST_EVERY_S,
    )
    st.subheader("What another threshold would have sent", anchor=False)
    draw_threshold_test(rules)


def _fetch(asked: ApiClient, chosen: Chosen, named: str | None) -> _Seen:
    found, changes = None, []
    if named is not None:
        try:
            found = asked.read(f"/v1/alerts/{segment(named)}", Alert)
            changes = asked.first(f"/v1/alerts/{segment(named)}/transitions", ToldTransition, 50)
        except NotFound:
            pass  # said where it would stand
    return _Seen(
        asked.first("/v1/alerts", Alert, _MOST_ALERTS, prompt=chosen.prompt, environment=chosen.environment),
        asked.items("/v1/alerts/silences", Silence),
        found,
        changes,
    )


def _draw(seen: _Seen, chosen: Chosen, named: str | None, group: str | None) -> None:
    alerts = by_urgency(seen.alerts)
    if group is not None:
        st.caption(f"Only alerts of the group {plain(group)}: a message leads here. [All]({link('alerts')})")
        alerts = [each for each in alerts if _group(each) == group]
    if alerts:
        firing = sum(each.state == "firing" for each in alerts)
        st.caption(f"{firing} fire, {len(alerts) - firing} others. Struck through: nobody is told.")
        if len(seen.alerts) >= _MOST_ALERTS:
            st.caption(f"Only {_MOST_ALERTS} alerts are looked at: choose a prompt or an environment above.")
        table(alerts, alert_columns(local), "Alerts")
        downloads(alerts, "alerts")
    else:
        some = group is not None or chosen.prompt is not None or chosen.environment is not None
        nothing(
            "Nothing of this fires; something else may" if some else "Nothing fires",
            "Rules are evaluated all the time; docs/alerts.md lists them. To see what a channel would get:",
            "coalmine alerts send-test CHANNEL",
        )
    if named is not None and seen.named is None:
        st.warning(f"There is no alert {plain(named)}: it is mistyped, or long over.")
    shown_one = seen.named or (None if named is not None else _chosen(alerts, chosen, group))
    if shown_one is not None:
        changes = seen.changes if shown_one is seen.named else _changes_of(shown_one)
        draw_alert(shown_one, changes)
    _draw_silences(seen.silences)


def _chosen(alerts: Sequence[Alert], filtered: Chosen, group: str | None) -> Alert | None:
    """The one to look at, where the address names none; one that has ended stays until another is chosen."""
    by_fingerprint = {each.fingerprint: each for each in alerts}
    kept: str | None = st.session_state.get(_CHOSEN)
    if kept is not None and kept not in by_fingerprint:
        with suppress(NotFound):
            found: Alert = client().read(f"/v1/alerts/{segment(kept)}", Alert)
            labels = found.labels
            if (
                filtered.prompt in (None, labels.get("prompt"))
                and filtered.environment in (None, labels.get("environment"))
                and group in (None, _group(found))
            ):
                by_fingerprint[kept] = found
    words = {name: f"{each.state}: {shown(each.story.title)}" for name, each in by_fingerprint.items()}
    chosen = choose_by_id("Alert", words, _CHOSEN) if words else None
    return None if chosen is None else by_fingerprint[chosen]


def _changes_of(alert: Alert) -> list[ToldTransition]:
    path = f"/v1/alerts/{segment(alert.fingerprint)}/transitions"
    return client().first(path, ToldTransition, 50)


def _draw_silences(silences: Sequence[Silence]) -> None:
    if not silences:
        return
    st.subheader("Silences", anchor=False)
    for each in silences:
        words = matcher_words(dict(each.matchers))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{plain(words)}** until {local(each.ends_at)}  \n"
                f"{plain(each.reason)} ({plain(each.created_by)})"
            )
            path = f"/v1/alerts/silences/{each.id}/end"
            action(
                "End it",
                lambda _reason, path=path: client().send("POST", path, Silence, {}),  # type: ignore[misc]
                "The silence has ended.",
                key=f"unsilence-{each.id}",
                role=Role.AUTHOR,
                question=f"The silence of {words} ends now.",
                affected=f"Everybody who is told of these alerts; {each.created_by} made it.",
                needs_reason=False,
            )
    downloads(silences, "silences")


def _past(asked: ApiClient, chosen: Chosen, group: str | None) -> _Past:
    since = chosen.time_range.since(datetime.now(UTC))
    return _Past(
        asked.first(
            "/v1/alerts/transitions",
            ToldTransition,
            _MOST_CHANGES,
            since=since,
            prompt=chosen.prompt,
            environment=chosen.environment,
        ),
        if_allowed(lambda: asked.first("/v1/alerts/messages", Message, _MOST_MESSAGES, group=group)) or [],
    )


def _draw_past(past: _Past, chosen: Chosen) -> None:
    st.subheader("Messages", anchor=False)
    _messages(past.messages)
    st.subheader("What happened", anchor=False)
    rules = sorted({each.rule for each in past.changes})
    wanted = st.selectbox("Rule of what happened", [_ANY_RULE, *rules], key="history-rule", width=260)
    changes = [each for each in past.changes if wanted in (_ANY_RULE, each.rule)]
    if not changes:
        st.caption(f"Nothing happened: {plain(chosen.words())}. Choose a longer time above.")
        return
    now = datetime.now(UTC)
    since = chosen.time_range.since(now)
    if spans := spans_of(changes, since, now):
        ends = (min(span.since for span in spans), now)
        chart = spans_chart(spans, ends, list(dict.fromkeys(span.line for span in spans)))
        draw_chart(chart, "history-chart")
    table(changes, change_columns(local, told), "What happened to alerts")
    if len(past.changes) == _MOST_CHANGES:
        st.caption(f"The latest {_MOST_CHANGES} changes.")
    downloads(changes, "alert-changes")


def _runbook(rule: str) -> None:
    """What to do about the alerts of a rule, to which messages link."""
    try:
        found: Runbook = client().read(f"/v1/alerts/runbooks/{segment(rule)}", Runbook)
    except ApiError:
        st.warning(f"There is no runbook for {plain(rule)}.")
        return
    with st.expander(f"Runbook: {plain(found.rule)}", expanded=True):
        st.markdown(found.text)


def _group(alert: Alert) -> str:
    """What a message is about, as links name it."""
    return f"{alert.labels.get('environment', '')}|{alert.cause.kind}|{alert.cause.id}"


def _messages(messages: Sequence[Message]) -> None:
    """As people saw them; programs' channels get no picture."""
    drawn = [each for each in messages if each.html]
    if not drawn:
        hidden = any(each.body is None for each in messages)
        st.caption(
            "Messages that may hold texts of users are shown to admins only."
            if hidden
            else "No message was sent to people yet. Set up a channel: docs/alerts.md says how."
        )
        return
    # In one frame, which scrolls: no script may run in it that would tell how high it is.
    st.iframe(
        message_page(drawn, local),
        height=min(_FRAME_PX, _MESSAGE_PX * len(drawn)),
        alt="Messages as people saw them",
    )
