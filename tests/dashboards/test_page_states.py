"""Every state of the page, run by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_dashboards.views.panels import PANELS
from coalmine_simulator import Simulation, scenario
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.measured_simulation import MeasuredSimulation, ingest_status
from tests.support.doubles.opened_page import Open, html
from tests.support.servers.ports import free_port

STORY_S = 1800.0
PAGE = "prompt"


@pytest.fixture(scope="module")
def measured() -> MeasuredSimulation:
    began = datetime.now(UTC) - timedelta(seconds=STORY_S + 60)
    return MeasuredSimulation(Simulation(scenario("demo", STORY_S), 1).until(STORY_S), began)


@pytest.fixture
def api(measured: MeasuredSimulation) -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: measured.facets(),
        "/v1/versions": measured.versions,
        "/v1/timeseries": measured.timeseries,
        "/v1/deployment-marks": lambda _parameters: {"items": [], "next_cursor": None},
        "/v1/model-calendar": lambda _parameters: {"items": [], "next_cursor": None},
        "/v1/timeline": lambda _parameters: {"items": [], "next_cursor": None},
        "/v1/ingest": lambda _parameters: ingest_status(datetime.now(UTC)),
        **{
            f"/v1/prompts/{prompt}/care": lambda _parameters: {
                "owner": None,
                "channels": [],
                "runbook": None,
                "tier": "standard",
            }
            for prompt in measured.facets()["prompts"]
        },
    }
    with DashboardApi(handlers) as api:
        yield api


def advice(page: AppTest) -> str:
    return " ".join(box.value for box in (*page.error, *page.warning, *page.info))


def test_the_page_shows_every_version_with_the_server_s_figures(
    open_page: Open, measured: MeasuredSimulation
) -> None:
    shown = html(open_page())
    rows = measured.versions({})["items"]
    assert rows
    for row in rows:
        assert f'data-version="{row["prompt"]} {row["version"]}"' in shown
        assert f"<td>{row['requests']:,}</td>" in shown
        assert f"<td>{row['quality_mean']:.3f}</td>" in shown
    assert 'data-health="Lag"' in shown


def test_there_is_a_chart_for_every_panel(open_page: Open) -> None:
    page = open_page()
    assert len(page.get("vega_lite_chart")) == len(PANELS)
    headings = " ".join(element.value for element in page.markdown)
    assert all(f"**{panel.title}**" in headings for panel in PANELS)


def test_a_chart_without_any_value_says_what_is_missing(
    open_page: Open, api: DashboardApi, measured: MeasuredSimulation
) -> None:
    def unrated(parameters: dict[str, str]) -> Any:
        found = measured.timeseries(parameters)
        rows = [{**row, "quality_mean": None, "thumbs_up_rate": None} for row in found["items"]]
        return {**found, "items": rows}

    api.handlers["/v1/timeseries"] = unrated
    page = open_page()
    assert len(page.get("vega_lite_chart")) == len(PANELS) - 2
    said = " ".join(each.value for each in page.caption)
    assert "Nothing here has a score" in said
    assert "No thumbs here" in said


def test_filters_ask_the_server_for_less(open_page: Open, api: DashboardApi) -> None:
    page = open_page()
    api.asked.clear()
    page.selectbox(key="prompt").select("support-refund").run()
    page.selectbox(key="environment").select("prod").run()
    model = page.selectbox(key="model").options[1]
    page.selectbox(key="model").select(model).run()
    assert not page.exception
    for path in ("/v1/versions", "/v1/timeseries"):
        asked = [parameters for asked_path, parameters in api.asked if asked_path == path]
        assert asked[-1]["prompt"] == "support-refund"
        assert asked[-1]["environment"] == "prod"
        assert asked[-1]["model"] == model
    page.selectbox(key="model").select("").run()
    assert 'data-version="support-refund 1.3.0"' in html(page)
    assert "search-answer" not in html(page)


@pytest.mark.parametrize("name", ["all", "in\ttwo"])
def test_a_prompt_may_be_called_all_or_otherwise_than_it_is_shown(
    open_page: Open, api: DashboardApi, name: str
) -> None:
    known = api.handlers["/v1/facets"]({})
    api.handlers["/v1/facets"] = lambda _query: {**known, "prompts": [name, *known["prompts"]]}
    page = open_page(prompt=name)
    assert page.selectbox(key="prompt").value == name
    asked = [parameters for path, parameters in api.asked if path == "/v1/versions"]
    assert asked[-1]["prompt"] == name


def test_the_time_range_is_what_the_server_is_asked_for(open_page: Open, api: DashboardApi) -> None:
    page = open_page()
    for key, length in (("1h", timedelta(hours=1)), ("7d", timedelta(days=7))):
        page.session_state["time"] = key
        page.run()
        since = [parameters["since"] for path, parameters in api.asked if path == "/v1/timeseries"][-1]
        age = datetime.now(UTC) - datetime.fromisoformat(since)
        assert length <= age < 1.01 * length + timedelta(minutes=1)
    page.session_state["time"] = "all"
    page.run()
    assert "since" not in [parameters for path, parameters in api.asked if path == "/v1/timeseries"][-1]


def test_the_address_of_the_page_brings_the_filters_back(open_page: Open, api: DashboardApi) -> None:
    page = open_page(prompt="search-answer", time="1h", live="false")
    assert page.selectbox(key="prompt").value == "search-answer"
    assert page.toggle(key="live").value is False
    asked = [parameters for path, parameters in api.asked if path == "/v1/versions"]
    assert asked[-1]["prompt"] == "search-answer"
    age = datetime.now(UTC) - datetime.fromisoformat(asked[-1]["since"])
    assert age < timedelta(hours=1, minutes=1)


def test_an_empty_server_says_how_to_send_the_first_event(open_page: Open, api: DashboardApi) -> None:
    nothing = MeasuredSimulation([], datetime.now(UTC))
    api.handlers["/v1/facets"] = lambda _parameters: nothing.facets()
    api.handlers["/v1/versions"] = nothing.versions
    api.handlers["/v1/timeseries"] = nothing.timeseries
    page = open_page()
    assert "No events yet" in advice(page)
    assert "from coalmine import Coalmine" in html(page)
    assert not page.selectbox
    assert 'data-health="Collector"' in html(page)


def test_the_first_event_brings_the_filters(
    open_page: Open, api: DashboardApi, measured: MeasuredSimulation
) -> None:
    nothing = MeasuredSimulation([], datetime.now(UTC))
    api.handlers["/v1/facets"] = lambda _parameters: nothing.facets()
    page = open_page()
    assert not page.selectbox
    api.handlers["/v1/facets"] = lambda _parameters: measured.facets()
    page.run()
    assert page.selectbox(key="prompt").options[1:] == measured.facets()["prompts"]


def test_an_empty_selection_says_where_the_data_is_and_leads_there(
    open_page: Open, api: DashboardApi, measured: MeasuredSimulation
) -> None:
    api.handlers["/v1/versions"] = lambda asked: (
        {"items": [], "next_cursor": None} if "since" in asked else measured.versions(asked)
    )
    page = open_page()
    assert "the last 6 hours" in advice(page)
    page.button[0].click().run()
    assert page.session_state["time"] == "all"
    assert "data-version" in html(page)


def test_a_server_that_is_not_there_is_an_error_with_a_way_out(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COALMINE_SERVER_URL", f"http://127.0.0.1:{free_port()}")
    page = open_page()
    assert "Cannot reach the server" in page.error[0].value
    assert "coalmine serve" in html(page)


def test_without_the_right_token_the_page_says_how_to_get_one(open_page: Open, api: DashboardApi) -> None:
    api.token = "right"
    assert "The server requires a token" in advice(open_page())


def test_a_wrong_token_is_not_shown_on_the_page(
    open_page: Open, api: DashboardApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.token = "right"
    monkeypatch.setenv("COALMINE_TOKEN", "wrong-secret")
    page = open_page()
    assert "rejected the token" in advice(page)
    assert "wrong-secret" not in str(page)


@pytest.mark.parametrize(
    ("kind", "title"), [("standby", "This server is a standby"), ("starting", "The server is not ready")]
)
def test_a_standby_and_a_starting_server_are_warnings(
    open_page: Open, api: DashboardApi, kind: str, title: str
) -> None:
    api.problem = (503, problem(kind, 503, "the store is held by process 7"))
    page = open_page()
    assert title in page.warning[0].value
    assert "process 7" in page.warning[0].value


def test_an_unexpected_answer_does_not_break_the_page(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/timeseries"] = lambda _parameters: {
        "step": "fortnight",
        "items": [],
        "next_cursor": None,
    }
    assert "Unexpected answer" in advice(open_page())


def test_a_collector_in_trouble_says_why_on_the_page(open_page: Open, api: DashboardApi) -> None:
    trouble = ingest_status(datetime.now(UTC), state="waiting", reason="Kafka does not answer", gaps_total=2)
    api.handlers["/v1/ingest"] = lambda _parameters: trouble
    shown = html(open_page())
    assert "Waiting: Kafka does not answer" in shown
    assert "Details: coalmine audit" in shown


def test_an_empty_page_is_not_repeated_below_an_error(open_page: Open, api: DashboardApi) -> None:
    nothing = MeasuredSimulation([], datetime.now(UTC))
    for path in ("facets", "versions", "timeseries"):
        api.handlers[f"/v1/{path}"] = lambda _parameters: {
            "items": [],
            "next_cursor": None,
            "step": "day",
            **nothing.facets(),
        }
    page = open_page()
    assert "No events yet" in advice(page)
    api.problem = (503, problem("starting", 503, "opens the store"))
    page.run()
    assert "No events yet" not in advice(page)


def test_while_the_server_is_away_the_last_figures_stay(open_page: Open, api: DashboardApi) -> None:
    page = open_page()
    api.problem = (503, problem("starting", 503, "opens the store"))
    page.run()
    assert "The server is not ready" in advice(page)
    assert "last known data" in " ".join(caption.value for caption in page.caption)
    assert "data-version" in html(page)
    page.selectbox(key="prompt").select("support-refund").run()
    assert "data-version" not in html(page), "the last figures were about another question"
    api.problem = None
    page.run()
    assert not page.warning
    assert 'data-version="support-refund' in html(page)
