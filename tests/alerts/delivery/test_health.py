"""What a channel does not take is told in the others."""

import random
from collections.abc import Iterator

import pytest

from coalmine_alerts.delivery.channels import SlackWebhookSettings
from coalmine_alerts.delivery.health import channel_health
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.facts import Facts
from coalmine_alerts.records import Finding
from coalmine_alerts.rules.channels import ChannelFailing
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Receiver


@pytest.fixture
def outbox(database: Database) -> AlertOutbox:
    return AlertOutbox(database, ["hook"])


@pytest.fixture
def sender(outbox: AlertOutbox, server: Receiver) -> Iterator[Sender]:
    settings = SlackWebhookSettings(name="hook")
    channels = open_channels([settings], {settings.secret: f"{server.url}/x"}, dashboard_url=None)
    made = Sender(outbox.database, channels, clock=outbox.clock, rng=random.Random(0))
    yield made
    made.close()


def finding(outbox: AlertOutbox) -> Finding:
    (said,) = findings(outbox)
    return said


def findings(outbox: AlertOutbox) -> list[Finding]:
    found = channel_health(outbox.database, ["hook"], outbox.now)
    return list(ChannelFailing()(Facts(now=outbox.now, channels=found)))


def test_a_channel_that_was_never_sent_anything_is_well(outbox: AlertOutbox) -> None:
    assert finding(outbox).condition is False


def test_a_refusal_is_told_and_ends(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    server.faults.append("400")
    outbox.tell("summarize", severity="page")
    sender.send_due()
    said = finding(outbox)
    assert said.condition
    assert said.severity == "page"
    assert said.labels == {"channel": "hook"}
    assert "hook said: answered 400" in said.story.summary
    outbox.wait(1)
    outbox.tell("support")
    sender.send_due()
    assert finding(outbox).condition
    outbox.wait(600)
    assert finding(outbox).condition is False


def test_what_waits_for_a_channel_that_is_not_configured_any_more_is_told_and_given_up(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    outbox.tell("summarize", severity="page", channels=["old"])
    sender.send_due()
    well, gone = findings(outbox)
    assert (well.condition, gone.condition, gone.severity) == (False, True, "page")
    assert gone.labels == {"channel": "old"}
    assert "1 alerts were to be sent to old, which is not configured any more" in gone.story.summary
    outbox.wait(24 * 3_600 + 1)
    sender.send_due()
    (_, gone) = findings(outbox)
    assert gone.condition
    assert ("Given up", "1 in the last hour") in gone.story.details
    outbox.wait(3_601)
    assert len(findings(outbox)) == 1
    assert server.requests == []


def test_a_channel_that_takes_nothing_is_told_at_once_until_it_takes_what_waits(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.away = "404"
    outbox.tell("summarize", severity="page")
    sender.send_due()
    said = finding(outbox)
    assert said.condition
    assert said.severity == "page"
    assert "1 alerts wait to be sent to hook. hook said: answered 404" in said.story.summary
    outbox.wait(7200)
    assert finding(outbox).condition
    server.away = None
    assert sender.send_due() == 1
    assert finding(outbox).condition is False


def test_a_channel_that_is_away_is_told_after_a_while(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.away = "500"
    outbox.tell("summarize")
    sender.send_due()
    assert finding(outbox).condition is False
    outbox.wait(300)
    said = finding(outbox)
    assert said.condition
    assert said.severity == "warning"
    server.away = None
    sender.send_due()
    assert finding(outbox).condition is False
