"""What is said of a notice in every channel: headline, where it stands, its alerts as a table, links."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from coalmine_alerts.messages.texts import clock, cut, duration, one_line
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.results.story import Story, StoryTable, moment

Standing = Literal["firing", "acknowledged", "flapping", "no_data", "silenced", "resolved", "told"]
"""`told`: something that happened, once, and is never resolved."""
TITLE_LIMIT: Final = 150
SUMMARY_LIMIT: Final = 700
_MOST_ROWS: Final = 20
_ICONS: Final[Mapping[Standing, str]] = {
    "resolved": "✅",
    "no_data": "⚪",
    "flapping": "🔁",
    "silenced": "🔕",
}
_WORDS: Final[Mapping[Standing, str]] = {
    "resolved": "Resolved",
    "no_data": "No data",
    "flapping": "Flapping",
    "silenced": "Silenced",
}
_SEVERITIES: Final = {"page": "Page", "warning": "Warning", "info": "For information"}
_CAUSES: Final = {"system": "Coalmine", "ingest": "ingest"}


@dataclass(frozen=True, slots=True)
class Link:
    """Somewhere to look."""

    text: str
    url: str


def lead(notice: Notice) -> Story | None:
    """Returns the story that the message tells: that of the worst and latest alert."""
    return notice.alerts[0].story if notice.alerts else None


def as_of(notice: Notice) -> datetime:
    """Returns the time that a notice is true for."""
    times = [alert.evaluated_at for alert in notice.alerts] + [each.at for each in notice.history]
    return max(times, default=datetime.fromtimestamp(0, UTC))


def standing(alert: Alert, history: Sequence[Transition] = ()) -> Standing:
    """Returns where an alert stands, in one word.

    Args:
        alert: As it stands.
        history: What happened of late, of this alert and others: tells a resolved alert from one that only
            said something, once.
    """
    kinds = [each.kind for each in history if each.fingerprint == alert.fingerprint]
    is_once = kinds[-1] == "notice" if kinds else alert.last_notice is not None and alert.state == "ok"
    if alert.state in ("ok", "resolved"):
        return "told" if is_once else "resolved"
    if alert.state == "no_data":
        return "no_data"
    if alert.silenced_until is not None:
        return "silenced"
    if alert.flapping_since is not None:
        return "flapping"
    return "acknowledged" if alert.acknowledged_by else "firing"


def group_standing(notice: Notice) -> Standing:
    """Returns where a group stands: as its first that is not resolved does."""
    each = [standing(alert, notice.history) for alert in notice.alerts]
    return next((found for found in each if found != "resolved"), "resolved" if each else "told")


def is_digest(notice: Notice) -> bool:
    """Returns True of a group that has no cause in common: what can wait is told once a day."""
    return notice.group.startswith("digest|")


def headline(notice: Notice) -> str:
    """Returns the title, with an icon and what it means in words: it suffices on a locked phone."""
    story = lead(notice)
    where = group_standing(notice)
    if story is None:
        title = f"{sum(notice.limited.values()):,} more alerts" if notice.limited else "No alerts"
        words = [f"🔴 {title}"]
    else:
        icon = _ICONS.get(where) or one_line(story.icon, 8)
        title = one_line(story.title, TITLE_LIMIT)
        if is_digest(notice):
            icon, title = "🗒️", f"{len(notice.alerts)} that could wait · {one_line(notice.group[7:], 20)}"
        elif len(notice.alerts) > 1:
            title = f"{_counted(notice)} · {cause_name(notice)}"
            if notice.environment:
                title += f" · {one_line(notice.environment, 40)}"
        words = [icon, f"{_WORDS[where]} ·" if where in _WORDS else "", title]
    if notice.test:
        words.insert(0, "TEST ·")
    return cut(" ".join(filter(None, words)), TITLE_LIMIT) or "Alert"


def _counted(notice: Notice) -> str:
    """What the alerts of a group have in common: `Quality fell · 12 prompts`."""
    total = len(notice.alerts)
    over = sum(standing(alert, notice.history) == "resolved" for alert in notice.alerts)
    prompts = len({alert.labels.get("prompt") for alert in notice.alerts})
    counted = f"{total} prompts" if prompts == total else f"{total} alerts"
    if 0 < over < total:
        counted = f"{total - over} of {counted} still firing"
    words = [_what(alert).split() for alert in notice.alerts]
    same = [group[0] for group in takewhile(lambda group: len({*group}) == 1, zip(*words, strict=False))]
    return f"{' '.join(same)} · {counted}" if len(same) > 1 else f"{counted}, one cause"


def _what(alert: Alert) -> str:
    """The first part of a title: `Quality fell 5.2 %`."""
    return one_line(alert.story.title, 200).partition(" · ")[0]


def cause_name(notice: Notice) -> str:
    """Returns what a group has in common, in words."""
    kind, name = notice.cause.kind, one_line(notice.cause.id, 80)
    return _CAUSES.get(kind) or (name if kind == "prompt" else f"{kind} {name}")


def status(notice: Notice) -> str | None:
    """Returns one sentence about where it stands now, if that is not simply that it fires."""
    if not notice.alerts:
        return None
    where, alert = group_standing(notice), notice.alerts[0]
    said = None
    if where == "resolved":
        said = _resolved(notice)
    elif where == "acknowledged":
        at = f", {moment(alert.acknowledged_at)}" if alert.acknowledged_at else ""
        said = f"Acknowledged by {one_line(alert.acknowledged_by or 'somebody', 80)}{at}."
    elif where == "silenced" and alert.silenced_until is not None:
        said = f"Silenced until {moment(alert.silenced_until)}: nobody is told of changes."
    elif where == "flapping" and alert.flapping_since is not None:
        said = (
            f"Flapping since {moment(alert.flapping_since)}: more than three changes in an hour. "
            "Until it is quiet, its state is told once an hour."
        )
    elif where == "no_data":
        said = f"Nothing has been heard since {moment(alert.since)}: that is neither good nor bad."
    if where in ("firing", "acknowledged") and alert.no_data_since is not None:
        quiet = f"Nothing has been heard since {moment(alert.no_data_since)}: it fires on."
        said = f"{said} {quiet}" if said else quiet
    return said


def _resolved(notice: Notice) -> str:
    first = notice.alerts[0]
    if first.accepted_by and first.accepted_at:
        by = one_line(first.accepted_by, 80)
        return f"Accepted as the new normal by {by}, {moment(first.accepted_at)}."
    ended = max(each.since for each in notice.alerts)
    began = min((each.fired_at for each in notice.alerts if each.fired_at), default=None)
    if began is None or began > ended:
        return f"Resolved {moment(ended)}."
    told = [each.summary for each in notice.history[-1:] if each.to_state == "resolved"]
    evidence = f" {told[0]}" if told and told[0] != first.story.summary else ""
    took = duration((ended - began).total_seconds())
    return f"Resolved {moment(ended)}; it fired for {took}, since {moment(began)}.{evidence}"


def summary(notice: Notice) -> str:
    """Returns what happened, of a group first how much of it; with moments as a story has them."""
    story = lead(notice)
    if story is None or not story.summary.strip():
        return ""
    if len(notice.alerts) == 1:
        return story.summary
    if is_digest(notice):
        return f"What happened since yesterday and woke nobody. The first: {story.summary}"
    return f"{len(notice.alerts)} alerts have one cause: {cause_name(notice)}. The first: {story.summary}"


def members(notice: Notice) -> StoryTable | None:
    """Returns the alerts of a group as a table; None if there is but one."""
    if len(notice.alerts) < 2:
        return None
    now = as_of(notice)
    rows = []
    for alert in notice.alerts[:_MOST_ROWS]:
        labels = [alert.labels.get(name, "") for name in ("prompt", "app", "source", "version")]
        about = one_line(" ".join(filter(None, labels)), 60) or one_line(alert.cause.id, 60)
        state = standing(alert, notice.history).replace("_", " ")
        rows.append((about, _what(alert), clock(alert.began_at or alert.since, now), state))
    # Where all stand alike, that is said above.
    columns = 4 if len({row[3] for row in rows}) > 1 else 3
    if len(notice.alerts) > _MOST_ROWS:
        rows.append((f"{len(notice.alerts) - _MOST_ROWS:,} more", "", "", ""))
    return StoryTable(("About", "What", "Since", "State")[:columns], tuple(row[:columns] for row in rows))


def limited(notice: Notice) -> str | None:
    """Returns what is only counted, because a channel gets so many messages a minute and no more."""
    if not notice.limited:
        return None
    by_rule = ", ".join(
        f"{one_line(rule, 40)} {number:,}" for rule, number in Counter(notice.limited).most_common(8)
    )
    more = f", and {len(notice.limited) - 8} more rules" if len(notice.limited) > 8 else ""
    return f"Too many at once to be told one by one: {by_rule}{more}."


def footnote(notice: Notice) -> str:
    """Returns how sure it is, by which rule, how bad, and which alert."""
    parts = []
    if notice.test:
        parts.append("A test: nothing has happened")
    if notice.may_be_repeat:
        parts.append("May be a repeat: the channel did not say whether it took the first one")
    if notice.alerts:
        alert = notice.alerts[0]
        parts.append(_SEVERITIES[alert.severity])
        rules = sorted({each.rule for each in notice.alerts})
        parts.append(f"{'rule' if len(rules) == 1 else 'rules'} {', '.join(rules[:5])}")
        if alert.story.sure:
            parts.append(one_line(alert.story.sure, 400, as_of(notice)))
        if alert.firing > 1:
            parts.append(f"fired {alert.firing} times")
        parts.append(f"alert {alert.fingerprint}")
    return " · ".join(one_line(part, 500) for part in parts)


def links(notice: Notice, dashboard_url: str | None) -> tuple[Link, ...]:
    """Returns where to look, the first of which is this alert itself."""
    if dashboard_url is None or urlsplit(dashboard_url).scheme not in ("http", "https"):
        return ()
    story = lead(notice)
    wanted = [(link.text, link.path) for link in story.links] if story is not None else []
    if not wanted or len(notice.alerts) > 1 or notice.limited:
        wanted.insert(0, ("All alerts", "/alerts") if notice.limited else ("Open", _alert_path(notice)))
    found: dict[str, Link] = {}
    for text, path in wanted:
        url = _url(dashboard_url, path)
        if url is not None:
            found.setdefault(url, Link(one_line(text, 75) or "Open", url))
    return tuple(found.values())[:5]


def _alert_path(notice: Notice) -> str:
    if len(notice.alerts) == 1:
        return f"/alerts?fingerprint={notice.alerts[0].fingerprint}"
    return f"/alerts?group={quote(notice.group.encode('utf-8', 'replace'), safe='')}"


def _url(dashboard_url: str, path: str) -> str | None:
    """The address of a page of the dashboard, or of a runbook elsewhere."""
    if urlsplit(path).scheme in ("http", "https"):
        url = path
    else:
        url = f"{dashboard_url.rstrip('/')}/{path.lstrip('/')}"
    url = quote(url.encode("utf-8", "replace"), safe="/:?#[]@!$&'()*+,;=%-._~")
    return url if len(url) <= 1000 else None
