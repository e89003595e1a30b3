"""Channels: their settings, and what each can do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Protocol
from urllib.parse import urlsplit

from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Transition

Texts = Literal["off", "redacted"]
"""Whether excerpts of requests are told: only in private channels, redacted once more when they are sent."""
PAGERDUTY_URL: Final = "https://events.pagerduty.com"
SLACK_URL: Final = "https://slack.com/api"
CHANNEL_ID: Final = re.compile(r"[CG][A-Z0-9]{6,20}")
"""Id of a Slack channel."""
CHANGE_RULES: Final = frozenset({"model_change", "prompt_changed", "rollout_decision"})
"""Rules whose alerts PagerDuty is told of as changes, which page nobody and stand beside incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackBotSettings:
    """A Slack channel that a bot writes to: one message for each group, which changes."""

    kind: ClassVar = "slack_bot"
    name: str
    channel: str
    """Id of the channel, `C0123456789`: a look-up after a broken connection needs the id."""
    private: bool = False
    texts: Texts = "off"
    secret: str = "COALMINE_ALERTS_SLACK_BOT_TOKEN"  # noqa: S105 - the name of a variable
    """Name of the environment variable that holds the bot's token, `xoxb-...`."""
    url: str = SLACK_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackWebhookSettings:
    """A Slack channel reached by an incoming webhook: each message is complete in itself."""

    kind: ClassVar = "slack_webhook"
    name: str
    private: bool = False
    texts: Texts = "off"
    secret: str = "COALMINE_ALERTS_SLACK_WEBHOOK_URL"  # noqa: S105 - the name of a variable
    """Name of the environment variable that holds the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutySettings:
    """A service of PagerDuty: pages are incidents, and what changed is told as change events."""

    kind: ClassVar = "pagerduty"
    name: str
    secret: str = "COALMINE_ALERTS_PAGERDUTY_ROUTING_KEY"  # noqa: S105 - the name of a variable
    """Name of the environment variable that holds the routing key."""
    url: str = PAGERDUTY_URL
    """For accounts in the EU `https://events.eu.pagerduty.com`."""
    incidents: Literal["pages", "all"] = "pages"
    """What becomes an incident: pages only, or all that is routed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """A service of one's own that gets every transition, signed, in order."""

    kind: ClassVar = "webhook"
    name: str
    url: str
    secret: str = "COALMINE_ALERTS_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
    """Name of the environment variable that holds the secret it is signed with; two, separated by a comma,
    while one replaces the other."""
    allowed_networks: tuple[str, ...] = ()
    """Private networks that it may be in, such as `10.1.0.0/16`; all others are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseSettings:
    """E-mail, Teams, Discord and a hundred others by apprise: title, text and link."""

    kind: ClassVar = "apprise"
    name: str
    secret: str
    """Name of the environment variable that holds apprise's URL."""


ChannelSettings = (
    SlackBotSettings | SlackWebhookSettings | PagerDutySettings | WebhookSettings | AppriseSettings
)
KINDS: Final[Mapping[str, type[ChannelSettings]]] = {
    each.kind: each
    for each in (SlackBotSettings, SlackWebhookSettings, PagerDutySettings, WebhookSettings, AppriseSettings)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """What was sent to a channel."""

    external_id: str | None
    """Its id at the channel, where there is one: Slack's `ts`."""
    text: str
    """As people read it first."""
    body: Mapping[str, Any]
    """As it was sent, without secrets: Slack's blocks, PagerDuty's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one channel is to be told about one group."""

    notice: Notice
    """The group as it stands now."""
    told: tuple[Transition, ...]
    """The transitions that are told by this, oldest first."""
    message: SentMessage | None = None
    """The group's message that is still open: a channel that can, changes it."""
    uncertain_since: datetime | None = None
    """Not None: an attempt made since then may have been taken."""

    def alert(self, transition: Transition) -> Alert:
        """Returns the alert that a transition is of."""
        return next(one for one in self.notice.alerts if one.fingerprint == transition.fingerprint)


class Channel(Protocol):
    """Something that people or programs read alerts from."""

    @property
    def name(self) -> str:
        """As configured."""
        ...

    @property
    def edits(self) -> bool:
        """True: a group has one message, which changes. False: each is a message of its own."""
        ...

    @property
    def one_by_one(self) -> bool:
        """Whether each transition is sent by itself, to a program.

        For people, transitions that wait together are one message, and messages a minute are limited.
        """
        ...

    @property
    def at_once(self) -> bool:
        """Whether nothing waits for others of its group or for the digest: it is no people that read it."""
        ...

    def send(self, telling: Telling) -> SentMessage | None:
        """Sends or changes a message; None: there was nothing in it to tell here.

        Raises:
            Later: It was certainly not taken.
            Ambiguous: It may have been taken.
            Refused: It never will be.
        """
        ...


def is_url(text: str) -> bool:
    """Returns True for a URL that can be posted to."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return usable and not any(each.isspace() for each in text)
