"""The page of drift and models, by Streamlit's own test harness against a real HTTP server."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

import pytest
import streamlit as st

from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.viewer import client_for
from tests.support.data.drift_answers import drift_handlers
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html

PAGE = "drift"


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    with DashboardApi(drift_handlers()) as found:
        yield found


def test_all_prompts_are_listed_with_what_drifted_first(open_page: Open) -> None:
    shown = html(open_page())
    assert shown.index("summarize 1.3.0") < shown.index("translate 1.3.0")
    assert "<img" not in shown
    assert "gpt-4o-mini-2026-11-20" in shown
    assert "2027-01-14" in shown
    assert "unsafe" in shown


def test_one_prompt_shows_its_metrics_with_intervals_over_time(open_page: Open, api: DashboardApi) -> None:
    page = open_page(prompt="summarize", metric="latency_ms")
    shown = html(page)
    assert "drifted, worse" in shown
    assert "\N{MINUS SIGN}0.061 to \N{MINUS SIGN}0.026" in shown
    assert page.selectbox(key="metric-prod").value == "latency_ms"
    assert len(page.get("vega_lite_chart")) == 3
    asked = dict(api.asked)["/v1/timeseries"]
    assert (asked["prompt"], asked["version"], asked["environment"]) == ("summarize", "1.3.0", "prod")
    assert page.query_params["metric"] == "latency_ms"


def test_who_may_approve_can_have_a_day_ignored_and_others_see_no_control(
    open_page: Open, api: DashboardApi
) -> None:
    assert open_page(prompt="summarize").button(key="ignore-prod") is not None
    api.handlers["/v1/whoami"] = lambda _parameters: {"subject": "bob", "role": "reader", "environment": None}
    client_for.clear()
    st.cache_data.clear()
    page = open_page(prompt="summarize")
    assert not [each for each in page.button if each.key == "ignore-prod"]
    assert not page.date_input


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14"])  # at any time, the day differs in one of them
def test_the_day_to_ignore_is_one_of_utc(open_page: Open, zone: str) -> None:
    before = datetime.now(UTC).date()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            shown: Any = open_page(prompt="summarize").date_input[0]
    finally:
        time.tzset()
    assert before <= shown.value <= datetime.now(UTC).date()
    assert shown.max == shown.value


def test_a_name_that_is_not_there_is_said(open_page: Open) -> None:
    assert "No prompt is called gone" in open_page(prompt="gone").warning[0].value.replace("\\", "")


def test_models_that_are_not_looked_at_are_said(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coalmine_dashboards.pages.drift._MOST_ROWS", 1)
    assert any("Only 1 versions on models are looked at" in each.value for each in open_page().caption)


def test_without_events_it_says_what_to_do(open_page: Open, api: DashboardApi) -> None:
    facets = drift_handlers()["/v1/facets"]({})
    api.handlers["/v1/facets"] = lambda _parameters: {**facets, "prompts": []}
    assert "No events yet" in open_page().info[0].value


def test_a_period_ends_now_at_every_refresh(
    open_page: Open, api: DashboardApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refreshed(name: str, fetch: Callable[[], Any], *rest: Any, **options: Any) -> None:
        fetch()
        live(name, fetch, *rest, **options)

    class Moving(datetime):
        """Each look at the clock is a minute later: periods begin at whole steps."""

        looks = 0

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            cls.looks += 1
            return super().now(tz) + cls.looks * timedelta(minutes=1)

    monkeypatch.setattr("coalmine_dashboards.pages.drift.datetime", Moving)
    monkeypatch.setattr("coalmine_dashboards.pages.drift.live", refreshed)
    open_page(prompt="summarize", time="15m")
    for path in ("/v1/versions", "/v1/timeseries"):
        begins = [parameters["since"] for asked, parameters in api.asked if asked == path]
        assert begins == sorted(set(begins))
        assert len(begins) == 2
