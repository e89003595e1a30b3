"""What programs get: PagerDuty's events, bodies of webhooks, values of buttons."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coalmine_alerts.messages.buttons import button_value, pressed
from coalmine_alerts.messages.own_webhook import own_webhook_body
from coalmine_alerts.messages.pagerduty import pagerduty_change_event, pagerduty_event
from coalmine_alerts.messages.samples import samples

NOW = datetime(2026, 11, 26, 12, 14, tzinfo=UTC)
URL = "https://coalmine.example.com"
SAMPLES = {name: replace(notice, test=False) for name, notice in samples(NOW).items()}


def test_the_page_of_a_rollout_says_what_to_do() -> None:
    notice = SAMPLES["rollback_incomplete"]
    (alert,) = notice.alerts
    event = pagerduty_event(notice, alert, action="trigger", routing_key="k" * 32, dashboard_url=URL)
    assert event["dedup_key"] == f"{alert.fingerprint}/1"
    payload = event["payload"]
    assert payload["severity"] == "critical"
    assert (payload["source"], payload["class"], payload["group"]) == (
        "coalmine prod",
        "rollback_incomplete",
        "ro-summarize-1.2.0-1",
    )
    assert payload["summary"].startswith(
        "summarize 1.2.0 is rolled back since 12:09 UTC, but `billing-worker`"
    )
    assert payload["custom_details"]["you could"][0].startswith("Restart it")
    assert event["links"][0] == {"href": f"{URL}/rollouts/ro-summarize-1.2.0-1", "text": "Rollout"}
    assert event["client_url"] == f"{URL}/rollouts/ro-summarize-1.2.0-1"


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_ends_an_incident_is_its_key(action: str) -> None:
    notice = SAMPLES["rollback_incomplete"]
    (alert,) = notice.alerts
    event = pagerduty_event(notice, alert, action=action, routing_key="k", dashboard_url=URL)  # type: ignore[arg-type]
    assert event == {"routing_key": "k", "event_action": action, "dedup_key": f"{alert.fingerprint}/1"}


def test_a_rollback_is_a_change_event_and_has_no_key() -> None:
    notice = SAMPLES["rollback"]
    event = pagerduty_change_event(notice, notice.alerts[0], routing_key="k", dashboard_url=URL)
    assert event.keys() == {"routing_key", "payload", "links"}
    assert event["payload"]["summary"].startswith("Nobody has to do anything now.")


def test_a_webhook_gets_the_event_and_its_story_without_texts() -> None:
    notice = SAMPLES["feedback"]
    body = own_webhook_body(notice.history[0], notice.alerts[0])
    assert (body["event"], body["event_version"]) == ("alert_transition", 2)
    assert (body["rule"], body["state"], body["kind"]) == ("feedback_negative", "ok", "notice")
    assert body["story"]["title"] == "3 bad ratings in 10 minutes · support 2.3.1 · prod"
    assert "refund and there is none" not in json.dumps(body)


def test_a_button_tells_what_was_asked_for() -> None:
    keys = [f"{number:016x}" for number in range(3)]
    found = pressed({"action_id": "silence", "value": button_value("silence", keys, 14_400)})
    assert found is not None
    assert (found.act, found.seconds, found.fingerprints) == ("silence", 14_400, tuple(keys))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "open",
        "delete::00",
        "silence::00",
        "silence:x:00",
        "acknowledge::",
        "acknowledge::00,",
        "useful::\n00",
    ],
)
def test_a_button_that_is_not_ours_is_none(value: str) -> None:
    assert pressed({"value": value}) is None
    assert pressed({}) is None
