"""Channels at the same time, and messages that cannot be drawn."""

import random
from collections.abc import Collection
from concurrent.futures import Future, wait

import pytest

from coalmine_alerts.delivery import sender as sender_module
from coalmine_alerts.delivery.channels import SentMessage, SlackWebhookSettings, Telling
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.eventually import eventually
from tests.support.servers.receiver import Receiver, receiver


def test_a_channel_that_hangs_delays_no_other(database: Database, server: Receiver) -> None:
    outbox = AlertOutbox(database, ["hangs", "works"])
    with receiver() as hanging:
        hanging.away = "hang"
        settings = [SlackWebhookSettings(name=name, secret=name.upper()) for name in outbox.channels]
        channels = open_channels(
            settings, {"HANGS": f"{hanging.url}/x", "WORKS": f"{server.url}/x"}, dashboard_url=None
        )
        sender = Sender(database, channels, clock=outbox.clock, round_s=0.01)
        for name in ("summarize", "support", "extract"):
            outbox.tell(name)
            eventually(lambda: (sender.send_due(), "waiting" not in outbox.states("works"))[1])
        assert len(server.requests) == 3
        assert len(hanging.requests) == 1
        hanging.away = None
        hanging.released.set()
        sender.close()


def test_a_channel_that_hangs_is_waited_for_once(
    database: Database, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = AlertOutbox(database, ["hangs", "works"])
    waited: list[int] = []

    def counted(begun: Collection[Future[int]], timeout: float) -> object:
        waited.append(len(begun))
        return wait(begun, timeout=timeout)

    monkeypatch.setattr(sender_module, "wait", counted)
    with receiver() as hanging:
        hanging.away = "hang"
        settings = [SlackWebhookSettings(name=name, secret=name.upper()) for name in outbox.channels]
        secrets = {"HANGS": f"{hanging.url}/x", "WORKS": f"{server.url}/x"}
        channels = open_channels(settings, secrets, dashboard_url=None)
        sender = Sender(database, channels, clock=outbox.clock, round_s=1.0)
        outbox.tell("summarize", channels=["hangs"])
        assert sender.send_due() == 0
        outbox.tell("support", channels=["works"])
        assert sender.send_due() == 1
        assert waited == [2, 1]
        hanging.away = None
        hanging.released.set()
        sender.close()


class _Broken:
    """A channel whose messages cannot be drawn."""

    name = "broken"
    edits = one_by_one = at_once = False

    def send(self, telling: Telling) -> SentMessage | None:
        raise KeyError(telling.notice.group)


def test_a_message_that_cannot_be_drawn_is_parked(database: Database) -> None:
    outbox = AlertOutbox(database, ["broken"])
    sender = Sender(database, {"broken": _Broken()}, clock=outbox.clock, rng=random.Random(0))
    outbox.tell("summarize")
    assert sender.send_due() == 0
    (row,) = outbox.rows("broken")
    assert row.state == "parked"
    assert row.error.startswith("KeyError: ")
    sender.close()


def test_rows_of_a_channel_that_is_no_longer_configured_stay(database: Database) -> None:
    outbox = AlertOutbox(database, ["gone"])
    outbox.tell("summarize")
    sender = Sender(database, {}, clock=outbox.clock)
    assert sender.send_due() == 0
    assert outbox.states("gone") == ["waiting"]
    sender.close()
