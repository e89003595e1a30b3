"""The page Now, by Streamlit's own test harness against a real HTTP server."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from coalmine_alerts.results.spending import Spending, Standing
from coalmine_consumers.results import QuantityRow
from coalmine_registry.records import PromptSummary
from tests.support.data.prompt_answers import (
    HOSTILE,
    NOW,
    a_promotion,
    a_status,
    a_version,
    an_alert,
    facets_of,
    page_of,
    served,
)
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.measured_simulation import ingest_status
from tests.support.doubles.opened_page import Open, html

PAGE = "now"
FACETS = facets_of({"summarize": ["1.1.0"]}, app="docs")


def a_standing(name: str | None, spent: float, **changes: Any) -> Standing:
    rest: dict[str, Any] = {
        "period": "day" if name is None else "month",
        "since": NOW.date(),
        "until": NOW.date() + timedelta(days=1),
        **dict.fromkeys(("environment", "prompt", "app", "owner", "budget_usd", "passes_on")),
        **dict.fromkeys(("forecast_usd", "forecast_lower_usd", "forecast_upper_usd")),
        "hard_cap": False,
        "unpriced_requests": 0,
    }
    return Standing(name=name, spent_usd=spent, **{**rest, **changes})


def a_spending() -> Spending:
    forecast = {"forecast_usd": 2.5, "forecast_lower_usd": 2.1, "forecast_upper_usd": 2.9}
    budgets = [
        a_standing("support", 80.0, budget_usd=100.0, passes_on=NOW.date()),
        a_standing("search", 10.0, budget_usd=100.0),
    ]
    return Spending(NOW, a_standing(None, 1.25, **forecast), a_standing(None, 20.0), budgets, [])


def _versions(parameters: Mapping[str, str]) -> object:
    row = a_version("summarize", "1.1.0", 500, priced_requests=400)
    if parameters.get("by") != "environment":
        return page_of(row)
    known = {each.name: getattr(row, each.name) for each in fields(row)}
    return page_of(QuantityRow(**known, model=None, environment="prod", app=None, segment=None))


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    status = a_status("nothing was stored for 6 min")
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: FACETS,
        "/v1/alerts": lambda _parameters: page_of(an_alert()),
        "/v1/promotions": lambda _parameters: page_of(a_promotion(reason=HOSTILE)),
        "/v1/rollouts": lambda _parameters: page_of(status.rollout),
        f"/v1/rollouts/{status.id}/status": lambda _parameters: served(status),
        "/v1/reviews": lambda _parameters: [],
        "/v1/ingest": lambda _parameters: ingest_status(datetime.now(UTC)),
        "/v1/prompts": lambda _parameters: page_of(
            PromptSummary("summarize", "1.1.0", 1, NOW, NOW, {"prod": "1.1.0"})
        ),
        "/v1/versions": _versions,
    }
    handlers["/v1/spending"] = lambda _parameters: served(a_spending())
    with DashboardApi(handlers) as found:
        yield found


def test_alerts_beyond_those_that_are_looked_at_are_not_counted_out(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "1 firing" in html(open_page())
    monkeypatch.setattr("coalmine_dashboards.pages.now._MOST_ALERTS", 1)
    assert "1+ firing" in html(open_page())


def test_what_needs_a_person_comes_first_and_each_leads_to_where_one_can_act(open_page: Open) -> None:
    shown = html(open_page())
    places = [
        shown.index("Quality fell 5.2 %"),
        shown.index("Promotion of summarize 1.2.0 waits"),
        shown.index("Rollout of support-refund 1.4.0 is held"),
        shown.index("regressing: quality drift"),
    ]
    assert places == sorted(places)
    assert f'href="./alerts?alert={"a" * 16}"' in shown
    assert 'href="./registry?promotion=pr-1"' in shown
    assert "<img" not in shown


def test_spend_of_today_has_its_forecast_and_says_what_it_leaves_out(
    open_page: Open, api: DashboardApi
) -> None:
    shown = html(open_page())
    assert "$1.25" in shown
    assert "$2.50 ($2.10 to $2.90)" in shown
    assert "1 of 2 will not last" in shown
    assert "Calls since midnight UTC of unknown cost" in shown
    since = [parameters["since"] for path, parameters in api.asked if path == "/v1/versions"]
    assert any(each.endswith("T00:00:00Z") for each in since)


def test_all_environments_are_asked_for_at_once(open_page: Open, api: DashboardApi) -> None:
    shown = html(open_page())
    asked = [parameters for path, parameters in api.asked if path == "/v1/versions"]
    assert sorted(each.get("by", "") for each in asked) == ["", "environment"]
    row = shown[shown.index("regressing: quality drift") :]
    assert "prod" in row
    assert "500" in row


def test_so_many_versions_that_the_server_refuses_them_are_asked_for_by_environment(
    open_page: Open, api: DashboardApi
) -> None:
    def versions(parameters: Mapping[str, str]) -> object:
        if "by" in parameters:
            return 422, problem("invalid-parameter", 422, "more than 10,000 groups")
        return _versions(parameters)

    api.handlers["/v1/versions"] = versions
    shown = html(open_page())
    assert "500" in shown[shown.index("regressing: quality drift") :]
    assert any(parameters.get("environment") == "prod" for _, parameters in api.asked)


def test_all_rollouts_under_way_are_counted_and_those_not_looked_at_are_said(
    open_page: Open, api: DashboardApi
) -> None:
    status = a_status()
    rollouts = [replace(status.rollout, id=f"ro-{number}") for number in range(24)]
    api.handlers["/v1/rollouts"] = lambda parameters: page_of(
        *(rollouts if parameters.get("state") == "baking,paused,pending,running" else [])
    )
    for each in rollouts:
        standing = served(replace(status, id=each.id, rollout=each))
        api.handlers[f"/v1/rollouts/{each.id}/status"] = partial(lambda found, _parameters: found, standing)
    page = open_page()
    strip = html(page).split("Rolling out", 1)[1]
    assert re.search(r">(\d+)<", strip).group(1) == "24"  # type: ignore[union-attr]
    assert any(each.value.startswith("4 more rollouts") for each in page.caption)


def test_a_quiet_day_says_so(open_page: Open, api: DashboardApi) -> None:
    for path in ("/v1/alerts", "/v1/promotions", "/v1/rollouts"):
        api.handlers[path] = lambda _parameters: page_of()
    shown = html(open_page())
    assert "Nothing waits for anybody." in shown
    assert "serving" in shown


def test_a_server_without_events_says_how_to_send_one(open_page: Open, api: DashboardApi) -> None:
    for path in ("/v1/alerts", "/v1/promotions", "/v1/rollouts", "/v1/prompts", "/v1/versions"):
        api.handlers[path] = lambda _parameters: page_of()
    page = open_page()
    assert "No events yet" in page.info[0].value
    assert "cm.call(" in html(page)


def test_while_the_server_is_away_the_last_data_stay_with_their_age(
    open_page: Open, api: DashboardApi
) -> None:
    page = open_page()
    api.problem = (503, problem("not-ready", 503, "it starts"))
    page.run()
    assert not page.exception
    assert "it starts" in page.warning[0].value
    assert "last known data" in " ".join(each.value for each in page.caption)
    assert "regressing: quality drift" in html(page)
