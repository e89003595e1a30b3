"""One alert: its story, what one can do about it, and what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_alerts.results.alerts import Alert, Silence
from coalmine_alerts.results.messages import ToldTransition
from coalmine_alerts.results.story import Story, StoryLink
from coalmine_dashboards.api import segment
from coalmine_dashboards.parts.actions import action, perform
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.links import anchor_to
from coalmine_dashboards.parts.tables import Column, table
from coalmine_dashboards.parts.viewer import client, local, may, told
from coalmine_dashboards.views.alerts import change_columns, notes, story_chart
from coalmine_dashboards.views.markup import escape, plain
from coalmine_registry.roles import Role

_LENGTHS: Final = {
    "1 hour": timedelta(hours=1),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}


def draw_alert(alert: Alert, changes: list[ToldTransition]) -> None:
    """Draw an alert with its story and its changes, the latest first."""
    story = alert.story
    with st.container(border=True, key="alert-card"):
        st.markdown(f"**{plain(f'{story.icon} {story.title}')}**")
        st.caption(_standing(alert))
        if story.chart is None:
            _words(story)
        else:
            left, right = st.columns([3, 2], gap="medium")
            with left:
                _words(story)
            with right:
                st.caption(plain(story.chart.title))
                draw_chart(story_chart(story.chart), "alert-chart")
        if story.diff is not None:
            st.caption(plain(story.diff_title or "What changed"))
            st.code(story.diff, language="diff", wrap_lines=True)
        _excerpts(story)
        st.html(" · ".join(_link(each) for each in story.links))
        _actions(alert)
        with st.expander(f"What became of it ({len(changes)} changes)"):
            if changes:
                table(changes, change_columns(local, told), "Changes of this alert")


def _standing(alert: Alert) -> str:
    state = "no data" if alert.state == "no_data" else alert.state
    words = [f"{state} since {local(alert.since)}", alert.severity, f"fired {alert.firing} times"]
    if alert.began_at is not None:
        words.append(f"began about {local(alert.began_at)}")
    if said := notes(alert):
        words.append(said)
    if alert.silenced_until is not None:
        words.append(f"until {local(alert.silenced_until)}")
    return plain(" · ".join([*words, f"rule {alert.rule}"]))


def _words(story: Story) -> None:
    """What a message would say: what and why, figures, what was done, what one can do, how sure it is."""
    said = [told(story.summary), *([told(story.why)] if story.why is not None else [])]
    st.markdown("\n\n".join(map(plain, said)))
    if story.table is not None:
        columns: list[Column[tuple[str, ...]]] = [
            Column(name, lambda row, at=at: told(row[at]) if at < len(row) else "", text=True)  # type: ignore[misc]
            for at, name in enumerate(story.table.columns)
        ]
        table(story.table.rows, columns, "Figures of the alert")
    facts = [*story.details, *([("Done so far", story.done)] if story.done is not None else [])]
    lines = [f"**{plain(label)}** {plain(told(text))}" for label, text in facts]
    lines += [f"- {plain(told(each))}" for each in story.could]
    st.markdown("  \n".join(lines[: len(facts)]) + "\n\n" + "\n".join(lines[len(facts) :]))
    if story.sure is not None:
        st.caption(f"How sure: {plain(told(story.sure))}")


def _excerpts(story: Story) -> None:
    for each in story.excerpts:
        with st.expander(f"Request of {local(each.at)}"):
            said = {
                "Asked": each.question,
                "Answered": each.answer,
                "Comment": each.comment,
                "Correction": each.correction,
            }
            for name, text in said.items():
                if text:
                    st.caption(name)
                    st.code(text, language=None, wrap_lines=True)
            st.html(anchor_to(f"./requests?request={each.request_id}", "Open the request"))


def _link(found: StoryLink) -> str:
    """A link of a story: to a page of this dashboard, or a runbook elsewhere; nothing else is followed."""
    if found.path.startswith(("https://", "http://")):
        return f'<a href="{escape(found.path)}" rel="noreferrer">{escape(found.text)}</a>'
    return anchor_to(f"./{found.path.lstrip('/')}", escape(found.text))


def _actions(alert: Alert) -> None:
    if not may(Role.AUTHOR):
        return
    name = alert.fingerprint
    path = f"/v1/alerts/{segment(name)}"
    fires = None if alert.state == "firing" else "It does not fire."
    with st.container(horizontal=True, vertical_alignment="bottom"):
        action(
            "I am on it",
            lambda reason: client().send("POST", f"{path}/acknowledge", Alert, {"reason": reason}),
            "Noted: you look after it.",
            key=f"ack-{name}",
            role=Role.AUTHOR,
            question="You look after it: it is not repeated to anybody until it is resolved.",
            affected="Everybody who is told of it reads that you do, and why.",
            primary=True,
            disabled=fires or (alert.acknowledged_by and f"{alert.acknowledged_by} looks after it."),
        )
        action(
            "Accept as the new normal",
            lambda reason: client().send("POST", f"{path}/accept", Alert, {"reason": reason}),
            "Accepted: it is resolved, and its value is the new reference.",
            key=f"accept-{name}",
            role=Role.APPROVER,
            question="It is resolved now, and fires again only from the value that it has.",
            affected="Everybody who is told of it, and later alerts of this rule about the same.",
            disabled=fires,
        )
        if st.button("Useful", key=f"useful-{name}", icon=":material/thumb_up:"):
            _mark(path, useful=True)
        if st.button("Noise", key=f"noise-{name}", icon=":material/thumb_down:"):
            _mark(path, useful=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        length = st.selectbox("Silence for", list(_LENGTHS), key=f"length-{name}", width=160)
        matchers = {"rule": alert.rule, **alert.labels}
        action(
            "Silence",
            lambda reason: client().send(
                "POST",
                "/v1/alerts/silences",
                Silence,
                {"matchers": matchers, "until": datetime.now(UTC) + _LENGTHS[length], "reason": reason},
            ),
            "Silenced; it is evaluated all the same.",
            key=f"silence-{name}",
            role=Role.AUTHOR,
            question=f"Nobody is told of alerts with {matcher_words(matchers)} for {length}.",
            affected="Everybody who would be told. It is evaluated all the same.",
        )


def matcher_words(matchers: dict[str, str]) -> str:
    """What a silence is about."""
    return ", ".join(f"{name}={value}" for name, value in matchers.items())


def _mark(path: str, *, useful: bool) -> None:
    perform(
        lambda: client().send("POST", f"{path}/mark", Alert, {"useful": useful}),
        "Noted: it was useful." if useful else "Noted: it was noise.",
    )
