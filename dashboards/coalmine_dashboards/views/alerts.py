"""HTML of the page of alerts. Every text is escaped by `markup.escape`; messages come drawn by the server."""

from collections.abc import Sequence
from typing import Final

from coalmine_alerts.results.alerts import Alert, AlertState
from coalmine_alerts.results.messages import ToldTransition
from coalmine_alerts.results.story import readable
from coalmine_dashboards.views.markup import escape

__all__ = ["alerts_table", "changes_table", "message_page"]

_ORDER: Final[tuple[AlertState, ...]] = ("firing", "pending", "no_data", "resolved", "ok")
_DOTS: Final = {"page": "cm-bad", "warning": "cm-notice", "info": "cm-good"}
_WORDS: Final = {"no_data": "no data"}

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A message is text and style: nothing in it may run or be fetched, whatever it says."""


def alerts_table(alerts: Sequence[Alert]) -> str:
    """Returns the alerts as a table, what fires first; who is told of it nobody stands struck through."""
    rows = []
    for alert in sorted(alerts, key=lambda each: _ORDER.index(each.state)):
        dot = _DOTS[alert.severity] if alert.state == "firing" else ""
        mark = f'<span class="cm-dot {dot}" aria-hidden="true"></span>' if dot else ""
        title = escape(alert.story.title)
        hidden = alert.silenced_until is not None or alert.inhibited_by is not None
        rows.append(
            f'<tr data-alert="{escape(alert.fingerprint)}" title="{escape(readable(alert.story.summary))}">'
            f'<td class="cm-left">{mark}{escape(_WORDS.get(alert.state, alert.state))}</td>'
            f'<td class="cm-left">{escape(alert.severity)}</td>'
            f'<td class="cm-left">{f"<s>{title}</s>" if hidden else title}</td>'
            f'<td class="cm-left">{alert.since:%m-%d %H:%M}</td>'
            f'<td class="cm-left">{escape(_notes(alert))}</td>'
            f'<td class="cm-left cm-less">{escape(alert.rule)}</td></tr>'
        )
    return _table(("State", "Severity", "What", "Since (UTC)", "", "Rule"), rows, "Alerts")


def changes_table(changes: Sequence[ToldTransition]) -> str:
    """Returns what happened, the latest first, and who was told."""
    rows = []
    for change in changes:
        each = change.transition
        told = ", ".join(f"{one.channel} ({one.state})" for one in change.deliveries) or "nobody"
        by = f" by {each.actor}" if each.actor else ""
        rows.append(
            f'<tr><td class="cm-left">{each.at:%m-%d %H:%M:%S}</td>'
            f'<td class="cm-left">{escape(each.kind.replace("_", " ") + by)}</td>'
            f'<td class="cm-left">{escape(_WORDS.get(each.to_state, each.to_state))}</td>'
            f'<td class="cm-left cm-wrap">{escape(readable(each.summary))}</td>'
            f'<td class="cm-left">{escape(told)}</td></tr>'
        )
    return _table(("At (UTC)", "Kind", "State", "What", "Told"), rows, "Changes of alerts")


def message_page(html: str) -> str:
    """Returns a whole page around a message that the server has drawn."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"></head>'
        f'<body class="slack-page">{html}</body></html>'
    )


def _notes(alert: Alert) -> str:
    """What is no state: who looks after it, and why nobody is told."""
    said = (
        alert.acknowledged_by is not None and f"{alert.acknowledged_by} looks after it",
        alert.silenced_until is not None and f"silenced until {alert.silenced_until:%m-%d %H:%M}",
        alert.inhibited_by is not None and f"held back by {alert.inhibited_by}",
        alert.flapping_since is not None and "flapping",
        alert.accepted_by is not None and f"accepted by {alert.accepted_by}",
    )
    return ", ".join(each for each in said if each)


def _table(columns: Sequence[str], rows: Sequence[str], label: str) -> str:
    head = "".join(f'<th class="cm-left">{escape(each)}</th>' for each in columns)
    return (
        f'<div class="cm-scroll"><table class="cm-table" aria-label="{escape(label)}"><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
