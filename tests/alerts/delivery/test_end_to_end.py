"""From a rule to Slack and PagerDuty: the engine's timers, grouping and repeats as people see them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_alerts.delivery.channels import PagerDutySettings, SlackBotSettings
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.timing import Timing
from tests.support.data.alert_case import MINUTE, AlertCase, SaidRule, finding
from tests.support.servers.receiver import Receiver
from tests.support.servers.slack import Slack


@pytest.fixture
def case(tmp_path: Path) -> Iterator[AlertCase]:
    rule = SaidRule(timing=Timing(keep_firing_for=timedelta(minutes=10)))
    made = AlertCase(tmp_path, rule)
    yield made
    made.database.close()


@pytest.fixture
def sender(case: AlertCase, slack_server: Slack, server: Receiver) -> Iterator[Sender]:
    slack_server.clock = case.now.timestamp()
    server.handle = lambda _: (202, {}, b"{}")
    channels = open_channels(
        [
            SlackBotSettings(name="slack", channel="C0123456789", url=slack_server.url),
            PagerDutySettings(name="pager", url=server.url),
        ],
        {
            "COALMINE_ALERTS_SLACK_BOT_TOKEN": "xoxb-secret-of-the-bot",
            "COALMINE_ALERTS_PAGERDUTY_ROUTING_KEY": "0" * 32,
        },
        dashboard_url=None,
    )
    made = Sender(case.database, channels, clock=lambda: case.now)
    yield made
    made.close()


def test_a_warning_waits_half_a_minute_for_others_and_is_changed_when_it_is_over(
    case: AlertCase, sender: Sender, slack_server: Slack, server: Receiver
) -> None:
    case.tick(finding())
    assert sender.send_due() == 0
    case.tick(finding(), finding(labels={"metric": "cost"}), after=timedelta(seconds=30))
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert "2 alerts" in message["text"]
    for _ in range(20):
        case.tick(finding(False), finding(False, labels={"metric": "cost"}), after=MINUTE)
        sender.send_due()
    assert len(slack_server.top) == 1
    assert "Resolved" in message["text"]
    assert len(slack_server.lines(message["ts"])) == 1
    assert not server.requests


def test_a_page_goes_out_at_once_and_again_until_somebody_has_it(
    case: AlertCase, sender: Sender, slack_server: Slack, server: Receiver
) -> None:
    case.tick(finding(severity="page"))
    assert sender.send_due() == 2
    for _ in range(2):
        case.tick(finding(severity="page"), after=timedelta(hours=1))
        sender.send_due()
    (message,) = slack_server.top
    assert [each["reply_broadcast"] for each in slack_server.lines(message["ts"])] == [True, True]
    case.commands.acknowledge(case.only().fingerprint, actor="dana")
    sender.send_due()
    case.tick(finding(severity="page"), after=timedelta(hours=2))
    sender.send_due()
    assert len(slack_server.lines(message["ts"])) == 2
    assert "dana" in str(message["blocks"])
    assert [each.json()["event_action"] for each in server.requests] == [*["trigger"] * 3, "acknowledge"]
    assert len({each.json()["dedup_key"] for each in server.requests}) == 1
