"""The page of alerts, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.results.messages import Message, ToldTransition
from coalmine_dashboards.parts.threshold_test import values_of
from coalmine_dashboards.views.alerts import message_page, spans_of
from tests.support.data.alert_answers import (
    BEGAN,
    CHANGES,
    FIRING,
    MESSAGE,
    NOW,
    SILENCED,
    alert_handlers,
)
from tests.support.data.drift_answers import HOSTILE
from tests.support.data.eval_answers import page as page_of
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html

PAGE = "alerts"


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    with DashboardApi(alert_handlers()) as found:
        yield found


def keys(page: AppTest) -> set[str | None]:
    return {each.key for each in page.button}


def test_it_shows_what_fires_what_happened_and_messages_as_people_saw_them(open_page: Open) -> None:
    page = open_page()
    shown = html(page)
    assert f"alert={FIRING}" in shown
    assert "firing (page)" in shown
    assert "slack (delivered)" in shown
    frames = page.get("iframe")
    assert len(frames) == 1
    assert "Drawn by the server" in frames[0].proto.srcdoc
    said = [each.value.replace("\\", "") for each in page.markdown]
    assert any(each.startswith("It fell since 2026-11-26 09:10 UTC.") for each in said)


def test_alerts_that_are_not_looked_at_are_said(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coalmine_dashboards.pages.alerts._MOST_ALERTS", 2)
    assert any("Only 2 alerts are looked at" in each.value for each in open_page().caption)


def test_hostile_texts_are_shown_as_text_and_what_is_silenced_is_struck_through(open_page: Open) -> None:
    shown = html(open_page(alert=SILENCED))
    assert "<img" not in shown
    assert "<s><a " in shown
    assert "&lt;img src=x onerror=alert(1)&gt;</a></s>" in shown


def test_links_of_an_alert_lead_to_pages_of_the_dashboard_or_a_runbook_and_nowhere_else(
    open_page: Open,
) -> None:
    shown = html(open_page(alert=FIRING))
    assert 'href="./drift?prompt=summarize&amp;environment=prod"' in shown
    assert 'href="https://wiki.example/x"' in shown
    assert 'href="javascript' not in shown


def test_a_message_may_neither_run_nor_fetch_anything() -> None:
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in message_page([], str)


def test_a_link_opens_its_alert_its_group_or_its_runbook(open_page: Open, api: DashboardApi) -> None:
    page = open_page(alert=SILENCED)
    assert f"useful-{SILENCED}" in keys(page)
    assert f"/v1/alerts/{SILENCED}" in [path for path, _ in api.asked]
    group = html(open_page(group="prod|prompt|summarize"))
    assert f"alert={SILENCED}" not in group.split("What happened")[0]
    assert ("/v1/alerts/messages", {"group": "prod|prompt|summarize", "limit": "20"}) in api.asked
    assert "Ask the model." in [each.value for each in open_page(runbook="quality_drift").markdown]
    assert "no runbook" in open_page(runbook="nothing").warning[0].value
    assert "no alert gone" in open_page(alert="gone").warning[0].value


def test_people_say_what_they_think_and_actions_ask_first(open_page: Open, api: DashboardApi) -> None:
    page = open_page(alert=FIRING)
    page.button(key=f"noise-{FIRING}").click().run()
    assert not page.exception
    assert api.posted == [(f"/v1/alerts/{FIRING}/mark", {"useful": False})]
    page.button(key=f"silence-{FIRING}").click().run()
    asked = [each.value.replace("\\", "") for each in page.markdown]
    assert any("rule=quality_drift, environment=prod, prompt=summarize" in each for each in asked)
    assert page.text_input(key=f"silence-{FIRING}-reason").value == ""


def test_a_reader_sees_no_controls(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/whoami"] = lambda _parameters: {"subject": "bob", "role": "reader", "environment": None}
    found = keys(open_page(alert=FIRING))
    assert not [key for key in found if key and key.startswith(("ack", "noise", "silence", "unsilence"))]
    assert "try-threshold" in found


def test_other_thresholds_are_tried_on_the_past(open_page: Open, api: DashboardApi) -> None:
    page = open_page(rule="cost_jump", threshold="times_usual", values="2")
    page.button(key="try-threshold").click().run()
    assert not page.exception
    path, body = api.posted[0]
    assert (path, body["rule"], body["variants"]) == (
        "/v1/alerts/test",
        "cost_jump",
        [{}, {"times_usual": "2"}],
    )
    shown = html(page)
    assert "times_usual 2" in shown
    assert "as configured" in shown


@pytest.mark.parametrize(
    ("text", "values"),
    [("5%, 10%", ["5%", "10%"]), ("[60, 30], [7]", ["[60, 30]", "[7]"]), ("", []), ("3,3 ,", ["3"])],
)
def test_values_have_commas_between_them_and_brackets_keep_theirs(text: str, values: list[str]) -> None:
    assert values_of(text) == values


def test_times_of_firing_come_from_changes(open_page: Open) -> None:
    earlier, now = spans_of(CHANGES, NOW - timedelta(hours=24), NOW)
    assert (earlier.since, earlier.until) == (BEGAN - timedelta(hours=6), BEGAN - timedelta(hours=3))
    assert (now.since, now.until) == (BEGAN, NOW)
    assert now.severity == "page"
    (began_before,) = spans_of(CHANGES[1:2], NOW - timedelta(hours=24), NOW)
    assert began_before.since == NOW - timedelta(hours=24)
    assert spans_of([], None, NOW.astimezone(UTC)) == []


def test_that_nothing_fires_or_happened_is_said_of_what_is_chosen(open_page: Open, api: DashboardApi) -> None:
    others = [replace(each, labels={"prompt": "translate"}) for each in CHANGES]
    api.handlers["/v1/alerts"] = lambda _parameters: page_of(list[Alert], [])
    api.handlers["/v1/alerts/transitions"] = lambda parameters: page_of(
        list[ToldTransition], [] if parameters.get("prompt") == "summarize" else others
    )
    page = open_page(prompt="summarize")
    assert "something else may" in page.info[0].value
    assert any("Nothing happened" in each.value for each in page.caption)
    assert 'aria-label="What happened to alerts"' not in html(page)
    api.handlers["/v1/alerts/transitions"] = lambda parameters: page_of(
        list[ToldTransition], CHANGES if parameters.get("prompt") == "summarize" else others
    )
    assert 'aria-label="What happened to alerts"' in html(open_page(prompt="summarize"))


def test_with_nothing_to_show_it_says_so(open_page: Open, api: DashboardApi) -> None:
    for path in ("/v1/alerts", "/v1/alerts/messages", "/v1/alerts/transitions", "/v1/alerts/silences"):
        api.handlers[path] = lambda _parameters: {"items": [], "next_cursor": None}
    page = open_page()
    assert "Nothing fires" in page.info[0].value
    assert any("Nothing happened" in each.value for each in page.caption)
    hidden = replace(MESSAGE, html=None, body=None)
    api.handlers["/v1/alerts/messages"] = lambda _parameters: page_of(list[Message], [hidden])
    assert any("shown to admins only" in each.value for each in open_page().caption)
    assert HOSTILE not in html(page)
