"""The client against a real HTTP server: what it asks, what it reads, and every way of getting no answer."""

import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from coalmine_dashboards.api import (
    ApiClient,
    ApiError,
    NotReady,
    Selection,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
)
from coalmine_simulator import Simulation, scenario
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.measured_simulation import MeasuredSimulation, ingest_status
from tests.support.servers.ports import free_port

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MEASURED = MeasuredSimulation(Simulation(scenario("demo", 300.0), 1).until(300.0), BEGAN)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: MEASURED.facets(),
        "/v1/versions": MEASURED.versions,
        "/v1/timeseries": MEASURED.timeseries,
        "/v1/deployment-marks": lambda _parameters: {"items": []},
        "/v1/ingest": lambda _parameters: ingest_status(BEGAN),
    }
    with DashboardApi(handlers, token="right") as api:
        yield api


@pytest.fixture
def client(api: DashboardApi) -> Iterator[ApiClient]:
    with ApiClient(api.url, "right") as client:
        yield client


def test_versions_are_read_field_by_field(client: ApiClient) -> None:
    expected = MEASURED.versions({})["items"]
    found = client.versions(Selection())
    assert [(row.prompt, row.version) for row in found] == [
        (row["prompt"], row["version"]) for row in expected
    ]
    assert [row.requests for row in found] == [row["requests"] for row in expected]
    assert [row.cost_usd for row in found] == [Decimal(row["cost_usd"]) for row in expected]
    assert [row.quality_mean for row in found] == [row["quality_mean"] for row in expected]
    assert [row.models for row in found] == [tuple(row["models"]) for row in expected]


def test_a_time_series_is_read_with_its_step(client: ApiClient) -> None:
    expected = MEASURED.timeseries({"step": "minute"})
    found = client.timeseries(Selection(), "minute")
    assert found.step == "minute"
    assert [row.bucket_start for row in found.items] == [
        datetime.fromisoformat(row["bucket_start"]) for row in expected["items"]
    ]


def test_facets_and_health_are_read(client: ApiClient) -> None:
    facets = client.facets()
    assert facets.versions["support-triage"] == ("2.0.1",)
    assert facets.first_event_time is not None
    assert client.ingest().counts.stored == 89_990


def test_a_selection_is_asked_for_in_utc_and_what_is_open_is_left_out(
    api: DashboardApi, client: ApiClient
) -> None:
    client.versions(Selection())
    since = datetime(2026, 3, 1, 14, tzinfo=UTC) + timedelta(microseconds=5)
    client.timeseries(Selection(prompt="a b&c", environment="prod", since=since))
    assert api.asked == [
        ("/v1/versions", {}),
        (
            "/v1/timeseries",
            {
                "prompt": "a b&c",
                "environment": "prod",
                "since": "2026-03-01T14:00:00.000005Z",
                "step": "auto",
            },
        ),
    ]


def test_the_token_is_shown_as_a_bearer(api: DashboardApi, client: ApiClient) -> None:
    client.facets()
    assert api.authorizations == ["Bearer right"]


def test_long_lists_are_read_page_by_page(api: DashboardApi, client: ApiClient) -> None:
    rows = MEASURED.versions({})["items"]

    def paged(parameters: dict[str, str]) -> Any:
        offset = int(parameters.get("offset", "0"))
        return {
            "items": rows[offset : offset + 2],
            "next_offset": offset + 2 if offset + 2 < len(rows) else None,
        }

    api.handlers["/v1/versions"] = paged
    assert len(client.versions(Selection())) == len(rows)
    assert [parameters.get("offset") for _, parameters in api.asked] == [None, "2", "4"]


def test_a_list_without_end_is_no_answer(api: DashboardApi, client: ApiClient) -> None:
    api.handlers["/v1/versions"] = lambda _parameters: {"items": [], "next_offset": 1}
    with pytest.raises(Unexpected, match="more than 100 pages"):
        client.versions(Selection())


@pytest.mark.parametrize(("token", "had_token"), [(None, False), ("wrong", True)])
def test_without_the_right_token_nothing_is_told(
    api: DashboardApi, token: str | None, had_token: bool
) -> None:
    with ApiClient(api.url, token) as client, pytest.raises(Unauthorised) as caught:
        client.facets()
    assert caught.value.had_token is had_token
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "detail"),
    [
        ((503, problem("standby", 503, "waits for the lock of process 7")), Standby, "process 7"),
        ((503, problem("starting", 503, "opens the store")), NotReady, "opens the store"),
        ((502, b"<html>"), NotReady, "answered 502"),
        ((403, problem("forbidden", 403, "not you")), Unauthorised, "not you"),
        ((500, problem("internal", 500, "a fault")), Unexpected, "a fault"),
        ((404, {"detail": "Not Found"}), Unexpected, "Not Found"),
        ((200, b"<html>"), Unexpected, "not JSON"),
        ((200, {"items": 5}), Unexpected, "the answer has no prompts"),
        ((200, []), Unexpected, "not an object"),
        ((307, b""), Unexpected, "answered 307"),
    ],
)
def test_every_refusal_says_why(
    api: DashboardApi, client: ApiClient, answer: tuple[int, Any], kind: type[ApiError], detail: str
) -> None:
    api.problem = answer
    with pytest.raises(ApiError, match=detail) as caught:
        client.facets()
    assert type(caught.value) is kind
    assert caught.value.url == api.url


@pytest.mark.parametrize("document", [{}, {"items": {}}, [], {"items": [{}], "next_offset": None}])
def test_a_list_that_is_none_is_no_answer(api: DashboardApi, client: ApiClient, document: Any) -> None:
    api.handlers["/v1/versions"] = lambda _parameters: document
    with pytest.raises(Unexpected):
        client.versions(Selection())


def test_a_server_that_is_not_there_is_unreachable() -> None:
    client = ApiClient(f"http://127.0.0.1:{free_port()}", None)
    with client, pytest.raises(Unreachable, match="refused"):
        client.facets()


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "ftp://host"])
def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable), ApiClient(url, None) as client:
        client.facets()


def test_a_server_that_does_not_answer_in_time_is_unreachable(api: DashboardApi) -> None:
    wait = threading.Event()
    api.handlers["/v1/facets"] = lambda _parameters: wait.wait(10)
    try:
        with (
            ApiClient(api.url, "right", timeout_s=0.2) as client,
            pytest.raises(Unreachable, match="in time"),
        ):
            client.facets()
    finally:
        wait.set()


def test_errors_survive_pickling_whole() -> None:
    for error in (Unauthorised("http://h", "no", True), Standby("http://h", "waits")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.args, str(again)) == (type(error), error.args, str(error))
