"""Slack's blocks, each within its limits.

No text is markup: all of them stand in `rich_text` and `plain_text`, never in `mrkdwn`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from coalmine_alerts.messages.figures import NOTHING, cells, points, right_columns
from coalmine_alerts.messages.texts import Code, Moment, clean, clock, cut, one_line, pieces, size
from coalmine_alerts.results.story import StoryChart, StoryTable

Block: TypeAlias = dict[str, Any]

HEADER_LIMIT: Final = 150
BUTTON_LIMIT: Final = 75
PLAIN_LIMIT: Final = 2000


def plain(text: str, limit: int, *, emoji: bool = False) -> Block:
    """A text object that is shown as it is."""
    return {"type": "plain_text", "text": cut(clean(text), limit) or NOTHING, "emoji": emoji}


def header(text: str) -> Block:
    """The title."""
    return {"type": "header", "text": plain(one_line(text, HEADER_LIMIT), HEADER_LIMIT, emoji=True)}


def context(text: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [plain(text, PLAIN_LIMIT)]}


def spans(text: str, limit: int, now: datetime, *, bold: bool = False) -> list[Block]:
    """The elements of a text of a story: its words, its moments in the reader's own time zone, its code."""
    drawn: list[Block] = []
    for piece in pieces(text, limit):
        if isinstance(piece, Moment):
            today = piece.at.date() == now.date()
            shown = "{time}" if today else "{date_short_pretty} {time}"
            drawn.append(
                {
                    "type": "date",
                    "timestamp": int(piece.at.timestamp()),
                    "format": shown,
                    "fallback": clock(piece.at, now),
                }
            )
        elif isinstance(piece, Code):
            drawn.append({"type": "text", "text": piece.text or " ", "style": {"code": True}})
        else:
            drawn.append({"type": "text", "text": piece})
    if bold:
        drawn = [{**each, "style": {**each.get("style", {}), "bold": True}} for each in drawn]
    return drawn


def label(text: str) -> Block:
    """Bold words before a text."""
    return {
        "type": "text",
        "text": f"{one_line(text, 60).rstrip(':') or NOTHING}: ",
        "style": {"bold": True},
    }


def named(name: str, text: str) -> list[Block]:
    """Words in italics before a text of somebody's own."""
    return [{"type": "text", "text": name, "style": {"italic": True}}, {"type": "text", "text": text}]


def lines(rows: Iterable[Sequence[Block]]) -> Block | None:
    """A section with a line for each row that says something."""
    elements: list[Block] = []
    for row in rows:
        if row:
            elements += [*([{"type": "text", "text": "\n"}] if elements else ()), *row]
    return {"type": "rich_text_section", "elements": elements} if elements else None


def bullets(rows: Iterable[Sequence[Block]]) -> Block | None:
    """A list with a bullet for each row that says something."""
    sections = [{"type": "rich_text_section", "elements": [*row]} for row in rows if row]
    return {"type": "rich_text_list", "style": "bullet", "elements": sections} if sections else None


def preformatted(text: str) -> Block | None:
    """Lines as they are, each letter as wide as the other."""
    elements = [{"type": "text", "text": text}]
    return {"type": "rich_text_preformatted", "elements": elements} if text.strip() else None


def quoted(elements: Sequence[Block]) -> Block:
    """What somebody wrote."""
    return {"type": "rich_text_quote", "elements": [*elements]}


def rich_text(*parts: Block | None) -> Block | None:
    """A block of text; None if nothing is said."""
    elements = [part for part in parts if part is not None]
    return {"type": "rich_text", "elements": elements} if elements else None


def table(story: StoryTable) -> Block | None:
    """Rows under a head; columns of numbers are aligned right."""
    rows = cells(story)
    if len(rows) < 2:
        return None
    return {
        "type": "table",
        "rows": [[{"type": "raw_text", "text": cell or NOTHING} for cell in row] for row in rows],
        "column_settings": [
            {"align": "right" if right else "left", "is_wrapped": True} for right in right_columns(rows)
        ],
    }


def chart(story: StoryChart) -> Block | None:
    """A line chart; points and lines that are not known in full are left out, as Slack takes no gaps."""
    known = points(story)
    if known is None:
        return None
    names, series = known
    return {
        "type": "data_visualization",
        "title": one_line(story.title, 50) or "Measured",
        "chart": {
            "type": "line",
            "series": [
                {
                    "name": name,
                    "data": [{"label": at, "value": value} for at, value in zip(names, values, strict=True)],
                }
                for name, values in series
            ],
            "axis_config": {
                "categories": [*names],
                "x_label": one_line(story.x_label, 50) or "Time",
                "y_label": one_line(story.y_label, 50) or "Value",
            },
        },
    }


def link_button(action_id: str, text: str, url: str, *, primary: bool = False) -> Block:
    """Opens a page."""
    style = {"style": "primary"} if primary else {}
    return {"type": "button", "action_id": action_id, "text": plain(text, BUTTON_LIMIT), "url": url, **style}


def act_button(action_id: str, text: str, value: str) -> Block:
    """Tells us that it was pressed."""
    return {"type": "button", "action_id": action_id, "text": plain(text, BUTTON_LIMIT), "value": value}


def feedback(action_id: str, yes: tuple[str, str, str], no: tuple[str, str, str]) -> Block:
    """Thumb up and down: text, value and what a screen reader says of each."""

    def button(text: str, value: str, spoken: str) -> Block:
        return {"text": plain(text, BUTTON_LIMIT), "value": value, "accessibility_label": spoken}

    element = {
        "type": "feedback_buttons",
        "action_id": action_id,
        "positive_button": button(*yes),
        "negative_button": button(*no),
    }
    return {"type": "context_actions", "elements": [element]}


def weight(blocks: Sequence[Mapping[str, Any]]) -> int:
    """How many characters Slack may count: every text and address, and something for each thing around it."""
    total = 0
    stack: list[Any] = [*blocks]
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            total += size(each)
        elif isinstance(each, Mapping):
            total += 8
            stack += each.values()
        elif isinstance(each, (list, tuple)):
            stack += each
    return total
