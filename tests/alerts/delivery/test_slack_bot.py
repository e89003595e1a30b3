"""A bot: once, one message for each group, which changes, and a line in its thread for each change."""

import random
from collections.abc import Iterator

import pytest

from coalmine_alerts.delivery.channels import SlackBotSettings
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.delivery.slack_bot import SlackBot
from coalmine_alerts.results.alerts import Cause
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Fault
from tests.support.servers.slack import Slack


@pytest.fixture
def outbox(database: Database, slack_server: Slack) -> AlertOutbox:
    made = AlertOutbox(database, ["bot"])
    slack_server.clock = made.now.timestamp()
    return made


@pytest.fixture
def sender(outbox: AlertOutbox, slack_server: Slack) -> Iterator[Sender]:
    settings = SlackBotSettings(name="bot", channel="C0123456789", url=slack_server.url)
    bot = SlackBot(settings, "xoxb-secret-of-the-bot", dashboard_url="https://coalmine.example.com")
    made = Sender(outbox.database, {"bot": bot}, clock=outbox.clock, rng=random.Random(0))
    yield made
    made.close()


def test_a_group_has_one_message_which_changes_and_a_line_for_each_change(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    outbox.tell("summarize")
    assert sender.send_due() == 1
    outbox.wait(600)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert message["edits"] == 1
    assert "Resolved" in message["text"]
    (line,) = slack_server.lines(message["ts"])
    assert "summarize is resolved" in line["text"]
    assert not line["reply_broadcast"]
    assert outbox.states("bot") == ["delivered", "delivered"]


def test_after_the_end_a_new_firing_is_a_new_message(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    for state in ("firing", "resolved", "firing"):
        outbox.tell("summarize", state)
        sender.send_due()
        outbox.wait(600)
    assert len(slack_server.top) == 2
    assert [each.open for each in outbox.messages("bot")] == [False, True]


def test_alerts_of_one_cause_are_one_message(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    cause = Cause("model", "openai/gpt-4o-2026-11-18")
    for number in range(12):
        outbox.tell(f"prompt-{number}", cause=cause, due_in_s=30)
    assert sender.send_due() == 0
    outbox.wait(30)
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert "12 alerts" in message["text"]
    assert outbox.states("bot") == ["delivered"] * 12


@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_500"])
def test_a_message_that_may_have_been_taken_is_looked_up_and_not_sent_again(
    fault: Fault, outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    for number in range(5):
        slack_server.messages.append({"ts": f"{outbox.now.timestamp() - number:.6f}", "text": "of people"})
    slack_server.server.faults.append(fault)
    outbox.tell("summarize")
    assert sender.send_due() == 0
    outbox.wait(5)
    assert sender.send_due() == 1
    ours = [each for each in slack_server.top if each["text"] != "of people"]
    assert len(ours) == 1
    assert outbox.messages("bot")[0].external_id == ours[0]["ts"]
    assert outbox.states("bot") == ["delivered"]


def test_what_joined_while_a_message_was_in_doubt_gets_its_line(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.server.faults.append("accept_and_drop")
    outbox.tell("summarize")
    sender.send_due()
    outbox.wait(5)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert "Resolved" in message["text"]
    assert len(slack_server.lines(message["ts"])) == 1


@pytest.mark.parametrize("fault", ["drop", "500", "garbage"])
def test_a_message_that_was_not_taken_after_all_is_sent(
    fault: Fault, outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.server.faults.append(fault)
    outbox.tell("summarize")
    assert sender.send_due() == 0
    outbox.wait(5)
    assert sender.send_due() == 1
    assert len(slack_server.top) == 1
    assert "repeat" not in slack_server.top[0]["text"]
    assert slack_server.calls() == ["chat.postMessage", "conversations.history", "chat.postMessage"]


def test_a_line_that_may_have_been_taken_is_not_written_twice(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    outbox.tell("summarize")
    sender.send_due()
    slack_server.server.faults.extend([None, "accept_and_drop"])  # chat.update, then the line
    outbox.wait(600)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 0
    outbox.wait(5)
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert len(slack_server.lines(message["ts"])) == 1


def test_what_joined_a_line_in_doubt_is_told_without_telling_the_rest_again(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    outbox.tell("summarize")
    sender.send_due()
    slack_server.server.faults.extend([None, "accept_and_drop"])
    outbox.tell("extract", group="summarize")
    sender.send_due()
    outbox.wait(5)
    outbox.tell("support", group="summarize")
    assert sender.send_due() == 1
    first, second = slack_server.lines(slack_server.top[0]["ts"])
    assert "extract" in first["text"]
    assert "support" in second["text"]
    assert "extract" not in second["text"]


@pytest.mark.parametrize(("after_s", "shown"), [(60, False), (7200, True)])
def test_what_joins_is_shown_in_the_channel_once_the_message_is_old(
    after_s: int, shown: bool, outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    outbox.tell("summarize")
    sender.send_due()
    outbox.wait(after_s)
    outbox.tell("extract", group="summarize")
    sender.send_due()
    (line,) = slack_server.lines(slack_server.top[0]["ts"])
    assert line["reply_broadcast"] is shown


def test_without_the_right_to_read_it_is_sent_again_and_says_so(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.errors["conversations.history"] = "missing_scope"
    slack_server.server.faults.append("drop")
    outbox.tell("summarize")
    sender.send_due()
    outbox.wait(5)
    assert sender.send_due() == 1
    assert "(may be a repeat)" in slack_server.top[0]["text"]


def test_a_message_that_somebody_deleted_is_sent_anew(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    outbox.tell("summarize")
    sender.send_due()
    slack_server.messages.clear()
    outbox.wait(600)
    outbox.tell("summarize", "resolved")
    assert sender.send_due() == 1
    assert len(slack_server.top) == 1
    assert outbox.states("bot") == ["delivered", "delivered"]


@pytest.mark.parametrize(
    "refused", [{"data_visualization"}, {"data_visualization", "table"}, {"header", "section", "rich_text"}]
)
def test_blocks_that_slack_does_not_take_are_left_out(
    refused: set[str], outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.refused_blocks = frozenset(refused)
    outbox.tell("summarize")
    assert sender.send_due() == 1
    assert len(slack_server.top) == 1


def test_an_error_that_stays_parks_the_row_and_lets_the_group_go_on(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.errors["chat.postMessage"] = "no_text"
    outbox.tell("summarize")
    assert sender.send_due() == 0
    assert outbox.states("bot") == ["parked"]
    assert outbox.rows("bot")[0].error == "chat.postMessage: no_text"
    slack_server.errors.clear()
    outbox.tell("summarize", kind="update")
    assert sender.send_due() == 1
    assert outbox.states("bot") == ["parked", "delivered"]


@pytest.mark.parametrize(
    "error", ["not_in_channel", "invalid_auth", "is_archived", "restricted_action_thread_only_channel"]
)
@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_what_a_channel_could_not_take_is_told_once_that_is_mended(
    method: str, error: str, outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    if method == "chat.update":
        outbox.tell("summarize")
        sender.send_due()
    slack_server.errors[method] = error
    outbox.tell("summarize", kind="update")
    assert sender.send_due() == 0
    assert outbox.states("bot")[-1] == "waiting"
    assert outbox.rows("bot")[-1].error == f"{method}: {error}"
    slack_server.errors.clear()
    outbox.wait(300)
    assert sender.send_due() == 1
    (message,) = slack_server.top
    assert "(may be a repeat)" not in message["text"]


@pytest.mark.parametrize("error", ["ratelimited", "internal_error"])
def test_an_error_that_passes_waits(
    error: str, outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    slack_server.errors["chat.postMessage"] = error
    outbox.tell("summarize")
    assert sender.send_due() == 0
    assert outbox.states("bot") == ["waiting"]


def test_a_rollout_has_one_message_and_what_happens_is_shown_in_the_channel(
    outbox: AlertOutbox, sender: Sender, slack_server: Slack
) -> None:
    cause = Cause("rollout", "ro-summarize-1.2.0-1")
    for _ in range(3):
        outbox.tell("summarize", "ok", rule="rollout_decision", severity="info", kind="notice", cause=cause)
        sender.send_due()
        outbox.wait(3600)
    (message,) = slack_server.top
    assert [each["reply_broadcast"] for each in slack_server.lines(message["ts"])] == [True, True]
