"""What the API answers about versions, over real HTTP, from events that came through the spool."""

import csv
import io
import json
import re
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import PROMPT, TRACE
from tests.support.campaign import size
from tests.support.processes.coalmine_process import ServerProcess

ARROW = "application/vnd.apache.arrow.stream"

LISTS = ["/v1/versions", "/v1/timeseries", "/v1/quantiles", "/v1/dead-letters"]


def arrow(server: ServerProcess, path: str, **options: Any) -> pa.Table:
    response = server.get(path, headers={"Accept": ARROW}, **options)
    assert response.headers["content-type"] == ARROW
    return pa.ipc.open_stream(response.content).read_all()


def test_versions_are_measured(busy_server: ServerProcess) -> None:
    items = busy_server.json("/v1/versions")["items"]
    assert [(item["prompt"], item["version"], item["requests"]) for item in items] == [
        (TRACE, "1.0.0", 500),
        (PROMPT, "1.0.0", 10),
        (PROMPT, "1.1.0", 10),
    ]
    _, old, new = items
    assert (old["thumbs_up_rate"], new["thumbs_up_rate"]) == (1.0, 0.5)
    assert (old["input_tokens"], old["output_tokens"], old["cached_input_tokens"]) == (1000, 100, None)
    # 100 tokens at 0.15 and 10 at 0.60 dollars a million
    assert (old["cost_usd"], old["cost_nano_usd"]) == (0.00021, 210_000)
    assert old["cost_usd_per_request"] == pytest.approx(0.000021)
    assert old["quality_mean"] == 0.5
    assert (old["models"], old["environments"]) == (["gpt-4o-mini"], ["prod"])


def test_selections_narrow(busy_server: ServerProcess) -> None:
    def count(**parameters: str) -> int:
        return sum(item["requests"] for item in busy_server.json("/v1/versions", params=parameters)["items"])

    assert count() == 520
    assert count(prompt=PROMPT) == 20
    assert count(prompt=PROMPT, version="1.1.0") == 10
    assert count(app="replay") == 500
    assert count(environment="staging") == 0
    assert count(since="1h") == 20
    assert count(until="1h") == 500
    assert count(since="2023-11-16", until="2023-11-17") == 500


def test_pages_together_are_the_whole(busy_server: ServerProcess) -> None:
    for path in ("/v1/versions", "/v1/timeseries"):
        whole = busy_server.json(path)
        assert whole["next_cursor"] is None
        page = busy_server.json(path, params={"limit": 2})
        items = page["items"]
        while page["next_cursor"] is not None:
            page = busy_server.json(path, params={"limit": 2, "cursor": page["next_cursor"]})
            assert 0 < len(page["items"]) <= 2
            items += page["items"]
        assert items == whole["items"]


def test_a_page_of_dead_letters_says_where_the_next_begins(busy_server: ServerProcess) -> None:
    whole = busy_server.json("/v1/dead-letters")
    assert len(whole["items"]) == 3
    first = busy_server.json("/v1/dead-letters", params={"limit": 2})
    rest = busy_server.json("/v1/dead-letters", params={"limit": 2, "cursor": first["next_cursor"]})
    assert first["items"] + rest["items"] == whole["items"]
    assert rest["next_cursor"] is None


def test_the_series_add_up_to_the_versions(busy_server: ServerProcess) -> None:
    for step in ("minute", "hour", "day"):
        series = busy_server.json("/v1/timeseries", params={"step": step})
        assert series["step"] == step
        assert sum(item["requests"] for item in series["items"]) == 520
        starts = [datetime.fromisoformat(item["bucket_start"]) for item in series["items"]]
        assert starts == sorted(starts)
        assert all(start.second == 0 and start.utcoffset() is not None for start in starts)
    assert busy_server.json("/v1/timeseries", params={"since": "1h"})["step"] == "minute"


def test_quantiles_come_from_one_percent_histograms(busy_server: ServerProcess) -> None:
    answer = busy_server.json("/v1/quantiles", params={"q": ["0", "0.5", "1"], "prompt": TRACE})
    (row,) = answer["items"]
    assert (row["n"], answer["metric"]) == (500, "latency_ms")
    values = [quantile["value"] for quantile in row["quantiles"]]
    assert values == sorted(values)
    (version,) = busy_server.json("/v1/versions", params={"prompt": TRACE})["items"]
    assert values[1] == version["latency_ms_p50"]
    costs = busy_server.json("/v1/quantiles", params={"metric": "cost_nano_usd", "q": "0.5"})["items"]
    assert [item["prompt"] for item in costs] == [PROMPT, PROMPT]
    assert costs[0]["quantiles"][0]["value"] == pytest.approx(21_000, rel=0.01)


