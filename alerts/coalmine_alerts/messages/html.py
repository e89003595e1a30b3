"""Draws Slack's blocks as people see them, for the dashboard, previews and pictures."""

from html import escape

from coalmine_alerts.messages.slack import SlackMessage

STYLE = ""
"""The style sheet that goes with it once."""


def slack_html(message: SlackMessage) -> str:
    """Returns a message as an HTML fragment; every text in it is escaped."""
    return f"<article class='slack-message'>{escape(message.text)}</article>"


def slack_page(messages: tuple[SlackMessage, ...]) -> str:
    """Returns a whole HTML page with messages below each other."""
    return f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style>{''.join(map(slack_html, messages))}"
