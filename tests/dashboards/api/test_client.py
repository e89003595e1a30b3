"""The client against a real HTTP server: its requests, the answers it reads, and every failure."""

import functools
import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coalmine_dashboards.api import (
    ApiClient,
    ApiError,
    Forbidden,
    NotFound,
    NotReady,
    Selection,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
    segment,
)
from coalmine_simulator import Simulation, scenario
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.measured_simulation import MeasuredSimulation, ingest_status
from tests.support.servers.ports import free_port

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@functools.cache
def measured() -> MeasuredSimulation:
    return MeasuredSimulation(Simulation(scenario("demo", 300.0), 1).until(300.0), BEGAN)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: measured().facets(),
        "/v1/versions": measured().versions,
        "/v1/timeseries": measured().timeseries,
        "/v1/deployment-marks": lambda _parameters: {"items": [], "next_cursor": None},
        "/v1/ingest": lambda _parameters: ingest_status(BEGAN),
    }
    with DashboardApi(handlers, token="right") as api:
        yield api


@pytest.fixture
def client(api: DashboardApi) -> Iterator[ApiClient]:
    with ApiClient(api.url, "right") as client:
        yield client


def test_questions_go_to_the_replica_and_actions_to_the_server(api: DashboardApi) -> None:
    with (
        DashboardApi({"/v1/facets": lambda _: measured().facets()}, token="right") as replica,
        ApiClient(api.url, "right", answers_url=replica.url) as client,
    ):
        client.facets()
        assert [path for path, _ in replica.asked] == ["/v1/facets"]
        assert api.asked == []
        with pytest.raises(ApiError):
            client.send("POST", "/v1/freezes", dict, {})
        assert [path for path, _ in api.posted] == ["/v1/freezes"]
        assert replica.posted == []
        replica.problem = (503, problem("starting", 503, "waiting for a snapshot"))
        with pytest.raises(NotReady, match=replica.url):
            client.facets()


def test_versions_are_read_field_by_field(client: ApiClient) -> None:
    expected = measured().versions({})["items"]
    found = client.versions(Selection())
    assert [(row.prompt, row.version) for row in found] == [
        (row["prompt"], row["version"]) for row in expected
    ]
    assert [row.requests for row in found] == [row["requests"] for row in expected]
    assert [row.cost_usd for row in found] == [row["cost_usd"] for row in expected]
    assert [row.quality_mean for row in found] == [row["quality_mean"] for row in expected]
    assert [row.models for row in found] == [row["models"] for row in expected]


def test_a_time_series_is_read_with_its_step(client: ApiClient) -> None:
    expected = measured().timeseries({"step": "minute"})
    found = client.timeseries(Selection(), "minute")
    assert found.step == "minute"
    assert [row.bucket_start for row in found.items] == [
        datetime.fromisoformat(row["bucket_start"]) for row in expected["items"]
    ]


def test_facets_and_health_are_read(client: ApiClient) -> None:
    facets = client.facets()
    assert facets.versions["support-triage"] == ["2.0.1"]
    assert facets.first_event_time is not None
    assert client.ingest().counts.stored == 89_990


def test_a_selection_is_asked_for_in_utc_and_what_is_open_is_left_out(
    api: DashboardApi, client: ApiClient
) -> None:
    client.versions(Selection())
    since = datetime(2026, 3, 1, 14, tzinfo=UTC) + timedelta(microseconds=5)
    client.timeseries(Selection(prompt="a b&c", environment="prod", model="gpt-4o", since=since))
    client.deployment_marks(Selection(environment="prod", model="gpt-4o"))  # which know no models
    assert api.asked == [
        ("/v1/versions", {}),
        (
            "/v1/timeseries",
            {
                "prompt": "a b&c",
                "environment": "prod",
                "model": "gpt-4o",
                "since": "2026-03-01T14:00:00.000005Z",
                "step": "auto",
                "quantiles": "latency_ms",
            },
        ),
        ("/v1/deployment-marks", {"environment": "prod"}),
    ]


def test_the_token_is_shown_as_a_bearer(api: DashboardApi, client: ApiClient) -> None:
    client.facets()
    assert api.authorizations == ["Bearer right"]


