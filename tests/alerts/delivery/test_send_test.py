"""One message of each kind, marked as a test, then changed."""

import pytest

from coalmine_alerts.delivery.channels import (
    AppriseSettings,
    ChannelSettings,
    PagerDutySettings,
    SentMessage,
    SlackBotSettings,
    SlackWebhookSettings,
    WebhookSettings,
)
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.send_test import send_test
from coalmine_alerts.messages.samples import samples
from tests.support.doubles.alert_outbox import START
from tests.support.servers.receiver import Receiver
from tests.support.servers.slack import Slack


def sent(settings: ChannelSettings, secret: str) -> dict[str, SentMessage]:
    channels = open_channels(
        [settings], {settings.secret: secret}, dashboard_url="https://coalmine.example.com"
    )
    return send_test(channels[settings.name], samples(START), sleep=lambda _: None)


def test_a_webhook_gets_each_kind_once(server: Receiver) -> None:
    found = sent(SlackWebhookSettings(name="slack"), f"{server.url}/services/T/B/x")
    assert set(found) == set(samples(START))
    assert len(server.requests) == len(found)
    assert all("TEST" in each.json()["text"] or each.json()["blocks"] for each in server.requests)


def test_a_bot_changes_each_of_them(slack_server: Slack) -> None:
    settings = SlackBotSettings(name="bot", channel="C0123456789", url=slack_server.url)
    found = sent(settings, "xoxb-secret-of-the-bot")
    assert set(found) == set(samples(START))
    assert [each["edits"] for each in slack_server.top] == [1] * len(found)


def test_pagerduty_ends_what_it_began(server: Receiver) -> None:
    found = sent(PagerDutySettings(name="pager", url=server.url), "0" * 32)
    assert found
    last: dict[str, str] = {}
    for each in server.requests:
        if each.path == "/v2/enqueue":
            last[each.json()["dedup_key"]] = each.json()["event_action"]
    assert set(last.values()) == {"resolve"}


def test_a_webhook_of_ones_own_gets_each_alert(server: Receiver) -> None:
    settings = WebhookSettings(name="own", url=server.url, allowed_networks=("127.0.0.0/8",))
    assert sent(settings, "a secret of sixteen")
    assert len({each.headers["Coalmine-Delivery"] for each in server.requests}) >= 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning:imghdr", "ignore:'imghdr' is deprecated")
def test_apprise_gets_title_and_text(server: Receiver) -> None:
    settings = AppriseSettings(name="mail", secret="MAIL_URL")
    found = sent(settings, server.url.replace("http://", "json://"))
    assert set(found) == set(samples(START))
    body = server.requests[0].json()
    assert body["title"] and body["message"]
