"""Draws a notice as a Slack message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from coalmine_alerts.records import Notice

Part = Literal["buttons", "chart", "table", "blocks"]
"""What a message can do without: buttons that act (there is no app to answer them), a chart, a table, all blocks."""
FALLBACKS: Final[tuple[frozenset[Part], ...]] = (
    frozenset(),
    frozenset({"chart"}),
    frozenset({"chart", "table"}),
    frozenset({"blocks"}),
)
"""What to leave out at `invalid_blocks`, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackMessage:
    """A message as Slack takes it."""

    text: str
    """For notifications, screen readers, and where blocks cannot be shown."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] | None = field(default=None)
    """Finds the message again; only a bot may send it."""


def slack_message(
    notice: Notice,
    *,
    dashboard_url: str | None,
    mode: Literal["bot", "webhook"],
    texts: bool = False,
    without: frozenset[Part] = frozenset(),
) -> SlackMessage:
    """Draws the present state of a group of alerts.

    Args:
        notice: What is told.
        dashboard_url: What links are below; None: no links.
        mode: A bot's message may carry metadata and buttons that act, and is edited when things change.
        texts: True: excerpts of requests are shown, redacted; only for private channels.
        without: What to leave out.
    """
    del dashboard_url, texts
    story = notice.alerts[0].story
    blocks = (
        ()
        if "blocks" in without
        else (
            {
                "type": "header",
                "text": {"type": "plain_text", "text": f"{story.icon} {story.title}"[:150], "emoji": True},
            },
            {"type": "section", "text": {"type": "plain_text", "text": story.summary[:3000], "emoji": False}},
        )
    )
    payload = {"group": notice.group, "transition": max((one.seq for one in notice.history), default=0)}
    metadata = {"event_type": "coalmine_alert", "event_payload": payload} if mode == "bot" else None
    return SlackMessage(text=story.summary, blocks=blocks, metadata=metadata)


def slack_thread_line(notice: Notice) -> str:
    """Returns the line that tells the latest change in the thread of the group's message."""
    return notice.history[-1].summary if notice.history else notice.alerts[0].story.summary