def test_facets_say_what_there_is_to_choose_from(busy_server: ServerProcess) -> None:
    facets = busy_server.json("/v1/facets")
    assert facets["versions"] == {TRACE: ["1.0.0"], PROMPT: ["1.0.0", "1.1.0"]}
    assert (facets["apps"], facets["environments"]) == (["replay", "support-bot"], ["prod"])
    assert facets["first_event_time"].startswith("2023-11-16T18:1")


@pytest.mark.parametrize("path", LISTS)
def test_arrow_says_the_same_as_json(busy_server: ServerProcess, path: str) -> None:
    rows = arrow(busy_server, path).to_pylist()
    items = busy_server.json(path)["items"]
    assert len(rows) == len(items) > 0
    for row, item in zip(rows, items, strict=True):
        assert row.keys() == item.keys()
        for name, value in row.items():
            expected = item[name]
            assert value == (datetime.fromisoformat(expected) if isinstance(value, datetime) else expected)


def test_an_empty_answer_in_arrow_has_typed_columns(busy_server: ServerProcess) -> None:
    table = arrow(busy_server, "/v1/versions", params={"prompt": "nobody"})
    assert table.num_rows == 0
    assert table.schema.field("latency_ms_p95").type == pa.float64()


def test_what_is_not_in_the_rows_travels_as_metadata(busy_server: ServerProcess) -> None:
    table = arrow(busy_server, "/v1/timeseries", params={"step": "minute", "limit": 3})
    assert table.schema.metadata[b"step"] == b"minute"
    page = busy_server.json("/v1/timeseries", params={"step": "minute", "limit": 3})
    assert table.schema.metadata[b"next_cursor"].decode() == page["next_cursor"]


@pytest.mark.parametrize(
    ("path", "parameters", "named"),
    [
        ("/v1/versions", {"since": "yesterday"}, "since"),
        ("/v1/versions", {"since": "1h", "until": "2h"}, "since"),
        ("/v1/versions", {"until": "9999-12-31T23:59:59"}, "until"),
        ("/v1/versions", {"limit": "0"}, "limit"),
        ("/v1/versions", {"limit": "1000000000"}, "limit"),
        ("/v1/versions", {"cursor": "x"}, "cursor"),
        ("/v1/timeseries", {"cursor": "WyJwIl0"}, "cursor"),
        ("/v1/versions", {"prompt": ""}, "prompt"),
        ("/v1/versions", {"by": "tier"}, "segment:tier"),
        ("/v1/versions", {"by": ["app", "model", "prompt"]}, "by"),
        ("/v1/versions", {"segment": "tier"}, "KEY=VALUE"),
        ("/v1/breakdown", {"prompt": PROMPT, "by": ["app", "app"]}, "given twice"),
        ("/v1/timeseries", {"step": "second"}, "step"),
        ("/v1/quantiles", {"q": "1.5"}, "q"),
        ("/v1/quantiles", {"q": "nan"}, "q"),
        ("/v1/quantiles", {"metric": "quality"}, "metric"),
        ("/v1/dead-letters", {"cursor": "x"}, "cursor"),
        ("/v1/dead-letters", {"status": "lost"}, "status"),
        ("/v1/dead-letters/x", {}, "dead_letter_id"),
    ],
)
def test_a_wrong_parameter_is_named(
    busy_server: ServerProcess, path: str, parameters: dict[str, str], named: str
) -> None:
    response = busy_server.get(path, params=parameters)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"]) == ("urn:coalmine:invalid-request", 422)
    assert named in problem["detail"]


def test_an_unknown_parameter_is_refused_with_the_nearest_name(busy_server: ServerProcess) -> None:
    """A filter that is ignored would answer with everybody's numbers."""
    filtered = busy_server.get("/v1/timeseries", params={"segment": "tier=enterprise", "modle": "x"})
    assert filtered.status_code == 422
    problem = filtered.json()
    assert [error["name"] for error in problem["errors"]] == ["segment", "modle"]
    misspelt = busy_server.get("/v1/versions", params={"promt": "support-refund"}).json()
    assert "did you mean prompt?" in misspelt["detail"]
    assert "this route takes none" in busy_server.get("/v1/facets", params={"prompt": "p"}).json()["detail"]


def test_no_route_ignores_a_parameter(busy_server: ServerProcess) -> None:
    paths = busy_server.json("/openapi.json")["paths"]
    asked = [
        re.sub(r"{[a-z_]+}", "11111111-1111-7111-8111-111111111111", path)
        for path, operations in paths.items()
        if "get" in operations and path.startswith("/v1/")
    ]
    statuses = {path: busy_server.get(path, params={"nonsense": "1"}).status_code for path in asked}
    assert len(statuses) > 20
    assert {path: status for path, status in statuses.items() if status != 422} == {}


def test_another_representation_is_not_acceptable(busy_server: ServerProcess) -> None:
    response = busy_server.get("/v1/versions", headers={"Accept": "text/html"})
    assert response.status_code == 406
    assert response.json()["type"] == "urn:coalmine:not-acceptable"