def test_long_lists_are_read_page_by_page(api: DashboardApi, client: ApiClient) -> None:
    rows = measured().versions({})["items"]

    def paged(parameters: dict[str, str]) -> Any:
        start = int(parameters.get("cursor", "after 0").removeprefix("after "))
        more = start + 2 < len(rows)
        return {"items": rows[start : start + 2], "next_cursor": f"after {start + 2}" if more else None}

    api.handlers["/v1/versions"] = paged
    found = client.versions(Selection(prompt="any"))
    assert [(row.prompt, row.version) for row in found] == [(row["prompt"], row["version"]) for row in rows]
    assert [parameters for _, parameters in api.asked] == [
        {"prompt": "any"},
        {"prompt": "any", "cursor": "after 2"},
        {"prompt": "any", "cursor": "after 4"},
    ]


def test_a_long_time_series_is_read_page_by_page(api: DashboardApi, client: ApiClient) -> None:
    whole = measured().timeseries({"step": "minute"})

    def paged(parameters: dict[str, str]) -> Any:
        rows = whole["items"]
        if "cursor" in parameters:
            return {**whole, "items": rows[3:]}
        return {**whole, "items": rows[:3], "next_cursor": "more"}

    api.handlers["/v1/timeseries"] = paged
    found = client.timeseries(Selection(), "minute")
    assert (found.step, found.next_cursor) == ("minute", None)
    assert [(row.version, row.requests) for row in found.items] == [
        (row["version"], row["requests"]) for row in whole["items"]
    ]


def test_an_endless_list_is_an_error(api: DashboardApi, client: ApiClient) -> None:
    api.handlers["/v1/versions"] = lambda _parameters: {"items": [], "next_cursor": "again"}
    with pytest.raises(Unexpected, match="more than 100 pages"):
        client.versions(Selection())


@pytest.mark.parametrize(("token", "had_token"), [(None, False), ("wrong", True)])
def test_a_missing_or_wrong_token_is_an_error_that_hides_it(
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
        ((502, b"<html>"), NotReady, "status 502"),
        ((403, problem("forbidden", 403, "not you")), Forbidden, "not you"),
        ((500, problem("internal", 500, "a fault")), Unexpected, "a fault"),
        ((404, {"detail": "Not Found"}), Unexpected, "Not Found"),
        ((404, problem("not-found", 404, "no call\nlist them")), NotFound, "no call; list them"),
        ((200, b"<html>"), Unexpected, "not JSON"),
        ((200, {"items": 5}), Unexpected, "the answer has no prompts"),
        ((200, []), Unexpected, "not an object"),
        ((307, b""), Unexpected, "status 307"),
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


@pytest.mark.parametrize(
    "document", [{}, {"items": {}}, [], {"items": [{}], "next_cursor": None}, {"items": []}]
)
def test_an_invalid_list_is_an_error(api: DashboardApi, client: ApiClient, document: Any) -> None:
    api.handlers["/v1/versions"] = lambda _parameters: document
    with pytest.raises(Unexpected):
        client.versions(Selection())


def test_unknown_fields_of_a_newer_server_are_ignored(api: DashboardApi, client: ApiClient) -> None:
    before = client.versions(Selection()), client.ingest()
    rows = [{**row, "new": {"a": 1}} for row in measured().versions({})["items"]]
    api.handlers["/v1/versions"] = lambda _parameters: {"items": rows, "next_cursor": None, "total": 6}
    api.handlers["/v1/ingest"] = lambda _parameters: {**ingest_status(BEGAN), "new": 1}
    assert (client.versions(Selection()), client.ingest()) == before


def test_null_is_none_where_a_value_may_be_unknown(api: DashboardApi, client: ApiClient) -> None:
    assert client.ingest().lag == 0
    api.handlers["/v1/ingest"] = lambda _parameters: ingest_status(BEGAN, lag=None)
    assert client.ingest().lag is None


COUNTS = ingest_status(BEGAN)["counts"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gaps_total": None}, "the answer.gaps_total is None"),
        ({"gaps_total": "5"}, "the answer.gaps_total is '5'"),
        ({"gaps_total": 2.5}, "the answer.gaps_total is 2.5"),
        ({"reason": 5}, "the answer.reason is 5"),
        ({"events_per_s": "1"}, "the answer.events_per_s is '1'"),
        ({"events_per_s": True}, "the answer.events_per_s is True"),
        ({"started_at": "noon"}, "the answer.started_at is 'noon'"),
        ({"started_at": 5}, "the answer.started_at is 5"),
        ({"counts": []}, "the answer.counts is not an object"),
        ({"counts": {}}, "the answer.counts has no consumed"),
        ({"by_event": {"a": COUNTS, "b": {}}}, "the answer.by_event.b has no consumed"),
        ({"partitions": {}}, "the answer.partitions is {}"),
        ({"gaps": [[]]}, r"the answer.gaps\[0\] is not an object"),
        ({"state": "draining"}, "the answer.state is 'draining'"),
    ],
)
def test_a_field_with_an_unexpected_value_is_named(
    api: DashboardApi, client: ApiClient, change: dict[str, Any], message: str
) -> None:
    api.handlers["/v1/ingest"] = lambda _parameters: ingest_status(BEGAN, **change)
    with pytest.raises(Unexpected, match=message):
        client.ingest()


