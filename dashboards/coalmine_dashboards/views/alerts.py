"""Tables and charts of alerts. Every text is shown as text; messages come drawn by the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import altair as alt

from coalmine_alerts.results.alerts import Alert, AlertState, Severity
from coalmine_alerts.results.messages import Message, ToldTransition
from coalmine_alerts.results.replay import Replay, ReplayedFiring
from coalmine_alerts.results.story import StoryChart
from coalmine_dashboards.formatting import TIME_LABEL, count, percent
from coalmine_dashboards.parts.charts import Drawing
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Told, Tone, When, dot
from coalmine_dashboards.views.markup import escape, shown

_ORDER: Final[tuple[AlertState, ...]] = ("firing", "pending", "no_data", "resolved", "ok")
_TONES: Final[dict[Severity, Tone]] = {"page": "bad", "warning": "notice", "info": "good"}
_COLOURS: Final = {"page": "#d5384d", "warning": "#d99000", "info": "#2b7fc4"}
_WORDS: Final = {"no_data": "no data"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A message is text and style: nothing in it may run or be fetched, whatever it says."""
_MOST_LINES: Final = 8
_ROW_PX: Final = 26
_AROUND_PX: Final = 110
"""Legend and axis."""


def by_urgency(alerts: Sequence[Alert]) -> list[Alert]:
    """What fires first."""
    return sorted(alerts, key=lambda each: _ORDER.index(each.state))


def state_of(alert: Alert) -> str | Html:
    """State of an alert, with its severity while it fires."""
    word = _WORDS.get(alert.state, alert.state)
    return dot(_TONES[alert.severity], f"{word} ({alert.severity})") if alert.state == "firing" else word


def alert_columns(local: When) -> list[Column[Alert]]:
    """Columns of the table of alerts; what nobody is told of stands struck through."""
    return [
        Column("What", _title, text=True, wraps=True),
        Column("State", state_of, text=True),
        Column("Since", lambda alert: local(alert.since), text=True),
        Column("", notes, text=True),
        Column("Times fired", lambda alert: count(alert.firing), vital=False),
        Column("Rule", lambda alert: alert.rule, text=True, vital=False),
    ]


def change_columns(local: When, told: Told) -> list[Column[ToldTransition]]:
    """Columns of the table of what happened, and who was told."""
    return [
        Column("At", lambda change: local(change.transition.at), text=True),
        Column("Kind", _kind, text=True),
        Column("State", lambda change: _state_word(change.transition.to_state), text=True),
        Column(
            "What",
            lambda change: Html(
                anchor(told(change.transition.summary), "alerts", alert=change.transition.fingerprint)
            ),
            text=True,
            wraps=True,
        ),
        Column("Told", _told, "Channels, and whether they took it.", text=True),
        Column("Rule", lambda change: change.rule, text=True, vital=False),
    ]


def notes(alert: Alert) -> str:
    """What is no state: who looks after it, and why nobody is told."""
    said = (
        alert.acknowledged_by is not None and f"{alert.acknowledged_by} looks after it",
        alert.silenced_until is not None and "silenced",
        alert.inhibited_by is not None and "part of another alert",
        alert.flapping_since is not None and "flapping",
        alert.accepted_by is not None and f"accepted by {alert.accepted_by}",
    )
    return ", ".join(each for each in said if each)


