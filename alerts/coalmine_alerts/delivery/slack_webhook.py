"""Slack by incoming webhook: at least once, each message complete in itself."""

import json
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from coalmine_alerts.delivery.channels import SentMessage, SlackWebhookSettings, Telling
from coalmine_alerts.delivery.posting import Poster, Rejected
from coalmine_alerts.errors import Ambiguous
from coalmine_alerts.messages.slack import FALLBACKS, slack_message

HEADERS: Final = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "coalmine"}
_TOO_MUCH: Final = ("invalid_blocks", "invalid_payload", "invalid_attachments", "msg_blocks", "too_long")
"""What Slack says of blocks that it does not take."""


class SlackWebhook:
    """A Slack channel reached by an incoming webhook.

    Its answer names no message: nothing can be changed or looked up. A message that may have been taken is
    sent again, and says that it may be a repeat.
    """

    edits: Final = False
    one_by_one: Final = False
    at_once: Final = False

    def __init__(self, settings: SlackWebhookSettings, url: str, *, dashboard_url: str | None) -> None:
        """Prepares; nothing is connected to."""
        self.name: Final = settings.name
        self._settings, self._url, self._dashboard_url = settings, url, dashboard_url
        path = urlsplit(url).path
        self._poster = Poster(secrets=[url, path, *(each for each in path.split("/") if len(each) >= 8)])

    def send(self, telling: Telling) -> SentMessage:
        """Sends a message; see `Channel`."""
        notice = replace(telling.notice, may_be_repeat=telling.uncertain_since is not None)
        for without in FALLBACKS:
            drawn = slack_message(
                notice,
                dashboard_url=self._dashboard_url,
                mode="webhook",
                texts=self._settings.texts == "redacted",
                without=without,
            )
            body = drawn.body()
            try:
                answer = self._poster.post(self._url, json.dumps(body).encode(), HEADERS)
            except Rejected as error:
                if without != FALLBACKS[-1] and is_about_blocks(error.body):
                    continue
                raise
            if answer.body.strip() != b"ok":
                raise Ambiguous("answered something else than ok")
            return SentMessage(external_id=None, text=drawn.text, body=body)
        raise AssertionError("the last fallback returns or raises")


def is_about_blocks(error: str) -> bool:
    """Returns True if Slack says that it does not take these blocks."""
    return any(each in error for each in _TOO_MUCH)
