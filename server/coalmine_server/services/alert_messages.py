"""Messages of alerts, as those may see them who ask."""

from collections.abc import Mapping
from dataclasses import replace

from coalmine_alerts.delivery.channels import ChannelSettings
from coalmine_alerts.messages.html import STYLE, slack_html
from coalmine_alerts.messages.slack import SlackMessage
from coalmine_alerts.results.messages import Message


def drawn(message: Message, channels: Mapping[str, ChannelSettings], *, private: bool) -> Message:
    """Returns a message with how people see it.

    Args:
        message: As it was sent.
        channels: Settings by name. Of a channel that is gone nobody knows what it was allowed.
        private: True for who may see texts of users.
    """
    channel = channels.get(message.channel)
    if message.body is None or not (private or (channel is not None and _is_without_texts(channel))):
        return replace(message, text="" if not private else message.text, body=None)
    blocks = message.body.get("blocks")
    if not isinstance(blocks, list | tuple):
        return message
    sent_at = f"{message.changed_at:%H:%M} UTC"
    try:
        html = slack_html(SlackMessage(text=message.text, blocks=tuple(blocks)), sent_at=sent_at)
    except (KeyError, TypeError, ValueError):  # blocks that another version of ours has sent
        return message
    return replace(message, html=f"<style>{STYLE}</style>{html}")


def _is_without_texts(channel: ChannelSettings) -> bool:
    return getattr(channel, "texts", "off") == "off"