def message_page(messages: Sequence[Message], local: When) -> str:
    """Returns a whole page of messages that the server has drawn, the latest first."""
    drawn = "".join(
        f"<p><small>{escape(each.channel)}, {escape(local(each.changed_at))}</small></p>{each.html}"
        for each in messages
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"></head>'
        f'<body class="slack-page">{drawn}</body></html>'
    )


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something fired."""

    line: str
    severity: Severity
    since: datetime
    until: datetime
    what: str


def spans_of(changes: Sequence[ToldTransition], since: datetime | None, now: datetime) -> list[Span]:
    """Times in which alerts fired, from their changes; of many alerts the latest.

    Args:
        changes: The latest first.
        since: Begin of what was asked for: what fired before then fires from then on.
        now: The time.
    """
    found: list[Span] = []
    open_: dict[str, tuple[datetime, ToldTransition]] = {}
    begin = since or (changes[-1].transition.at if changes else now)
    for change in reversed(changes):
        each = change.transition
        if each.from_state == "firing" and each.fingerprint not in open_:
            open_[each.fingerprint] = (begin, change)
        if each.to_state == "firing":
            open_.setdefault(each.fingerprint, (each.at, change))
        elif (opened := open_.pop(each.fingerprint, None)) is not None:
            found.append(_span(opened[1], opened[0], each.at))
    found += [_span(change, at, now) for at, change in open_.values()]
    latest: dict[str, datetime] = {}
    for span in found:
        latest[span.line] = max(span.until, latest.get(span.line, span.until))
    lines = sorted(latest, key=lambda line: latest[line], reverse=True)[:_MOST_LINES]
    return [span for span in found if span.line in lines]


def replayed_spans(replays: Sequence[Replay]) -> list[Span]:
    """Times in which alerts would have fired, by the thresholds that were tried."""
    return [
        Span(
            settings_words(replay.settings),
            firing.severity,
            firing.fired_at,
            firing.resolved_at or replay.until,
            ", ".join(firing.labels.values()),
        )
        for replay in replays
        for firing in replay.firings
    ]


def spans_chart(spans: Sequence[Span], ends: tuple[datetime, datetime], lines: Sequence[str]) -> Drawing:
    """Draws times in which something fired, a line each; severity by colour and in the tooltip."""
    points = [
        {
            "line": shown(span.line),
            "severity": span.severity,
            "from": span.since.timestamp() * 1000,
            "to": span.until.timestamp() * 1000,
            "what": shown(span.what),
        }
        for span in spans
    ]
    found = tuple(name for name in _COLOURS if any(span.severity == name for span in spans)) or ("warning",)
    # Ends without a span: empty points there keep the axis, and the specification stays the same.
    edges = [{"from": end.timestamp() * 1000} for end in ends]
    return Drawing(_spans_spec(found, tuple(map(shown, lines))), {"spans": points, "ends": edges})


@lru_cache
def _spans_spec(found: tuple[Severity, ...], order: tuple[str, ...]) -> Mapping[str, Any]:
    x = alt.X(
        "from:T",
        title=None,
        scale=alt.Scale(nice=False),
        axis=alt.Axis(tickCount=7, labelOverlap=True, labelExpr=TIME_LABEL),
    )
    y = alt.Y(
        "line:N",
        title=None,
        sort=None,
        scale=alt.Scale(domain=list(order)),
        axis=alt.Axis(labelLimit=260, labelOverlap=False),
    )
    colour = alt.Color(
        "severity:N",
        title=None,
        scale=alt.Scale(domain=list(found), range=[_COLOURS[name] for name in found]),
        legend=alt.Legend(orient="top"),
    )
    base = alt.Chart(alt.NamedData("spans")).encode(x=x, y=y, color=colour)
    tooltip = [
        alt.Tooltip("line:N", title="Alert"),
        alt.Tooltip("what:N", title="About"),
        alt.Tooltip("severity:N", title="Severity"),
        alt.Tooltip("from:T", title="From", format="%b %d, %H:%M"),
        alt.Tooltip("to:T", title="To", format="%b %d, %H:%M"),
    ]
    return alt.LayerChart(
        layer=[
            base.mark_bar(height=10, cornerRadius=2, opacity=0.8).encode(x2="to:T", tooltip=tooltip),
            base.mark_tick(thickness=2, size=14),
            alt.Chart(alt.NamedData("ends")).mark_point(opacity=0).encode(x=x),
        ],
        height=_ROW_PX * len(order) + _AROUND_PX,
    ).to_dict()


def story_chart(chart: StoryChart) -> Drawing:
    """Draws the chart of a message."""
    points = [
        {"label": label, "place": place, "series": shown(name), "value": value}
        for name, values in chart.series
        for place, (label, value) in enumerate(zip(chart.labels, values, strict=False))
        if value is not None
    ]
    return Drawing(_story_spec(chart.x_label, chart.y_label), {"points": points})


@lru_cache
def _story_spec(x_label: str, y_label: str) -> Mapping[str, Any]:
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X("label:N", sort=alt.EncodingSortField("place"), title=x_label, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("value:Q", title=y_label, scale=alt.Scale(zero=False)),
        color=alt.Color("series:N", title=None, legend=alt.Legend(orient="top")),
        strokeDash=alt.StrokeDash("series:N", title=None),
        tooltip=[
            alt.Tooltip("label:N", title=x_label),
            alt.Tooltip("series:N", title="Line"),
            alt.Tooltip("value:Q", title=y_label, format=".4~r"),
        ],
    )
    return alt.LayerChart(
        layer=[base.mark_line(), base.mark_point(filled=True, size=35)],
        height=230,
    ).to_dict()


def settings_words(settings: Mapping[str, str]) -> str:
    """Thresholds that were tried."""
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "as configured"


REPLAY_COLUMNS: Final[list[Column[Replay]]] = [
    Column("Thresholds", lambda row: settings_words(row.settings), text=True),
    Column("Messages", lambda row: count(row.messages), "In one channel, after grouping."),
    Column("Times fired", lambda row: count(len(row.firings)), "Notices are among them."),
    Column(
        "Time firing",
        lambda row: percent(row.share_firing),
        "Share of the time in which any alert of the rule would have fired.",
    ),
]


def firing_columns(local: When, told: Told) -> list[Column[tuple[Replay, ReplayedFiring]]]:
    """Columns of the table of what would have fired."""
    return [
        Column("Thresholds", lambda row: settings_words(row[0].settings), text=True),
        Column("Fired", lambda row: local(row[1].fired_at), text=True),
        Column(
            "Resolved",
            lambda row: local(row[1].resolved_at) if row[1].resolved_at else "not yet, or a notice",
            text=True,
        ),
        Column("Severity", lambda row: dot(_TONES[row[1].severity], row[1].severity), text=True),
        Column("What", lambda row: told(row[1].summary), text=True, wraps=True),
    ]


def _title(alert: Alert) -> Html:
    title = anchor(alert.story.title, "alerts", alert=alert.fingerprint)
    hidden = alert.silenced_until is not None or alert.inhibited_by is not None
    return Html(f"<s>{title}</s>" if hidden else title)


def _kind(change: ToldTransition) -> str:
    by = f" by {change.transition.actor}" if change.transition.actor else ""
    return change.transition.kind.replace("_", " ") + by


def _state_word(state: AlertState) -> str:
    return _WORDS.get(state, state)


def _told(change: ToldTransition) -> str:
    return ", ".join(f"{one.channel} ({one.state})" for one in change.deliveries) or "nobody"


def _span(change: ToldTransition, since: datetime, until: datetime) -> Span:
    about = ", ".join(change.labels.values())
    return Span(f"{change.rule}: {about}", change.transition.severity, since, until, about)
