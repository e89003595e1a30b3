"""A webhook: at least once, each message complete in itself, repeats marked."""

import logging
import random
from collections.abc import Iterator

import pytest

from coalmine_alerts.delivery.channels import SlackWebhookSettings
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_registry.storage.database import Database
from tests.support.campaign import size
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Fault, Receiver

SECRET = "T000-B000-secret-of-the-webhook"


@pytest.fixture
def outbox(database: Database) -> AlertOutbox:
    return AlertOutbox(database, ["hook"])


@pytest.fixture
def sender(outbox: AlertOutbox, server: Receiver) -> Iterator[Sender]:
    settings = SlackWebhookSettings(name="hook")
    channels = open_channels(
        [settings], {settings.secret: f"{server.url}/services/{SECRET}"}, dashboard_url=None
    )
    made = Sender(outbox.database, channels, clock=outbox.clock, rng=random.Random(0))
    yield made
    made.close()


def texts(server: Receiver) -> list[str]:
    return [each.json()["text"] for each in server.requests]


def test_firing_and_resolved_are_two_messages(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    outbox.tell("summarize")
    assert sender.send_due() == 1
    outbox.wait(600)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    fired, resolved = server.requests
    assert "Resolved" in resolved.json()["text"]
    assert all(each.json()["blocks"] and "metadata" not in each.json() for each in (fired, resolved))
    assert outbox.states("hook") == ["delivered", "delivered"]
    assert not any(each.open for each in outbox.messages("hook"))


@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_500", "drop", "garbage", "500"])
def test_a_message_that_may_have_been_taken_is_sent_again_and_says_so(
    fault: Fault, outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append(fault)
    outbox.tell("summarize")
    assert sender.send_due() == 0
    outbox.wait(2)
    assert sender.send_due() == 1
    first, second = texts(server)
    assert "repeat" not in first
    assert "(may be a repeat)" in second


def test_a_message_that_was_certainly_not_taken_is_no_repeat(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append("429")
    outbox.tell("summarize")
    assert sender.send_due() == 0
    outbox.wait(30)
    assert sender.send_due() == 1
    assert "repeat" not in texts(server)[1]


def test_a_doubt_outlives_a_later_attempt_that_certainly_failed(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.extend(["accept_and_drop", "429"])
    outbox.tell("summarize")
    sender.send_due()
    outbox.wait(2)
    sender.send_due()
    outbox.wait(30)
    assert sender.send_due() == 1
    assert "(may be a repeat)" in texts(server)[2]


def test_retry_after_stops_the_whole_channel_for_exactly_so_long(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append("429")
    outbox.tell("summarize")
    outbox.tell("support")
    assert sender.send_due() == 0
    outbox.wait(29.9)
    outbox.tell("extract", severity="page")
    assert sender.send_due() == 0
    assert len(server.requests) == 1
    outbox.wait(0.1)
    assert sender.send_due() == 3


def test_a_retry_after_that_is_over_is_no_leave_to_try_without_end(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.away, server.retry_after = "429", "-5"
    outbox.tell("summarize")
    for _ in range(600):
        sender.send_due()
        outbox.wait(1)
    # Twice as long each time, up to five minutes.
    assert len(server.requests) < 15


def test_after_an_hour_away_people_get_the_present_state(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.away = "500"
    for minute in range(60):
        state = "firing" if minute % 10 < 5 else "resolved"
        outbox.tell("summarize", state)  # type: ignore[arg-type]
        sender.send_due()
        outbox.wait(60)
    server.away = None
    tried = len(server.requests)
    outbox.wait(300)
    assert sender.send_due() == 1
    assert len(server.requests) == tried + 1
    assert "Resolved" in texts(server)[-1]
    assert set(outbox.states("hook")) == {"delivered", "merged"}
    # Twice as long each time, up to five minutes.
    assert tried < 25


def test_a_channel_is_given_up_after_a_day(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    server.away = "500"
    outbox.tell("summarize")
    for _ in range(24):
        sender.send_due()
        outbox.wait(3600)
    assert outbox.states("hook") == ["waiting"]
    sender.send_due()
    assert outbox.states("hook") == ["parked"]
    assert "given up after 24 hours" in outbox.rows("hook")[0].error


def test_a_poison_row_is_parked_after_one_try(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    server.faults.append("400")
    outbox.tell("summarize")
    assert sender.send_due() == 0
    assert outbox.states("hook") == ["parked"]
    outbox.tell("summarize", kind="update")
    assert sender.send_due() == 1


def test_a_redirect_is_not_followed(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    server.faults.append("redirect")
    outbox.tell("summarize")
    sender.send_due()
    assert [each.path for each in server.requests] == [f"/services/{SECRET}"]
    assert outbox.states("hook") == ["waiting"]


def test_what_was_over_before_it_was_to_be_told_is_told_to_nobody(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    outbox.tell("summarize", due_in_s=30)
    outbox.wait(20)
    outbox.tell("summarize", "resolved")
    outbox.wait(60)
    assert sender.send_due() == 0
    assert not server.requests
    assert outbox.states("hook") == ["merged", "merged"]


def test_what_was_over_while_nobody_sent_is_told(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    outbox.tell("summarize", due_in_s=30)
    outbox.wait(2100)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    assert "Resolved" in texts(server)[0]


def test_a_thousand_alerts_at_once_are_five_messages_and_one_that_counts(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    many = size(100, 1_000)
    outbox.tell_all([f"prompt-{number}" for number in range(many - 30)])
    outbox.tell_all([f"app-{number}" for number in range(30)], rule="cost_jump")
    outbox.tell("the page", severity="page", rule="kill_limit")
    assert sender.send_due() == 6
    outbox.wait(1)
    assert sender.send_due() == 0
    assert "the page" in texts(server)[0]
    assert f"{many - 4} more alerts" in texts(server)[5]
    assert f"quality_drift {many - 34}, cost_jump 30" in texts(server)[5]
    assert "waiting" not in outbox.states("hook")
    # The next ones wait for the next minute.
    outbox.tell("another")
    assert sender.send_due() == 0
    outbox.wait(60)
    assert sender.send_due() == 1


def test_messages_before_the_clock_was_set_back_do_not_use_up_the_limit(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    for number in range(5):
        outbox.tell(f"prompt-{number}")
    assert sender.send_due() == 5
    outbox.wait(-3600)
    outbox.tell("the page", severity="page")
    assert sender.send_due() == 1
    assert "the page" in texts(server)[-1]


def test_that_alerts_beyond_the_limit_are_over_is_counted_where_they_were_told(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    names = [f"prompt-{number}" for number in range(8)]
    outbox.tell_all(names)
    assert sender.send_due() == 6
    outbox.wait(60)
    outbox.tell_all([f"other-{number}" for number in range(5)], severity="page")
    sender.send_due()
    outbox.wait(1)
    outbox.tell_all(names, "resolved")
    assert sender.send_due() == 1
    assert "quality_drift (resolved) 5" in texts(server)[-1]
    assert "waiting" not in outbox.states("hook")
    assert sum(each.open for each in outbox.messages("hook") if each.group_key != "limit") == 5


def test_a_digest_that_waited_for_a_day_is_not_given_up_at_once(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.away = "500"
    outbox.tell("summarize", severity="info", due_in_s=90_000)
    outbox.wait(90_000)
    sender.send_due()
    assert outbox.states("hook") == ["waiting"]


def test_no_error_and_no_log_holds_the_url(
    outbox: AlertOutbox, sender: Sender, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.handle = lambda request: (
        400,
        {},
        f"no such {request.path} of {server.url}{request.path}".encode(),
    )
    outbox.tell("summarize")
    sender.send_due()
    assert outbox.states("hook") == ["parked"]
    assert SECRET not in caplog.text
    assert SECRET not in repr(outbox.rows("hook"))


def test_a_server_that_is_not_there_is_waited_for(outbox: AlertOutbox) -> None:
    settings = SlackWebhookSettings(name="hook")
    channels = open_channels([settings], {settings.secret: "http://127.0.0.1:1/x"}, dashboard_url=None)
    sender = Sender(outbox.database, channels, clock=outbox.clock)
    outbox.tell("summarize")
    assert sender.send_due() == 0
    (row,) = outbox.rows("hook")
    assert (row.state, row.ambiguous, row.attempts) == ("waiting", False, 1)
    sender.close()
