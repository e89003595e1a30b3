"""What pressing a button in Slack does, and who may."""

from typing import Any

import pytest

from coalmine_alerts.commands import Commands
from coalmine_alerts.delivery.buttons import Buttons
from coalmine_alerts.messages.buttons import button_value
from coalmine_alerts.storage.alerts import alert
from coalmine_alerts.storage.silences import list_silences
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox


@pytest.fixture
def outbox(database: Database) -> AlertOutbox:
    return AlertOutbox(database, [])


@pytest.fixture
def buttons(outbox: AlertOutbox) -> Buttons:
    commands = Commands(outbox.database, lambda _: (), outbox.clock)
    return Buttons(outbox.database, commands, {"U1": "dana"}, clock=outbox.clock)


def press(value: str, user: str = "U1", action_ts: str = "1.1") -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": user},
        "actions": [{"type": "button", "value": value, "action_ts": action_ts}],
    }


def test_whoever_is_in_the_table_acknowledges_silences_and_marks(
    outbox: AlertOutbox, buttons: Buttons
) -> None:
    key = outbox.tell("summarize")
    assert buttons.press(press(button_value("acknowledge", [key]))) == "Acknowledged."
    assert buttons.press(press(button_value("silence", [key], 14_400))) == "Silenced."
    assert "noise" in (buttons.press(press(button_value("noise", [key]))) or "")
    assert alert(outbox.database, key).acknowledged_by == "dana"
    (silence,) = list_silences(outbox.database).items
    assert (silence.created_by, (silence.ends_at - outbox.now).total_seconds()) == ("dana", 14_400)
    assert silence.matchers == {"rule": "quality_drift", "environment": "prod", "prompt": "summarize"}


@pytest.mark.parametrize("act", ["silence", "useful", "noise"])
def test_whoever_is_not_may_only_acknowledge(act: Any, outbox: AlertOutbox, buttons: Buttons) -> None:
    key = outbox.tell("summarize")
    said = buttons.press(press(button_value(act, [key], 60), user="U2"))
    assert "U2" in (said or "")
    assert not list_silences(outbox.database).items
    buttons.press(press(button_value("acknowledge", [key]), user="U2"))
    assert alert(outbox.database, key).acknowledged_by == "slack:U2"


def test_the_second_who_acknowledges_hears_who_has_it(outbox: AlertOutbox, buttons: Buttons) -> None:
    value = button_value("acknowledge", [outbox.tell("summarize")])
    assert buttons.press(press(value)) == "Acknowledged."
    assert buttons.press(press(value, user="U2")) == "dana looks after it already."
    assert buttons.press(press(value, action_ts="2.2")) == "Acknowledged."


def test_a_press_that_is_sent_again_does_nothing(outbox: AlertOutbox, buttons: Buttons) -> None:
    value = button_value("silence", [outbox.tell("summarize")], 60)
    assert buttons.press(press(value))
    assert buttons.press(press(value)) is None
    assert buttons.press(press(value, action_ts="2.2"))
    assert len(list_silences(outbox.database).items) == 2


def test_what_cannot_be_done_is_said(buttons: Buttons) -> None:
    assert "Nothing was done" in (buttons.press(press(button_value("acknowledge", ["0" * 16]))) or "")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "view_submission"},
        {"type": "block_actions", "user": None, "actions": None},
        press("promote:1:00"),
        press(""),
        press("https://example.com"),
    ],
)
def test_what_is_no_button_of_ours_is_left_alone(payload: dict[str, Any], buttons: Buttons) -> None:
    assert buttons.press(payload) is None
