"""Every sample in every form is a message that Slack takes."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coalmine_alerts.messages.buttons import pressed
from coalmine_alerts.messages.html import slack_html, slack_page
from coalmine_alerts.messages.plain import plain_text
from coalmine_alerts.messages.samples import samples
from coalmine_alerts.messages.slack import FALLBACKS, slack_message, slack_thread_line
from tests.support.data.slack_rules import check_slack_message, texts

NOW = datetime(2026, 11, 26, 12, 14, tzinfo=UTC)
SAMPLES = samples(NOW)
URL = "https://coalmine.example.com"


@pytest.mark.parametrize(
    "without", [*FALLBACKS, frozenset({"buttons"})], ids=lambda one: "+".join(sorted(one)) or "all"
)
@pytest.mark.parametrize("mode", ["bot", "webhook"])
@pytest.mark.parametrize("name", SAMPLES)
def test_slack_takes_it_in_every_form(name, mode, without) -> None:  # type: ignore[no-untyped-def]
    message = slack_message(SAMPLES[name], dashboard_url=URL, mode=mode, texts=True, without=without)
    check_slack_message(message)
    types = {block["type"] for block in message.blocks}
    assert "blocks" not in without or not types
    assert "table" not in types or "table" not in without
    assert "data_visualization" not in types or "chart" not in without
    assert (message.metadata is not None) == (mode == "bot")
    acting = [
        each
        for block in message.blocks
        for each in block.get("elements", ())
        if "value" in each or "positive_button" in each
    ]
    assert not acting or (mode == "bot" and "buttons" not in without)
    assert slack_html(message)


@pytest.mark.parametrize("name", SAMPLES)
def test_it_says_that_it_is_a_test_and_opens_a_page(name: str) -> None:
    notice = SAMPLES[name]
    message = slack_message(notice, dashboard_url=URL, mode="bot")
    assert message.text.startswith("TEST: ")
    assert "A test: nothing has happened" in "".join(texts(message))
    assert f" {URL}/" in message.text
    assert plain_text(notice, URL).title.startswith("TEST · ")
    assert slack_thread_line(notice)
    told = slack_message(replace(notice, test=False), dashboard_url=URL, mode="bot")
    assert "TEST" not in json.dumps(told.body())


@pytest.mark.parametrize("name", SAMPLES)
def test_there_is_no_link_without_a_dashboard(name: str) -> None:
    message = slack_message(SAMPLES[name], dashboard_url=None, mode="bot")
    check_slack_message(message)
    assert '"url"' not in json.dumps(message.body())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_button_that_acts_is_understood_again(name: str) -> None:
    message = slack_message(SAMPLES[name], dashboard_url=URL, mode="bot")
    keys = tuple(alert.fingerprint for alert in SAMPLES[name].alerts)
    acts = set()
    for block in message.blocks:
        for each in block.get("elements", ()):
            for button in (each, each.get("positive_button", {}), each.get("negative_button", {})):
                if "value" in button:
                    found = pressed(button)
                    assert found is not None
                    assert found.fingerprints == keys
                    acts.add(found.act)
    assert {"useful", "noise"} <= acts <= {"useful", "noise", "acknowledge", "silence"}


def test_one_cause_is_one_message_that_names_each_of_its_alerts() -> None:
    message = slack_message(SAMPLES["one_cause"], dashboard_url=URL, mode="bot")
    (table,) = [block for block in message.blocks if block["type"] == "table"]
    assert len(table["rows"]) == 1 + 12
    header = message.blocks[0]["text"]["text"]
    assert header == "TEST · 🔴 Quality fell · 12 prompts · model openai/gpt-4o-2026-11-18 · prod"


def test_what_is_left_out_by_a_fallback_is_told_in_letters() -> None:
    notice = SAMPLES["regression"]
    drawn = slack_message(notice, dashboard_url=URL, mode="bot", without=frozenset({"chart", "table"}))
    said = "\n".join(texts(drawn))
    assert "1.1.0 ██▇███▄▁▁▁ 0.823 → 0.78" in said
    assert "Thumbs up         71 %     66 %  -5 points  -9 to -1" in said
    alone = slack_message(notice, dashboard_url=URL, mode="bot", without=frozenset({"blocks"})).text
    for wanted in ("-5.2 %", "You could:", "Thumbs up", "0.823 → 0.78", f"Open: {URL}/alerts"):
        assert wanted in alone


def test_texts_are_told_only_where_they_may_be() -> None:
    notice = SAMPLES["feedback"]
    silent = json.dumps(slack_message(notice, dashboard_url=URL, mode="bot").body())
    assert "refund and there is none" not in silent
    told = "\n".join(texts(slack_message(notice, dashboard_url=URL, mode="bot", texts=True)))
    assert "You promised a refund and there is none" in told
    assert "<!channel> *wrong* language" in told
    assert "My order 88█████ came broken, can I get money back? Write to █████." in told
    assert "8812345" not in told
    assert "refund and there is none" not in plain_text(notice, URL).body


def test_a_page_of_all_samples_can_be_drawn() -> None:
    drawn = [(name, slack_message(one, dashboard_url=URL, mode="bot")) for name, one in SAMPLES.items()]
    assert slack_page(drawn).count("<article") == len(SAMPLES)
