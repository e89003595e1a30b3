"""The page of rollouts, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from coalmine_consumers.results import Facets
from coalmine_dashboards.parts import rollout_actions
from coalmine_dashboards.parts.actions import perform
from coalmine_registry.records import Caller
from coalmine_registry.roles import Role
from coalmine_rollouts.records import RolloutCommand
from coalmine_schemas.results import Page
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html
from tests.support.doubles.rollout_answers import (
    BEGAN,
    NAME,
    a_hold,
    a_rollout,
    a_status,
    dumped,
    handlers_of,
)

PAGE = "rollouts"
HOSTILE = "<img src=x onerror=alert(1)> [click](javascript:x)"
FACETS = Facets(["support-refund"], {}, ["prod"], [], True, BEGAN, BEGAN)


def whoami(role: Role) -> Callable[[dict[str, str]], Any]:
    return lambda _query: dumped(Caller("dana", role, None))


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    ended = a_rollout(id="ro-old", state="rolled_back", ended_at=BEGAN, reasons=(HOSTILE,), prompt=HOSTILE)
    handlers = handlers_of(a_status(a_rollout()), ended)
    handlers["/v1/facets"] = lambda _query: dumped(FACETS)
    handlers["/v1/whoami"] = whoami(Role.APPROVER)
    with DashboardApi(handlers) as found:
        yield found


def buttons(page: AppTest) -> set[str]:
    return {str(each.key) for each in page.button if str(each.key).startswith("rollout-")}


def test_the_list_says_what_each_rollout_waits_for_and_why_it_ended(open_page: Open) -> None:
    page = open_page()
    shown = html(page)
    assert "about 900 more units would settle quality" in shown
    assert f"./rollouts?rollout={NAME}" in shown
    assert "48.9 %" in shown
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert {str(each.key) for each in page.selectbox} == {"prompt", "environment"}
    only_ended = html(open_page(state="ended"))
    assert NAME not in only_ended
    assert "ro-old" in only_ended


def test_sentences_have_their_moments_in_the_viewer_s_time_zone(
    open_page: Open, api: DashboardApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "timezone", "Asia/Tokyo")
    ended = a_rollout(
        id="ro-old",
        state="rolled_back",
        ended_at=BEGAN,
        reasons=(
            "worse since 2026-03-01 22:30 UTC",
            "effective at 2026-03-01 22:30:59 UTC",
            "2026-13-01 22:30 UTC",
        ),
    )
    api.handlers |= handlers_of(a_status(a_rollout()), ended)
    shown = html(open_page())
    assert (
        "worse since 2026-03-02 07:30 JST; effective at 2026-03-02 07:30:59 JST; 2026-13-01 22:30 UTC"
        in shown
    )


def test_an_empty_list_says_how_to_begin(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/rollouts"] = lambda _query: dumped(Page([], None))
    page = open_page()
    assert "No rollout" in page.info[0].value
    assert "coalmine rollout start" in html(page)


def test_one_view_has_all_that_decides_a_rollout(open_page: Open) -> None:
    page = open_page(rollout=NAME)
    shown = html(page)
    assert "about 900 more units would settle quality" in page.info[0].value.replace("\\", "")
    for words in ("Commanded", "50.0 %", "Observed", "48.9 %", "1.5 h of 2.0 h", "as planned"):
        assert words in shown
    for name in (
        "Metrics of the treatment",
        "Stages of the plan",
        "Allocation epochs",
        "Decisions, the latest",
    ):
        assert f'aria-label="{name}' in shown
    assert "enterprise" in shown
    assert "may be worse" in "".join(each.value for each in page.markdown)
    assert "cannot be told apart" in shown
    assert (
        len(page.get("vega_lite_chart")) == 6
    )  # five that matter, and the share; the metric on which nothing depends is added
    assert page.multiselect(key="metric").options[-1] == "output_tokens"


def test_a_link_may_name_a_metric_and_one_that_is_not_there_is_said(open_page: Open) -> None:
    assert open_page(rollout=NAME, metric="output_tokens").multiselect(key="metric").value == [
        "output_tokens"
    ]
    assert "called nothing" in open_page(rollout=NAME, metric="nothing").warning[0].value
    assert "no resource" in open_page(rollout="unknown").warning[0].value.replace("\\", "")


def test_looks_are_asked_for_once(open_page: Open, api: DashboardApi) -> None:
    page = open_page(rollout=NAME)
    page.run()
    asked = [query.get("since") for path, query in api.asked if path.endswith("/looks")]
    assert asked == [None, (BEGAN + timedelta(hours=4)).isoformat().replace("+00:00", "Z")]


def test_the_controls_are_those_of_the_role(open_page: Open, api: DashboardApi) -> None:
    assert buttons(open_page(rollout=NAME)) == {
        f"rollout-{each}" for each in ("pause", "promote", "abort", "freeze", "panic")
    }
    st.cache_data.clear()
    api.handlers["/v1/whoami"] = whoami(Role.AUTHOR)
    assert buttons(open_page(rollout=NAME)) == {"rollout-abort", "rollout-panic"}
    st.cache_data.clear()
    api.handlers["/v1/whoami"] = whoami(Role.READER)
    assert buttons(open_page(rollout=NAME)) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "pending", "started_at": None, "stage": 0}, {"approve", "abort"}),
        ({"state": "paused"}, {"resume", "promote", "abort"}),
        ({"state": "rolled_back", "ended_at": BEGAN}, {"retry"}),
        ({"state": "completed", "ended_at": BEGAN, "stage": 2}, set()),
    ],
)
def test_the_controls_are_those_of_the_state(
    open_page: Open, api: DashboardApi, changes: dict[str, Any], expected: set[str]
) -> None:
    api.handlers.update(handlers_of(a_status(a_rollout(**changes))))
    assert buttons(open_page(rollout=NAME)) == {f"rollout-{each}" for each in (*expected, "freeze", "panic")}


def test_a_question_says_who_is_affected_and_on_what_one_acts(open_page: Open) -> None:
    page = open_page(rollout=NAME)
    page.button(key="rollout-pause").click().run()
    assert "row version 7" in page.warning[0].value
    assert page.text_input(key="rollout-pause-reason").label == "Reason"


@pytest.mark.parametrize(("command", "revision"), [("pause", '"7"'), ("promote", '"7"'), ("abort", None)])
def test_a_command_acts_on_what_was_seen_and_says_what_came_of_it(
    open_page: Open, api: DashboardApi, monkeypatch: pytest.MonkeyPatch, command: str, revision: str | None
) -> None:
    def at_once(label: str, do: Callable[[str], Any], done: Any, *, key: str, **_rest: object) -> None:
        if st.button(label, key=key):  # AppTest runs no dialogs further than their first drawing
            perform(lambda: do("slow"), done)

    monkeypatch.setattr(rollout_actions, "action", at_once)
    asked = RolloutCommand(9, NAME, "pause", "dana", "slow", BEGAN, None, None)
    done = RolloutCommand(9, NAME, "pause", "dana", "slow", BEGAN, BEGAN, "done")
    api.handlers[f"/v1/rollouts/{NAME}/{command}"] = lambda _query: dumped(asked)
    api.handlers[f"/v1/rollouts/{NAME}/commands/9"] = lambda _query: dumped(done)
    page = open_page(rollout=NAME)
    page.button(key=f"rollout-{command}").click().run()
    assert api.posted == [(f"/v1/rollouts/{NAME}/{command}", {"reason": "slow"})]
    assert api.revisions == [revision]
    assert page.toast[0].value.startswith("It is ") or page.toast[0].value.startswith("Everybody")
    refused = replace(done, answer="it has ended meanwhile")
    api.handlers[f"/v1/rollouts/{NAME}/commands/9"] = lambda _query: dumped(refused)
    page.button(key=f"rollout-{command}").click().run()
    assert page.error[0].value == "it has ended meanwhile"


def test_what_stops_it_is_said(open_page: Open, api: DashboardApi) -> None:
    api.handlers.update(handlers_of(a_status(a_rollout(holds=(a_hold(),)))))
    assert "nothing was stored for 6 min" in html(open_page(rollout=NAME))


def test_a_rollout_that_has_not_begun_has_nothing_to_compare(open_page: Open, api: DashboardApi) -> None:
    waiting = a_rollout(state="pending", started_at=None, stage=0, reasons=("approval: another person",))
    api.handlers.update(handlers_of(a_status(waiting, sentence="waits: another person has to approve")))
    for path in [path for path in api.handlers if path.startswith("/v1/experiments")]:
        del api.handlers[path]
    page = open_page(rollout=NAME)
    assert any("Nothing to compare yet" in each.value for each in page.info)


def test_links_of_a_rollout_lead_to_the_time_that_it_ran(open_page: Open) -> None:
    shown = html(open_page(rollout=NAME))
    for page in ("prompt", "explain", "alerts"):
        link = shown.split(f'href="./{page}?', 1)[1].split('"', 1)[0]
        assert "environment=prod" in link
        assert "time=" in link
