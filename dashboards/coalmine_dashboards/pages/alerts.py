"""The page of alerts: what fires, what one can do about it, messages as people see them, what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_alerts.results.alerts import Alert, Silence
from coalmine_alerts.results.messages import Message, Runbook, ToldTransition
from coalmine_alerts.results.story import readable
from coalmine_dashboards.api import ApiError, segment
from coalmine_dashboards.parts.actions import perform
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.viewer import client
from coalmine_dashboards.views.alerts import alerts_table, changes_table, message_page
from coalmine_dashboards.views.markup import plain, shown

_FRAME_PX: Final = 900
_LENGTHS: Final = {
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class _Seen:
    alerts: list[Alert]
    messages: list[Message]
    changes: list[ToldTransition]
    silences: list[Silence]


def show() -> None:
    """Draw the page."""
    live("alerts", _fetch, _draw)


def _fetch() -> _Seen:
    asked = client()
    return _Seen(
        asked.first("/v1/alerts", Alert, 200),
        asked.first("/v1/alerts/messages", Message, 20),
        asked.first("/v1/alerts/transitions", ToldTransition, 50),
        asked.items("/v1/alerts/silences", Silence),
    )


def _draw(seen: _Seen) -> None:
    alerts, messages, changes, silences = seen.alerts, seen.messages, seen.changes, seen.silences
    if not alerts and not changes:
        st.info("No alerts so far. Rules are evaluated all the time; docs/alerts.md lists them.")
        return
    if (rule := st.query_params.get("runbook")) is not None:
        _runbook(rule)
    if (group := st.query_params.get("group")) is not None:
        st.caption(f"Only alerts of the group {plain(group)}: a message leads here.")
        alerts = [each for each in alerts if _group(each) == group]
    if alerts:
        st.html(alerts_table(alerts))
    else:
        st.caption("Nothing fires.")
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Messages", anchor=False)
        _messages(messages)
    with right:
        _actions(alerts, silences)
    st.subheader("What happened", anchor=False)
    st.html(changes_table(changes))


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
    st.iframe(message_page(drawn), height=_FRAME_PX, alt="Messages as people saw them")


def _actions(alerts: Sequence[Alert], silences: Sequence[Silence]) -> None:
    if alerts:
        st.subheader("Do something about", anchor=False)
        by_fingerprint = {each.fingerprint: each for each in alerts}
        chosen = st.selectbox(
            "Alert",
            list(by_fingerprint),
            format_func=lambda name: (
                f"{by_fingerprint[name].state}: {shown(by_fingerprint[name].story.title)}"
            ),
            index=_place(list(by_fingerprint)),
            key="alert",
            label_visibility="collapsed",
        )
        if chosen is not None:
            _of_alert(by_fingerprint[chosen])
    if silences:
        st.subheader("Silences", anchor=False)
    for each in silences:
        matchers = ", ".join(f"{name}={value}" for name, value in each.matchers.items())
        st.markdown(
            f"**{plain(matchers)}** until {each.ends_at:%Y-%m-%d %H:%M} UTC  \n"
            f"{plain(each.reason)} ({plain(each.created_by)})"
        )
        if st.button("End it", key=f"unsilence-{each.id}"):
            path = f"/v1/alerts/silences/{each.id}/end"
            perform(lambda path=path: client().send("POST", path, Silence, {}), "The silence has ended.")  # type: ignore[misc]


def _place(fingerprints: Sequence[str]) -> int:
    """Where the alert is that the page's address names. Bound to it, it would be named by its title."""
    named = st.query_params.get("alert")
    return fingerprints.index(named) if named in fingerprints else 0


def _of_alert(alert: Alert) -> None:
    name = alert.fingerprint
    st.markdown(plain(readable(alert.story.summary)))
    for each in alert.story.could:
        st.markdown(f"- {plain(readable(each))}")
    if alert.acknowledged_by is not None:
        st.caption(f"{plain(alert.acknowledged_by)} looks after it.")
    reason = st.text_input("Reason", key=f"reason-{name}", max_chars=2000)
    with st.container(horizontal=True):
        if st.button("I am on it", key=f"ack-{name}", disabled=alert.state != "firing", type="primary"):
            _post(name, "acknowledge", {"reason": reason or None}, "Noted: you look after it.")
        if st.button("Useful", key=f"useful-{name}"):
            _post(name, "mark", {"useful": True}, "Noted: it was useful.")
        if st.button("Noise", key=f"noise-{name}"):
            _post(name, "mark", {"useful": False}, "Noted: it was noise.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        length = st.selectbox("Silence for", list(_LENGTHS), key=f"length-{name}", width=160)
        if st.button("Silence", key=f"silence-{name}", disabled=not reason, help="Needs a reason."):
            until = datetime.now(UTC) + _LENGTHS[length]
            matchers = {"rule": alert.rule, **alert.labels}
            body = {"matchers": matchers, "until": until, "reason": reason}
            perform(
                lambda: client().send("POST", "/v1/alerts/silences", Silence, body),
                "Silenced; it is evaluated all the same.",
            )


def _post(fingerprint: str, what: str, body: dict[str, object], done: str) -> None:
    perform(lambda: client().send("POST", f"/v1/alerts/{segment(fingerprint)}/{what}", Alert, body), done)
