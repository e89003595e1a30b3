"""Draws Slack's blocks as people see them, for the dashboard, previews and pictures.

It knows the blocks that `slack.py` sends, and no others. Every text is escaped; links open a new page and
tell nothing of this one.
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from coalmine_alerts.messages.slack import SlackMessage

STYLE: Final = files("coalmine_alerts.messages").joinpath("slack.css").read_text(encoding="utf-8")
"""The style sheet of the fragments, once for each page."""

_WIDTH, _HEIGHT = 520, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 8, 34
_COLOURS: Final = ("#1264a3", "#e8912d", "#2bac76", "#cd2553", "#7c3085", "#616061")


def slack_html(message: SlackMessage, *, sent_at: str = "") -> str:
    """Returns a message as an HTML fragment.

    Args:
        message: As it is sent.
        sent_at: What stands beside the sender's name.
    """
    inner = "".join(_block(block) for block in message.blocks) or _plain_body(message.text)
    return (
        '<article class="slack-message"><div class="slack-avatar" aria-hidden="true">🐤</div><div>'
        f'<div class="slack-sender"><b>Coalmine</b> <span>APP</span> <time>{escape(sent_at)}</time></div>'
        f"{inner}</div></article>"
    )


def slack_page(messages: Iterable[tuple[str, SlackMessage]]) -> str:
    """Returns a whole HTML page with messages below each other, each under its name."""
    drawn = "".join(f"<h2>{escape(name)}</h2>{slack_html(message)}" for name, message in messages)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Messages</title>'
        f'<style>{STYLE}</style></head><body class="slack-page">{drawn}</body></html>'
    )


def _plain_body(text: str) -> str:
    """The top-level text, whose three characters were escaped for Slack already."""
    for sign, written in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        text = text.replace(written, sign)
    return f'<p class="slack-text">{escape(text)}</p>'


def _block(block: Mapping[str, Any]) -> str:
    draw = _BLOCKS.get(block["type"])
    if draw is None:
        raise ValueError(f"no message of ours has a block of type {block['type']!r}: draw it in html.py")
    return draw(block)


def _header(block: Mapping[str, Any]) -> str:
    return f'<h3 dir="auto">{escape(block["text"]["text"])}</h3>'


def _context(block: Mapping[str, Any]) -> str:
    said = "".join(escape(each["text"]) for each in block["elements"])
    return f'<p class="slack-context" dir="auto">{said}</p>'


def _rich_text(block: Mapping[str, Any]) -> str:
    return f'<div class="slack-rich">{"".join(map(_rich, block["elements"]))}</div>'


def _actions(block: Mapping[str, Any]) -> str:
    return f'<div class="slack-actions">{"".join(map(_button, block["elements"]))}</div>'


def _context_actions(block: Mapping[str, Any]) -> str:
    return "".join(map(_feedback, block["elements"]))


def _rich(element: Mapping[str, Any]) -> str:
    if element["type"] == "rich_text_list":
        entries = [f'<li dir="auto">{_spans(each["elements"])}</li>' for each in element["elements"]]
        return f"<ul>{''.join(entries)}</ul>"
    inner = _spans(element["elements"])
    tag = {"rich_text_preformatted": "pre", "rich_text_quote": "blockquote"}.get(element["type"], "p")
    return f'<{tag} dir="auto">{inner}</{tag}>'


def _spans(elements: Iterable[Mapping[str, Any]]) -> str:
    drawn = []
    for each in elements:
        text = escape(each["fallback"] if each["type"] == "date" else each["text"])
        if each["type"] == "date":
            text = f'<time title="in the reader\'s own time zone">{text}</time>'
        style = each.get("style", {})
        for name, tag in (("code", "code"), ("italic", "i"), ("bold", "b")):
            if style.get(name):
                text = f"<{tag}>{text}</{tag}>"
        drawn.append(text)
    return "".join(drawn)


def _table(block: Mapping[str, Any]) -> str:
    ends = [setting["align"] for setting in block["column_settings"]]
    rows = []
    for place, row in enumerate(block["rows"]):
        tag = "td" if place else "th"
        cells = [
            f'<{tag} class="slack-{end}" dir="auto">{escape(cell["text"])}</{tag}>'
            for cell, end in zip(row, ends, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="slack-table"><table>{"".join(rows)}</table></div>'


def _button(element: Mapping[str, Any]) -> str:
    text = escape(element["text"]["text"])
    kind = "slack-button slack-primary" if element.get("style") == "primary" else "slack-button"
    url = element.get("url", "")
    if urlsplit(url).scheme in ("http", "https"):
        return f'<a class="{kind}" href="{escape(url)}" target="_blank" rel="noopener noreferrer">{text}</a>'
    return f'<span class="{kind}">{text}</span>'


def _feedback(element: Mapping[str, Any]) -> str:
    drawn = [
        f'<span class="slack-thumb" title="{escape(element[name]["accessibility_label"])}">{sign} '
        f"{escape(element[name]['text']['text'])}</span>"
        for name, sign in (("positive_button", "👍"), ("negative_button", "👎"))
    ]
    return f'<div class="slack-feedback">{"".join(drawn)}</div>'


def _chart(block: Mapping[str, Any]) -> str:
    chart = block["chart"]
    axis = chart["axis_config"]
    values = [point["value"] for series in chart["series"] for point in series["data"]]
    low: float = min(values)
    high: float = max(values)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    count = len(axis["categories"])

    def across(place: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (place / max(1, count - 1))

    def up(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / (high - low))

    drawn = []
    for share in (0.1, 0.5, 0.9):
        value = low + share * (high - low)
        y = up(value)
        drawn.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" class="slack-grid"/>')
        drawn.append(f'<text x="{_LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{value:.3g}</text>')
    floor = _HEIGHT - _BOTTOM + 14
    for place, name in enumerate(axis["categories"]):
        drawn.append(f'<text x="{across(place):.1f}" y="{floor}" text-anchor="middle">{escape(name)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(
        f'<text x="{middle}" y="{_HEIGHT - 4}" text-anchor="middle">{escape(axis["x_label"])}</text>'
    )
    for series, colour in zip(chart["series"], _COLOURS, strict=False):
        line = " ".join(f"{across(i):.1f},{up(point['value']):.1f}" for i, point in enumerate(series["data"]))
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [
            f'<circle cx="{across(i):.1f}" cy="{up(point["value"]):.1f}" r="2.5" fill="{colour}"/>'
            for i, point in enumerate(series["data"])
        ]
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(series["name"])}</span>'
        for series, colour in zip(chart["series"], _COLOURS, strict=False)
    )
    title, unit = escape(block["title"]), escape(axis["y_label"])
    return (
        f'<figure class="slack-chart"><figcaption>{title} <small>{unit}</small></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">{"".join(drawn)}</svg>'
        f'<div class="slack-legend">{legend}</div></figure>'
    )


_BLOCKS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "header": _header,
    "context": _context,
    "rich_text": _rich_text,
    "table": _table,
    "data_visualization": _chart,
    "actions": _actions,
    "context_actions": _context_actions,
}
