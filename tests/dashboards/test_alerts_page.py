"""The page of alerts, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_dashboards.parts.viewer import client_for
from coalmine_dashboards.views.alerts import message_page
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import opened_page

Open = Callable[..., AppTest]
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)> [click](javascript:x)"


def an_alert(fingerprint: str, **changes: Any) -> dict[str, Any]:
    """As the API serves one."""
    nothing = (
        *("false_since", "no_data_since", "acknowledged_by", "acknowledged_at", "silenced_until"),
        *("inhibited_by", "flapping_since", "last_notice", "accepted_by", "accepted_at", "accepted_value"),
    )
    story = {"title": "Quality fell", "summary": "It fell since \x021795684200\x03.", "could": ["pin it"]}
    rest: dict[str, Any] = {
        "why": None,
        "table": None,
        "chart": None,
        "details": [],
        "diff": None,
        "diff_title": None,
    }
    rest |= {"done": None, "sure": None, "links": [], "excerpts": [], "icon": "🔴"}
    return {
        "fingerprint": fingerprint,
        "rule": "quality_drift",
        "labels": {"environment": "prod", "prompt": "summarize"},
        "state": "firing",
        "severity": "warning",
        "cause": {"kind": "prompt", "id": "summarize"},
        **dict.fromkeys(("since", "began_at", "fired_at", "evaluated_at", "true_since"), NOW.isoformat()),
        "firing": 1,
        "value": -0.05,
        **dict.fromkeys(nothing),
        "story": {**story, **rest},
        **changes,
    }


def a_change(summary: str) -> dict[str, Any]:
    transition = {
        "seq": 1,
        "fingerprint": "a" * 16,
        "at": NOW.isoformat(),
        "kind": "state",
        "from_state": "pending",
        "to_state": "firing",
        "severity": "warning",
        "firing": 1,
        "summary": summary,
        "value": None,
        "actor": None,
        "reason": None,
        "told": True,
    }
    delivery = {"channel": "slack", "state": "delivered", "attempts": 1, "error": None, "message": 1}
    times = {"due_at": NOW.isoformat(), "done_at": NOW.isoformat()}
    return {"transition": transition, "rule": "quality_drift", "labels": {}, "deliveries": [delivery | times]}


def a_message(html: str | None) -> dict[str, Any]:
    times = {"created_at": NOW.isoformat(), "changed_at": NOW.isoformat()}
    body = {"id": 1, "channel": "slack", "group": "g", "open": True, "text": "It fell", "html": html}
    return {**body, **times, "body": None if html is None else {}}


def page_of(*items: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda _parameters: {"items": list(items), "next_cursor": None}


SILENCE = {
    "id": 7,
    "matchers": {"prompt": "summarize"},
    "reason": "we know",
    "created_by": "dana",
    "created_at": NOW.isoformat(),
    "ends_at": (NOW + timedelta(hours=1)).isoformat(),
    "ended_by": None,
    "ended_at": None,
}
FIRING, OTHER = "a" * 16, "b" * 16


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    silenced = an_alert(OTHER, silenced_until=NOW.isoformat(), labels={"prompt": "support"})
    silenced["story"]["title"] = HOSTILE
    handlers: dict[str, Any] = {
        "/v1/alerts": page_of(an_alert(FIRING), silenced),
        "/v1/alerts/messages": page_of(a_message("<article>Drawn by the server</article>")),
        "/v1/alerts/transitions": page_of(a_change(HOSTILE)),
        "/v1/alerts/silences": page_of(SILENCE),
        "/v1/alerts/silences/7/end": lambda _parameters: SILENCE,
        "/v1/alerts/runbooks/quality_drift": lambda _parameters: {
            "rule": "quality_drift",
            "text": "Ask the model.",
        },
        f"/v1/alerts/{FIRING}/acknowledge": lambda _parameters: an_alert(FIRING),
        f"/v1/alerts/{FIRING}/mark": lambda _parameters: an_alert(FIRING),
    }
    with DashboardApi(handlers) as found:
        yield found


@pytest.fixture
def open_page(api: DashboardApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Open]:
    """Runs the page against the server, as if its address had this query string."""
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
    monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
    monkeypatch.delenv("COALMINE_TOKEN", raising=False)

    def run(**query: str) -> AppTest:
        return opened_page("alerts", **query)

    yield run
    client_for.clear()


def html(page: AppTest) -> str:
    return "".join(str(element.proto.body) for element in page.get("html"))


def test_it_shows_what_fires_what_happened_and_messages_as_people_saw_them(open_page: Open) -> None:
    page = open_page()
    shown = html(page)
    assert f'data-alert="{FIRING}"' in shown
    assert "It fell since 2026-11-26 09:10 UTC." in shown
    assert "slack (delivered)" in shown
    frames = page.get("iframe")
    assert len(frames) == 1
    assert "Drawn by the server" in frames[0].proto.srcdoc


def test_hostile_texts_are_shown_as_text_and_what_is_silenced_is_struck_through(open_page: Open) -> None:
    shown = html(open_page())
    assert "<img" not in shown
    assert "<s>&lt;img src=x onerror=alert(1)&gt;" in shown


def test_a_message_may_neither_run_nor_fetch_anything() -> None:
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in message_page([])


def test_a_link_chooses_its_alert_its_group_or_its_runbook(open_page: Open) -> None:
    assert open_page(alert=OTHER).selectbox(key="alert").value == OTHER
    group = html(open_page(group="prod|prompt|summarize"))
    assert FIRING in group
    assert OTHER not in group
    assert "Ask the model." in [each.value for each in open_page(runbook="quality_drift").markdown]
    assert "no runbook" in open_page(runbook="nothing").warning[0].value


def test_people_say_that_they_look_after_it_and_what_they_think(open_page: Open, api: DashboardApi) -> None:
    page = open_page(alert=FIRING)
    page.text_input(key=f"reason-{FIRING}").set_value("looking").run()
    page.button(key=f"ack-{FIRING}").click().run()
    assert not page.exception
    page.button(key=f"noise-{FIRING}").click().run()
    assert api.posted == [
        (f"/v1/alerts/{FIRING}/acknowledge", {"reason": "looking"}),
        (f"/v1/alerts/{FIRING}/mark", {"useful": False}),
    ]


def test_a_silence_needs_a_reason_and_can_be_ended(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/alerts/silences"] = lambda _parameters: (
        SILENCE if api.posted and api.posted[-1][0].endswith("silences") else page_of(SILENCE)({})
    )
    page = open_page(alert=FIRING)
    assert page.button(key=f"silence-{FIRING}").disabled
    page.button(key="unsilence-7").click().run()
    assert api.posted == [("/v1/alerts/silences/7/end", {})]


def test_what_the_server_says_is_shown_where_it_refuses(open_page: Open, api: DashboardApi) -> None:
    del api.handlers[f"/v1/alerts/{FIRING}/acknowledge"]
    page = open_page(alert=FIRING)
    page.button(key=f"ack-{FIRING}").click().run()
    assert not page.exception
    assert "no resource at" in page.error[0].value.replace("\\", "")


def test_with_nothing_to_show_it_says_so(open_page: Open, api: DashboardApi) -> None:
    for path in ("/v1/alerts", "/v1/alerts/messages", "/v1/alerts/transitions", "/v1/alerts/silences"):
        api.handlers[path] = page_of()
    assert "No alerts so far" in open_page().info[0].value
    api.handlers["/v1/alerts"] = page_of(an_alert(FIRING))
    api.handlers["/v1/alerts/messages"] = page_of(a_message(None))
    assert any("shown to admins only" in each.value for each in open_page().caption)
