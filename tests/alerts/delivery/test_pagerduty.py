"""PagerDuty: an incident for each firing of a page, once by its key, and changes beside incidents."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from coalmine_alerts.delivery.channels import PagerDutySettings
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.results.alerts import Cause
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Fault, Receiver

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def outbox(database: Database) -> AlertOutbox:
    return AlertOutbox(database, ["pager"])


@pytest.fixture
def sender(outbox: AlertOutbox, server: Receiver) -> Iterator[Sender]:
    server.handle = lambda _: (202, {}, b'{"status":"success"}')
    settings = PagerDutySettings(name="pager", url=server.url)
    channels = open_channels([settings], {settings.secret: KEY}, dashboard_url="https://c.example.com")
    made = Sender(outbox.database, channels, clock=outbox.clock, rng=random.Random(0))
    yield made
    made.close()


def incidents(server: Receiver) -> list[tuple[str, str]]:
    events: list[dict[str, Any]] = [each.json() for each in server.requests if each.path == "/v2/enqueue"]
    assert all(each["routing_key"] == KEY for each in events)
    return [(each["event_action"], each["dedup_key"]) for each in events]


def changes(server: Receiver) -> list[str]:
    return [
        each.json()["payload"]["summary"] for each in server.requests if each.path == "/v2/change/enqueue"
    ]


def test_an_incident_goes_from_triggered_to_resolved_by_one_key(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    outbox.tell("summarize", severity="page")
    sender.send_due()
    outbox.tell("summarize", severity="page", kind="acknowledge", acknowledged_by="dana")
    sender.send_due()
    outbox.tell("summarize", "resolved", severity="page")
    sender.send_due()
    outbox.tell("summarize", severity="page")
    sender.send_due()
    told = incidents(server)
    assert [action for action, _ in told] == ["trigger", "acknowledge", "resolve", "trigger"]
    first, *others = [key for _, key in told]
    assert others[:2] == [first, first]
    assert others[2] != first
    assert KEY not in repr(outbox.messages("pager"))


@pytest.mark.parametrize("fault", ["accept_and_drop", "accept_and_500", "drop", "garbage"])
def test_an_event_that_may_have_been_taken_is_sent_again_by_the_same_key(
    fault: Fault, outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    server.faults.append(fault)
    outbox.tell("summarize", severity="page")
    sender.send_due()
    outbox.wait(2)
    sender.send_due()
    assert len({key for _, key in incidents(server)}) == 1


@pytest.mark.parametrize(("error", "state"), [("'routing_key' is unknown", "waiting"), ("summary", "parked")])
def test_a_page_waits_for_a_key_that_pagerduty_takes(
    error: str, state: str, outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    taken = server.handle
    server.handle = lambda _: (400, {}, f'{{"status": "invalid event", "errors": ["{error}"]}}'.encode())
    outbox.tell("summarize", severity="page")
    assert sender.send_due() == 0
    assert outbox.states("pager") == [state]
    server.handle = taken
    outbox.wait(2)
    assert sender.send_due() == (state == "waiting")


def test_only_pages_become_incidents(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    outbox.tell("summarize")
    assert sender.send_due() == 1
    assert not server.requests
    assert outbox.states("pager") == ["merged"]


def test_what_is_no_page_any_more_is_resolved(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    outbox.tell("summarize", severity="page")
    sender.send_due()
    outbox.tell("summarize", kind="severity")
    sender.send_due()
    assert [action for action, _ in incidents(server)] == ["trigger", "resolve"]


def test_what_changed_is_told_as_a_change(outbox: AlertOutbox, sender: Sender, server: Receiver) -> None:
    cause = Cause("rollout", "ro-summarize-1.2.0-1")
    for rule in ("rollout_decision", "prompt_changed"):
        outbox.tell("summarize", "ok", rule=rule, severity="info", kind="notice", cause=cause)
    outbox.tell("summarize", rule="model_change", severity="info")
    outbox.tell("summarize", rule="quality_drift")
    sender.send_due()
    assert len(changes(server)) == 3
    assert not incidents(server)


def test_pages_beyond_the_limit_are_one_incident(
    outbox: AlertOutbox, sender: Sender, server: Receiver
) -> None:
    outbox.tell_all([f"prompt-{number}" for number in range(9)], severity="page")
    sender.send_due()
    assert len(incidents(server)) == 6
    assert server.requests[-1].json()["payload"]["summary"].startswith("4 more pages")
    outbox.wait(86_400)
    outbox.tell_all([f"another-{number}" for number in range(9)], severity="page")
    sender.send_due()
    first, second = [key for _, key in incidents(server) if key.startswith("coalmine/pager/more")]
    assert first != second