def test_a_missing_field_is_named_with_its_place(api: DashboardApi, client: ApiClient) -> None:
    status = {name: value for name, value in ingest_status(BEGAN).items() if name != "started_at"}
    api.handlers["/v1/ingest"] = lambda _parameters: status
    with pytest.raises(Unexpected, match="/v1/ingest: the answer has no started_at"):
        client.ingest()
    good, bad = measured().versions({})["items"][:2]
    api.handlers["/v1/versions"] = lambda _parameters: {
        "items": [good, {name: value for name, value in bad.items() if name != "errors"}],
        "next_cursor": None,
    }
    with pytest.raises(Unexpected, match=r"the answer.items\[1\] has no errors"):
        client.versions(Selection())


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_an_answer_that_is_not_an_object_is_an_error(
    api: DashboardApi, client: ApiClient, document: object
) -> None:
    api.handlers["/v1/ingest"] = lambda _parameters: document
    with pytest.raises(Unexpected, match="the answer is not an object"):
        client.ingest()


def test_any_name_is_one_segment_of_a_path(api: DashboardApi, client: ApiClient) -> None:
    for name in ("a/b", "..", "1.2", "?#"):
        with pytest.raises(NotFound):
            client.read(f"/v1/prompts/{segment(name)}/care", dict)
    assert [path.split("/")[3] for path, _parameters in api.asked] == ["a%2Fb", "%2E%2E", "1.2", "%3F%23"]


def test_a_server_that_is_not_running_is_unreachable() -> None:
    client = ApiClient(f"http://127.0.0.1:{free_port()}", None)
    with client, pytest.raises(Unreachable, match="refused"):
        client.facets()


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "ftp://host"])
def test_an_invalid_url_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable), ApiClient(url, None) as client:
        client.facets()


def test_a_server_that_times_out_is_unreachable(api: DashboardApi) -> None:
    wait = threading.Event()
    api.handlers["/v1/facets"] = lambda _parameters: wait.wait(10)
    try:
        with (
            ApiClient(api.url, "right", timeout_s=0.2) as client,
            pytest.raises(Unreachable, match="timed out"),
        ):
            client.facets()
    finally:
        wait.set()


def test_errors_survive_pickling_whole() -> None:
    for error in (Unauthorised("http://h", "no", True), Standby("http://h", "waits")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.args, str(again)) == (type(error), error.args, str(error))


def test_a_client_is_known_by_its_server_and_token_without_saying_the_token() -> None:
    with (
        ApiClient("http://127.0.0.1:1", "secret") as one,
        ApiClient("http://127.0.0.1:1/", "secret") as same,
        ApiClient("http://127.0.0.1:1", "other") as another,
        ApiClient("http://127.0.0.1:1", None) as nobody,
    ):
        assert one.identity == same.identity
        assert len({one.identity, another.identity, nobody.identity}) == 3
        assert "secret" not in str(one.identity)
