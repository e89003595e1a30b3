"""Drift over the command and over HTTP: a service whose provider changes the model, and one that stays."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_simulator import Playback, Simulation, SimulationConfig, run
from coalmine_simulator.incidents import Effect, Incident, Target
from coalmine_simulator.services import (
    refund_stable,
    search_answer,
    search_stable,
    serve_only,
    support_refund,
)
from coalmine_simulator.traffic import Traffic
from tests.support.processes.coalmine_process import ServerProcess, coalmine

DAY_S = 86_400.0
NEW_MODEL = "gpt-4o-mini-2025-01-01"
CHANGED = Incident(
    "the provider changes the model",
    20 * DAY_S,
    Effect(quality_shift=-0.2, output_tokens_factor=1.3, response_model=NEW_MODEL),
    target=Target(model="gpt-4o-mini"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 days of two services in a spool; on the 21st day the model of one of them changes."""
    home = tmp_path_factory.mktemp("drift") / "home"
    story = SimulationConfig(
        prompts=(
            support_refund(serve_only("1.3.0"), refund_stable()),
            search_answer(serve_only("3.1.0"), search_stable()),
        ),
        traffic=Traffic(requests_per_s=0.006),
        incidents=(CHANGED,),
    )
    clients: list[Coalmine] = []

    def client(app: str, environment: str) -> Coalmine:
        clients.append(Coalmine(app, environment=environment, home=home, on_full="wait"))
        return clients[-1]

    run(Simulation(story, 11), client, Playback(history_s=26 * DAY_S))
    for each in clients:
        each.close()
    return home


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    """What the command says of the one that drifts, without a server."""
    result = coalmine("drift", "support-refund", "--json", home=home)
    assert result.returncode == 1, result.stderr
    (item,) = json.loads(result.stdout)["items"]
    found: dict[str, Any] = item
    return found


@pytest.fixture(scope="module")
def server(home: Path, told: dict[str, Any]) -> Iterator[ServerProcess]:
    """A server on the same home, after the command."""
    assert told
    with ServerProcess(home) as server:
        yield server.wait_ready()


def metrics(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["metric"]: metric for metric in item["metrics"]}


def test_the_version_that_drifts_is_found_with_its_cause(told: dict[str, Any]) -> None:
    assert (told["version"], told["environment"], told["state"]) == ("1.3.0", "prod", "drifted")
    found = metrics(told)
    quality, tokens = found["quality"], found["output_tokens"]
    assert (quality["state"], tokens["state"]) == ("drifted", "drifted")
    assert quality["better"] is False
    assert quality["lower"] < quality["shift"] < quality["upper"] < 0
    assert quality["shift"] == pytest.approx(-0.2, abs=0.06)
    assert tokens["relative_shift"] == pytest.approx(0.3, abs=0.06)
    (change,) = told["model_changes"]
    assert (change["response_model"], change["before"]) == (NEW_MODEL, ["gpt-4o-mini"])
    assert change["share_lately"] == 1.0
    assert quality["likely_causes"] == [change]
    assert quality["since_earliest"] <= quality["since"] <= quality["since_latest"]
    assert change["first_seen"] < tokens["detected_at"]
    steady = {name for name, metric in found.items() if metric["state"] == "steady"}
    assert {"error_rate", "refusal_rate", "latency_ms", "requests_per_unit", "input_tokens"} <= steady


def test_the_version_that_stays_is_steady(server: ServerProcess) -> None:
    (item,) = server.json("/v1/drift", params={"prompt": "search-answer"})["items"]
    assert (item["state"], item["words"], item["model_changes"]) == ("steady", "no drift", [])
    assert {metric["state"] for metric in item["metrics"]} == {"steady"}


def test_people_get_a_table_and_scripts_an_exit_code(server: ServerProcess) -> None:
    drifting = coalmine("drift", "support-refund", home=server.home)
    assert drifting.returncode == 1, drifting.stderr
    assert "support-refund 1.3.0 in prod: drift in quality" in drifting.stdout
    assert f"{NEW_MODEL} answers for gpt-4o-mini since" in drifting.stdout
    assert f"{NEW_MODEL} began to answer for gpt-4o-mini at about that time" in drifting.stdout
    assert "a false alarm about once in 365 days or more rarely" in drifting.stdout
    steady = coalmine("drift", "search-answer", "--metric", "quality", home=server.home)
    assert steady.returncode == 0, steady.stderr
    assert "no drift" in steady.stdout
    assert "error_rate" not in steady.stdout
    unknown = coalmine("drift", "support-refnd", home=server.home)
    assert unknown.returncode == 2
    assert "known: search-answer, support-refund" in unknown.stderr


def test_a_day_is_ignored_and_counts_again(server: ServerProcess) -> None:
    holiday = ("drift", "search-answer", "--ignore-day", "2024-02-02")
    for wrong in (
        holiday,
        ("drift", "search-answer", "--reason", "why"),
        (*holiday, "--count-day", "2024-02-02"),
    ):
        refused = coalmine(*wrong, home=server.home)
        assert refused.returncode == 2, refused.stdout
        assert "--ignore-day or --count-day" in refused.stderr
    malformed = coalmine(*holiday[:3], "yesterday", "--reason", "why", home=server.home)
    assert malformed.returncode == 2
    assert "day" in malformed.stderr
    day = server.json("/v1/drift", params={"prompt": "search-answer"})["items"][0]["reference_since"][:10]
    ignored = coalmine("drift", "search-answer", "--ignore-day", day, "--reason", "holiday", home=server.home)
    assert ignored.returncode == 0, ignored.stderr
    assert f"{day} is ignored: holiday, by local at" in ignored.stdout
    again = coalmine("drift", "search-answer", "--count-day", day, "--reason", "none", home=server.home)
    assert f"{day} counts again: none, by local at" in again.stdout


def test_a_server_says_the_same_as_the_command(server: ServerProcess, told: dict[str, Any]) -> None:
    (item,) = server.json("/v1/drift", params={"prompt": "support-refund"})["items"]
    assert metrics(item)["quality"]["detected_at"] == metrics(told)["quality"]["detected_at"]
    assert item["model_changes"] == told["model_changes"]
    chosen = {"version": "1.3.0", "environment": "prod", "metric": "quality"}
    (one,) = server.json("/v1/drift", params={"prompt": "support-refund", **chosen})["items"]
    assert [row["metric"] for row in one["metrics"]] == ["quality"]
    assert metrics(one)["quality"]["log_threshold"] == metrics(item)["quality"]["log_threshold"]


@pytest.mark.parametrize(
    ("query", "known"),
    [
        ("prompt=support-refnd", "known: search-answer, support-refund"),
        ("prompt=support-refund&version=9.0.0", "known: 1.3.0"),
        ("prompt=support-refund&environment=dev", "known: prod"),
        ("prompt=support-refund&metric=zeal", "quality"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(server: ServerProcess, query: str, known: str) -> None:
    missing = server.get(f"/v1/drift?{query}")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert known in missing.json()["detail"]
