"""A webhook of one's own: every transition, in order, signed, with an id; never to a private address."""

import hashlib
import hmac
import random
from collections.abc import Iterator
from typing import Any

import pytest

from coalmine_alerts.delivery.channels import WebhookSettings
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Received, Receiver

OLD, NEW = "the-old-secret-0123456789", "the-new-secret-0123456789"


@pytest.fixture
def outbox(database: Database) -> AlertOutbox:
    return AlertOutbox(database, ["own"])


def opened(outbox: AlertOutbox, url: str, *, secret: str = NEW, **settings: Any) -> Sender:
    made = WebhookSettings(name="own", url=url, **settings)
    channels = open_channels([made], {made.secret: secret}, dashboard_url=None, clock=outbox.clock)
    return Sender(outbox.database, channels, clock=outbox.clock, rng=random.Random(0))


@pytest.fixture
def sender(outbox: AlertOutbox, server: Receiver) -> Iterator[Sender]:
    made = opened(outbox, f"{server.url}/alerts", secret=f"{NEW}, {OLD}", allowed_networks=("127.0.0.0/8",))
    yield made
    made.close()


def verified(request: Received, secret: str, now: float) -> bool:
    """As a receiver does it."""
    parts = [each.partition("=") for each in request.headers["Coalmine-Signature"].split(",")]
    (moment,) = [value for name, _, value in parts if name == "t"]
    signed = f"{moment}.".encode() + request.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    fresh = abs(now - int(moment)) <= 300
    return fresh and any(hmac.compare_digest(value, expected) for name, _, value in parts if name == "v1")


def test_every_transition_is_sent_in_order_and_signed_with_both_secrets(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    for state in ("firing", "resolved", "firing"):
        outbox.tell("summarize", state)
    assert sender.send_due() == 3
    now = outbox.now.timestamp()
    assert all(verified(each, secret, now) for each in server.requests for secret in (NEW, OLD))
    assert not verified(server.requests[0], "another secret of somebody", now)
    assert not verified(server.requests[0], NEW, now + 301)
    assert len({each.headers["Coalmine-Delivery"] for each in server.requests}) == 3
    assert {each.headers["Coalmine-Event"] for each in server.requests} == {"alert_transition"}
    assert outbox.states("own") == ["delivered"] * 3


def test_a_repeat_has_the_same_id_and_nothing_overtakes_it(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append("accept_and_drop")
    outbox.tell("summarize")
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 0
    outbox.wait(2)
    assert sender.send_due() == 2
    first, again, last = [each.headers["Coalmine-Delivery"] for each in server.requests]
    assert first == again != last


def test_a_hundred_transitions_are_not_limited(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    outbox.tell_all([f"prompt-{number}" for number in range(20)])
    assert sender.send_due() == 20


def test_a_parked_transition_lets_the_next_go_on(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append("400")
    outbox.tell("summarize")
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    assert outbox.states("own") == ["parked", "delivered"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_a_private_address_is_not_connected_to(host: str, outbox: AlertOutbox, server: Receiver) -> None:
    port = server.url.rpartition(":")[2]
    sender = opened(outbox, f"http://{host}:{port}/")
    outbox.tell("summarize")
    assert sender.send_due() == 0
    assert not server.requests
    (row,) = outbox.rows("own")
    assert row.state == "waiting"
    assert "private address" in row.error
    sender.close()


def test_a_redirect_to_a_private_address_is_not_followed(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append("redirect")
    outbox.tell("summarize")
    sender.send_due()
    assert len(server.requests) == 1
    assert outbox.states("own") == ["waiting"]
