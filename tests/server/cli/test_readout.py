"""Readouts and comparisons over the command and over HTTP, from events that real clients sent."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine import Coalmine
from coalmine_analytics.results.readout import Readout
from coalmine_server.cli.readout import write_readout
from coalmine_server.client import read_as
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

SETTINGS = """
[readout]
look_every_s = 0.2
max_age_s = 0

[readout.metrics.zeal]
direction = "higher"
role = "must_prove"
margin = "10%"
range = [-9, 9]  # else its first values, maybe all there are, would only find bounds for later ones

[readout.experiments.tone]
control = "old"
goals = ["zeal"]
weights = { old = 1, new = 1 }
"""
UNITS = 1_200


def produce(home: Path, first: int, count: int) -> None:
    """Two requests of each unit; the new version has more errors, and one model fewer."""
    random = np.random.default_rng(first)
    with Coalmine("shop", spool_dir=home / "spool") as client:
        for unit in range(first, first + count):
            new = unit % 2 == 1
            for _ in range(2):
                with client.call(
                    "greet",
                    version="2.0.0" if new else "1.0.0",
                    variant="new" if new else "old",
                    experiment="tone",
                    allocation_epoch=1,
                    unit_id=f"user-{unit}",
                    model="large" if new and random.random() < 0.5 else "small",
                    segments={"tier": ("free", "paid")[unit % 3 == 0], "user": str(unit)},
                ) as call:
                    call.metric("zeal", float(random.normal(0.7, 0.1)))
                    if random.random() < (0.3 if new else 0.02):
                        call.error("timeout")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an experiment in its spool."""
    home = tmp_path_factory.mktemp("shop") / "home"
    home.mkdir()
    (home / "coalmine.toml").write_text(SETTINGS, encoding="utf-8")
    produce(home, 0, UNITS)
    return home


@pytest.fixture(scope="module")
def told(shop: Path) -> dict[str, Any]:
    """What the command says without a server."""
    found: dict[str, Any] = coalmine_json("readout", "tone", home=shop)
    return found


@pytest.fixture(scope="module")
def server(shop: Path, told: dict[str, Any]) -> Iterator[ServerProcess]:
    """A server on the same home, after the command."""
    assert told
    with ServerProcess(shop) as server:
        yield server.wait_ready()