def test_quantities_by_two_dimensions_in_one_request(busy_server: ServerProcess) -> None:
    whole = {(row["prompt"], row["version"]): row for row in busy_server.json("/v1/versions")["items"]}
    for by in (["version", "model"], ["version", "segment:tier"]):
        rows = busy_server.json("/v1/versions", params={"by": by})["items"]
        assert {(row["prompt"], row["version"]) for row in rows} == set(whole)
        for name, row in whole.items():
            same = [each for each in rows if (each["prompt"], each["version"]) == name]
            assert sum(each["requests"] for each in same) == row["requests"]
            assert sum(each["cost_nano_usd"] or 0 for each in same) == (row["cost_nano_usd"] or 0)
    (row,) = busy_server.json("/v1/versions", params={"by": ["environment", "app"], "prompt": PROMPT})[
        "items"
    ]
    assert (row["environment"], row["prompt"], row["version"], row["requests"]) == ("prod", None, None, 20)
    assert busy_server.json("/v1/versions", params={"segment": "tier=none-such"})["items"] == []
    table = arrow(busy_server, "/v1/versions", params={"by": ["version", "model"]})
    assert table["requests"].to_pylist() == [
        row["requests"]
        for row in busy_server.json("/v1/versions", params={"by": ["version", "model"]})["items"]
    ]
    broken = busy_server.json("/v1/breakdown", params={"prompt": PROMPT, "by": ["version", "model"]})
    assert (broken["by"], broken["and_by"]) == ("version", "model")
    assert [(group["name"], group["requests"]) for group in broken["groups"]] == [
        ("1.0.0 / gpt-4o-mini", 10),
        ("1.1.0 / gpt-4o-mini", 10),
    ]


def test_csv_has_the_rows_of_json(busy_server: ServerProcess) -> None:
    response = busy_server.get("/v1/versions", headers={"Accept": "text/csv"})
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    expected = busy_server.json("/v1/versions")["items"]
    assert [(row["prompt"], row["version"], int(row["requests"])) for row in rows] == [
        (row["prompt"], row["version"], row["requests"]) for row in expected
    ]
    assert [json.loads(row["models"]) for row in rows] == [row["models"] for row in expected]


def test_models_are_told_apart(busy_server: ServerProcess) -> None:
    whole = busy_server.json("/v1/versions")["items"]
    parts = busy_server.json("/v1/versions", params={"by": "model"})["items"]
    assert all(len(row["models"]) == 1 for row in parts)
    for row in whole:
        own = [part for part in parts if (part["prompt"], part["version"]) == (row["prompt"], row["version"])]
        assert sorted(part["models"][0] for part in own) == row["models"]
        assert sum(part["requests"] for part in own) == row["requests"]
    for part in parts:
        name = {"prompt": part["prompt"], "version": part["version"], "model": part["models"][0]}
        assert busy_server.json("/v1/versions", params=name)["items"] == [part]
        buckets = busy_server.json("/v1/timeseries", params={**name, "step": "day"})["items"]
        assert sum(bucket["requests"] for bucket in buckets) == part["requests"]
    assert busy_server.json("/v1/versions", params={"model": "none-such"})["items"] == []


PARAMETERS = [
    "prompt",
    "version",
    "environment",
    "app",
    "model",
    "since",
    "until",
    "limit",
    "offset",
    "step",
    "q",
    "metric",
    "status",
    "event",
    "stage",
]

texts = st.text(max_size=30) | st.sampled_from(["1h", "2026-01-01", "now", "0", "-1", "1e400", "%00", "\x00"])


@settings(
    max_examples=size(20, 200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from([*LISTS, "/v1/facets"]),
    parameters=st.dictionaries(
        st.sampled_from(PARAMETERS),
        texts,
        max_size=4,
    ),
    accept=st.sampled_from(["*/*", ARROW]),
)
def test_no_query_is_a_fault_of_the_server(
    busy_server: ServerProcess, path: str, parameters: dict[str, str], accept: str
) -> None:
    encodable = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
    response = busy_server.get(path, params=encodable, headers={"Accept": accept})
    assert response.status_code in (200, 422), response.text


@pytest.mark.parametrize("query", ["prompt=a&prompt=b", "prompt=a&limit=1&limit=2"])
def test_a_parameter_given_twice_is_refused_rather_than_ignored_once(
    busy_server: ServerProcess, query: str
) -> None:
    refused = busy_server.get(f"/v1/versions?{query}")
    assert refused.status_code == 422
    assert "more than once" in refused.json()["detail"]
    compare = "/v1/compare?prompt=support-refund&a=1.0.0&b=1.1.0&segment=x%3D1&segment=y%3D2"
    assert "more than once" not in busy_server.get(compare).text
