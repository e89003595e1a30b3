"""The page of costs, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_dashboards.views.markup import plain
from tests.support.data.money_answers import (
    a_group,
    a_saving,
    a_spending,
    a_standing,
    costs_of,
    savings_of,
)
from tests.support.data.prompt_answers import HOSTILE, NOW, facets_of, served
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.opened_page import Open, html

PAGE = "costs"
FACETS = facets_of({"summarize": ["1.0.0", "1.1.0"], "support": ["2.0.0"]}, app="docs")


def answer(costs: Any) -> Callable[[dict[str, str]], Any]:
    return lambda _parameters: served(costs)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: FACETS,
        "/v1/costs": answer(
            costs_of(a_group("summarize", 30.0), a_group("support", 10.0), a_group("x", None))
        ),
        "/v1/spending": answer(
            a_spending(
                a_standing("ample", 300.0),
                a_standing("spent", 1_200.0, hard_cap=True, passes_on=date(2026, 11, 20), prompt="summarize"),
                a_standing("tight", 900.0, passes_on=date(2026, 11, 29), owner="support team"),
            )
        ),
        "/v1/savings": answer(
            savings_of(
                a_saving("1.1.0", 0.5, 0.2), a_saving("1.2.0", 0.1, 0.2), a_saving("gpt-4o-mini", -3.0)
            )
        ),
    }
    with DashboardApi(handlers) as found:
        yield found


def captions(page: AppTest) -> str:
    return " ".join(each.value for each in page.caption).replace("\\", "")


def test_it_says_what_is_spent_on_what_and_how_surely(open_page: Open) -> None:
    page = open_page()
    shown = html(page)
    assert "summarize" in shown
    assert "$30.00" in shown
    assert "75.0 %" in shown
    assert "± $0.00093" in shown  # 1.96 * 0.015 / sqrt(1,000)
    assert "$40.00 for 3,000 calls, 3 prompts; 1,000 calls (33.3 %) have no known cost" in captions(page)


def test_budgets_say_what_will_not_last_in_words(open_page: Open) -> None:
    shown = html(open_page())
    assert "2 of 3 will not last" in shown
    assert "passed on 2026-11-20; it is a hard cap" in shown
    assert "will be passed on 2026-11-29" in shown
    assert ">lasts<" in shown
    assert "support team" in shown


def test_what_cannot_be_told_apart_is_not_called_cheaper(open_page: Open) -> None:
    shown = html(open_page())
    assert shown.count("cannot be told apart") == 1
    assert shown.count(">cheaper") == 1
    assert shown.count(">dearer") == 1
    assert "prompt=summarize&amp;a=1.0.0&amp;b=1.1.0" in shown


def test_the_address_restores_the_view(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(
        costs_of(
            a_group("pro", 5.0),
            a_group(None, 1.0),
            by="segment",
            segment="plan",
            segment_keys=["lang", "plan"],
            since=NOW,
        )
    )
    page = open_page(by="segment", segment="plan", prompt="summarize", time="24h", to_model="gpt-4o")
    asked = dict(next(query for path, query in api.asked if path == "/v1/costs"))
    assert asked.pop("since")
    assert asked == {"prompt": "summarize", "by": "segment", "segment": "plan", "limit": "50"}
    assert page.selectbox(key="segment").value == "plan"
    assert "(none)" in html(page)
    assert "raw rows are read for seven days at most" in captions(page)
    assert next(query for path, query in api.asked if path == "/v1/savings")["to_model"] == "gpt-4o"


def test_a_segment_that_no_call_has_is_named(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(
        costs_of(a_group(None, 1.0), by="segment", segment="plan", segment_keys=["lang"])
    )
    page = open_page(by="segment", segment="plan")
    assert "No call has the segment plan" in page.warning[0].value
    assert page.selectbox(key="segment").value is None


def test_costs_that_are_all_unknown_are_said_in_words(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(costs_of(a_group("summarize", None)))
    assert "None of the 1,000 calls, 1 prompt, has a known cost." in captions(open_page())


def test_users_are_numbered_and_why_is_said(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(costs_of(a_group("#1", 5.0), by="user", since=NOW))
    page = open_page(by="user")
    assert "admins see who they are" in captions(page)


def test_hostile_names_are_shown_as_text(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(costs_of(a_group(HOSTILE, 5.0), by="app"))
    api.handlers["/v1/savings"] = answer(savings_of(a_saving(HOSTILE, 1.0), unpriced=(HOSTILE,)))
    api.handlers["/v1/spending"] = answer(a_spending(a_standing(HOSTILE, 1.0, owner=HOSTILE)))
    page = open_page(by="app")
    assert "<img" not in html(page)
    assert "&lt;img" in html(page)
    assert any(plain(HOSTILE) in each.value for each in page.caption)


def test_what_was_spent_is_not_zero_where_no_cost_is_known(open_page: Open, api: DashboardApi) -> None:
    rows = (a_standing("own", 0.0, unpriced_requests=9), a_standing("free", 0.0))
    api.handlers["/v1/spending"] = answer(a_spending(*rows))
    found = html(open_page())
    assert (">unknown</td>" in found, "$0, 0 %" in found) == (True, True)


def test_empty_states_say_what_to_do(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/costs"] = answer(costs_of())
    api.handlers["/v1/savings"] = answer(savings_of())
    api.handlers["/v1/spending"] = answer(a_spending())
    page = open_page()
    said = " ".join(each.value for each in page.info)
    assert "No matching calls" in said
    assert "No budget is set" in said
    assert "Nothing to compare yet" in said
    page.button[0].click().run()
    assert page.session_state["time"] == "all"
    api.handlers["/v1/facets"] = lambda _parameters: {**FACETS, "prompts": [], "versions": {}}
    assert "No events yet" in open_page().info[0].value


def test_the_last_data_stay_while_the_server_is_away(open_page: Open, api: DashboardApi) -> None:
    page = open_page()
    api.problem = (503, problem("unavailable", 503, "starting"))
    page.run()
    assert "$30.00" in html(page)
    assert captions(page).count("Showing the last known data") == 4


def test_the_page_begins_to_show_costs_once_there_are_calls(open_page: Open, api: DashboardApi) -> None:
    filled = api.handlers["/v1/facets"]
    empty: dict[str, Any] = {name: [] for name in ("prompts", "environments", "apps", "models")} | {
        "versions": {}
    }
    times = dict.fromkeys(("first_event_time", "last_event_time"))
    api.handlers["/v1/facets"] = lambda _parameters: {**empty, **times, "complete": True}
    page = open_page()
    assert "No events yet" in page.info[0].value
    api.handlers["/v1/facets"] = filled
    page.run()
    assert not [box for box in page.info if "No events yet" in box.value]
    assert page.selectbox(key="prompt").options


def test_a_link_of_the_table_keeps_the_filters_of_the_view(open_page: Open) -> None:
    shown = html(open_page(time="30d", environment="prod"))
    assert 'href="./prompt?environment=prod&amp;time=30d&amp;prompt=' in shown
    assert 'href="./explain?environment=prod&amp;time=30d&amp;prompt=' in shown