def metrics(readout: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (arm,) = readout["arms"]
    return {metric["metric"]: metric for metric in arm["metrics"]}


def test_the_command_says_what_to_do_and_why(told: dict[str, Any], shop: Path) -> None:
    (arm,) = told["arms"]
    assert (told["control"], arm["arm"], arm["decision"]) == ("old", "new", "rollback")
    assert arm["words"] == "roll back: worse in error_rate"
    assert (told["control_units"], arm["units"], arm["requests"]) == (UNITS // 2, UNITS // 2, UNITS)
    errors = metrics(told)["error_rate"]
    assert errors["verdict"] == "worse"
    assert errors["lower"] < errors["effect"] < errors["upper"]
    assert errors["effect"] == pytest.approx(0.28, abs=0.05)
    assert metrics(told)["zeal"]["goal"]
    assert told["srm"]["p"] > 0.05
    text = coalmine("readout", "tone", home=shop).stdout
    assert "roll back: worse in error_rate" in text
    assert "no deviation from the planned proportions shown" in text
    assert "left out" not in text
    assert "zeal ** (goal)" in text


def test_the_intervals_are_told_as_they_are(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    write_readout(replace(read_as(Readout, told), alpha=0.004))
    assert "99.6% intervals" in capsys.readouterr().out  # and not 100 %


def test_requests_that_were_left_out_are_told(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_readout(replace(read_as(Readout, told), left_out_requests=3))
    assert "left out: 3 requests that name an arm or an allocation epoch that tone never had" in (
        capsys.readouterr().out
    )


def test_the_command_lists_experiments_and_knows_none_by_another_name(shop: Path) -> None:
    (row,) = coalmine_json("readout", home=shop)
    assert row == {"experiment": "tone", "requests": 2 * UNITS, "epochs": [1], "arms": ["new", "old"]}
    wrong = coalmine("readout", "tune", home=shop)
    assert wrong.returncode == 2
    assert "did you mean tone? known: tone" in wrong.stderr


def test_a_server_says_the_same_and_goes_on_from_there(server: ServerProcess, told: dict[str, Any]) -> None:
    assert server.json("/v1/experiments/tone/readout") == told
    assert server.json("/v1/readouts")["items"][0]["experiment"] == "tone"
    assert [look["taken_at"] for look in server.json("/v1/experiments/tone/looks")["items"]] == [
        told["taken_at"]
    ]
    produce(server.home, UNITS, 100)
    # Nobody asks for the readout: the server takes the look by itself.
    path = eventually(
        lambda: [
            look
            for look in server.json("/v1/experiments/tone/looks")["items"]
            if look["arms"][0]["requests"] == UNITS + 100
        ],
        what="a look in the background",
    )
    assert path[-1]["arms"][0]["decision"] == "rollback"
    assert (
        metrics(path[-1])["error_rate"]["evidence"]["harm"] <= metrics(told)["error_rate"]["evidence"]["harm"]
    )


def test_what_is_not_there_is_a_problem_document(server: ServerProcess) -> None:
    for path in (
        "/v1/experiments/tune/readout",
        "/v1/experiments/tune/looks",
        "/v1/compare?prompt=greet&a=1.0.0&b=9.0.0",
    ):
        response = server.get(path)
        assert response.status_code == 404, path
        assert response.headers["content-type"] == "application/problem+json"
    assert server.get("/v1/compare?prompt=greet&a=1.0.0&b=1.0.0").status_code == 422


def test_of_an_experiment_without_arms_it_is_said_what_is_missing(server: ServerProcess, shop: Path) -> None:
    with (
        Coalmine("shop", spool_dir=shop / "spool") as client,
        client.call("other", version="1.0.0", experiment="unarmed", model="small"),
    ):
        pass
    eventually(lambda: "unarmed" in server.get("/v1/readouts").text, what="the experiment")
    detail = server.get("/v1/experiments/unarmed/readout").json()["detail"]
    assert 'no request of experiment "unarmed" names an arm' in detail


def test_a_comparison_of_arms_is_of_their_experiment(server: ServerProcess, shop: Path) -> None:
    found = server.json("/v1/compare", params={"prompt": "greet", "a": "1.0.0", "b": "2.0.0"})
    assert found["randomised"] is True
    assert "these are the requests of tone" in found["warnings"][0]
    assert found["adjusted_for"] == ["model", "tier", "time"]  # each user is a segment of its own: no use
    assert 0.5 < found["coverage"] < 0.9  # only the new version has the large model
    errors = {metric["metric"]: metric for metric in found["metrics"]}["error_rate"]
    assert errors["verdict"] == "seems worse"
    text = coalmine("compare", "greet", "1.0.0", "2.0.0", home=shop)
    assert "these are the requests of tone" in text.stdout
    assert "seems worse" in text.stdout


def test_a_plan_is_checked_against_the_traffic_there_was(server: ServerProcess, shop: Path) -> None:
    plan = ("greet", "--weights", "10%,25%,50%", "--min-time", "1h")
    found = coalmine_json("experiment", "check", *plan, home=shop)
    assert (found["ends"], found["first_weight"]) == (True, None)
    assert [stage["weight"] for stage in found["stages"]] == [0.1, 0.25, 0.5]
    assert [stage["min_time_h"] for stage in found["stages"]] == [1.0, 1.0, 0.0]
    assert found["units"] >= UNITS  # another test may have sent more
    assert found["requests"] == 2 * found["units"]
    assert found["hours"] == pytest.approx(sum(stage["hours"] for stage in found["stages"]))
    zeal = {metric["metric"]: metric for metric in found["stages"][-1]["metrics"]}["zeal"]
    assert zeal["value"] == pytest.approx(0.7, abs=0.02)
    assert zeal["hours_to_accept"] is not None
    text = coalmine("experiment", "check", *plan, home=shop).stdout
    assert f"greet in prod: {found['words']}" in text
    assert "stage 3, 50% of the units" in text


def test_a_plan_that_cannot_end_exits_with_1_and_says_why(server: ServerProcess) -> None:
    hard = ("--margin", "error_rate=0.0000001", "--longest", "1h", "--min-time", "5m")
    done = coalmine("experiment", "check", "greet", *hard, home=server.home)
    assert done.returncode == 1
    assert "not within 1.0 h: too little traffic to prove error_rate" in done.stdout
    done = coalmine("experiment", "check", "greet", "--longest", "1h", "--min-time", "5h", home=server.home)
    assert (done.returncode, "not within 1.0 h: it takes 5." in done.stdout) == (1, True)


def test_the_catalogue_has_what_is_built_in_what_settings_say_and_what_the_data_have(
    server: ServerProcess,
) -> None:
    rows = {row["metric"]: row for row in server.json("/v1/metrics")["items"]}
    assert rows["quality"]["role"] == "must_prove"
    assert rows["zeal"]["margin"] == "10%"
    assert not rows["zeal"]["built_in"]
    assert json.dumps(rows)


def test_the_catalogue_has_outcomes_of_units_before_any_is_old_enough(server: ServerProcess) -> None:
    with Coalmine("billing", spool_dir=server.home / "spool") as client:
        client.outcome("zeal", 0.7, unit_id="user-0")

    def row() -> dict[str, Any] | None:
        rows = {row["metric"]: row for row in server.json("/v1/metrics")["items"]}
        return rows.get("per_unit.zeal")

    assert eventually(row, what="the outcome")["role"] == "shown"


def test_evidence_may_begin_anew(server: ServerProcess) -> None:
    told = coalmine("readout", "tone", "--begin-anew", "a bad deploy", home=server.home).stdout
    assert "a bad deploy)" in told
    found = server.json("/v1/experiments/tone/readout")
    assert found["begun_anew"]["reason"] == "a bad deploy"
    assert found["arms"][0]["decision"] == "hold"
    assert coalmine("readout", "--begin-anew", "why", home=server.home).returncode == 2
    assert coalmine("readout", "nothing", "--begin-anew", "why", home=server.home).returncode == 2
