"""Opens channels from their settings."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from coalmine_alerts.delivery.apprise_channel import AppriseChannel
from coalmine_alerts.delivery.channels import (
    CHANNEL_ID,
    AppriseSettings,
    Channel,
    ChannelSettings,
    PagerDutySettings,
    SlackBotSettings,
    SlackWebhookSettings,
    WebhookSettings,
    is_url,
)
from coalmine_alerts.delivery.own_webhook import OwnWebhook
from coalmine_alerts.delivery.pagerduty import PagerDuty
from coalmine_alerts.delivery.slack_bot import SlackBot
from coalmine_alerts.delivery.slack_webhook import SlackWebhook
from coalmine_schemas.errors import InvalidParameter

_SHORTEST_SECRET: Final = 16


def open_channels(
    settings: Iterable[ChannelSettings],
    secrets: Mapping[str, str],
    *,
    dashboard_url: str | None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, Channel]:
    """Returns the channels by name; nothing is connected to yet.

    Args:
        settings: As configured.
        secrets: By the names that settings refer to: the environment, or what stands for it.
        dashboard_url: What links are below; None: no links.
        clock: Returns the time, which a webhook of the user's own is signed with.

    Raises:
        InvalidParameter: A secret is missing or is none of this kind, or a package is not installed.
    """
    opened: dict[str, Channel] = {}
    for each in settings:
        if each.name in opened:
            raise InvalidParameter(f"there are two channels {each.name!r}: give each a name of its own")
        opened[each.name] = _open(each, _secret(each, secrets), dashboard_url, clock)
    return opened


def _open(
    settings: ChannelSettings, secret: str, dashboard_url: str | None, clock: Callable[[], datetime]
) -> Channel:
    match settings:
        case SlackBotSettings():
            if not CHANNEL_ID.fullmatch(settings.channel):
                raise InvalidParameter(
                    f"channel {settings.name}: {settings.channel!r} is no id of a Slack channel: copy it "
                    "from the channel's details, it looks like C0123456789"
                )
            _check_texts(settings)
            return SlackBot(settings, secret, dashboard_url=dashboard_url)
        case SlackWebhookSettings():
            _check_url(settings, secret, settings.secret)
            _check_texts(settings)
            return SlackWebhook(settings, secret, dashboard_url=dashboard_url)
        case PagerDutySettings():
            return PagerDuty(settings, secret, dashboard_url=dashboard_url)
        case WebhookSettings():
            _check_url(settings, settings.url, "its url")
            parts = [each.strip() for each in secret.split(",")]
            if len(parts) > 2 or min(map(len, parts)) < _SHORTEST_SECRET:
                raise InvalidParameter(
                    f"channel {settings.name}: {settings.secret} holds one secret of at least "
                    f"{_SHORTEST_SECRET} characters, or two with a comma between"
                )
            return OwnWebhook(settings, parts, clock=clock)
        case AppriseSettings():
            return AppriseChannel(settings, secret, dashboard_url=dashboard_url)


def _secret(settings: ChannelSettings, secrets: Mapping[str, str]) -> str:
    value = secrets.get(settings.secret, "").strip()
    if not value:
        raise InvalidParameter(
            f"channel {settings.name} ({settings.kind}) needs a secret: set the environment "
            f"variable {settings.secret}"
        )
    if not value.isprintable() or not value.isascii():
        raise InvalidParameter(
            f"channel {settings.name}: {settings.secret} holds a character that no secret has: copy it again"
        )
    return value


def _check_url(settings: ChannelSettings, url: str, what: str) -> None:
    """Raises if it is no URL; never shows it, as it may be a secret."""
    if not is_url(url):
        raise InvalidParameter(f"channel {settings.name}: {what} is no URL: it begins with https://")


def _check_texts(settings: SlackBotSettings | SlackWebhookSettings) -> None:
    if settings.texts != "off" and not settings.private:
        raise InvalidParameter(
            f"channel {settings.name}: texts are told only in private channels: set private, or leave texts "
            "off"
        )
