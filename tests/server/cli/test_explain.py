"""Explanations over the command and over HTTP, from events that real clients sent."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from coalmine import Coalmine
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

USERS = 700


class Shop(NamedTuple):
    """A home with calls of two versions at two times in its spool."""

    home: Path
    noon: str
    """Between the two times."""


def produce(home: Path, version: str, paid: float, *, worse: float, first_user: int, seed: int) -> None:
    """Two calls of each user; paid ones are better, by 0.2."""
    random = np.random.default_rng(seed)
    with Coalmine("shop", spool_dir=home / "spool") as client:
        for user in range(first_user, first_user + USERS):
            for _ in range(2):
                tier = "paid" if random.random() < paid else "free"
                segments = {"tier": tier, "user": str(user)}
                with client.call(
                    "greet", version=version, unit_id=f"user-{user}", model="small", segments=segments
                ) as call:
                    call.record(input_tokens=int(random.integers(10, 1_000)), output_tokens=20)
                    level = 0.5 + 0.2 * (tier == "paid") - worse * (tier == "paid")
                    call.metric("quality", float(np.clip(random.normal(level, 0.1), 0, 1)))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Version 2.0.0 is worse for paid users by 0.15, and has more of them."""
    home = tmp_path_factory.mktemp("explained") / "home"
    produce(home, "1.0.0", 0.3, worse=0.0, first_user=0, seed=1)
    noon = datetime.now(UTC).isoformat()
    produce(home, "2.0.0", 0.6, worse=0.15, first_user=USERS, seed=2)
    return Shop(home, noon)


@pytest.fixture(scope="module")
def told(shop: Shop) -> dict[str, Any]:
    """What the command says of the versions without a server."""
    found: dict[str, Any] = coalmine_json("explain", "greet", "--a", "1.0.0", "--b", "2.0.0", home=shop.home)
    return found


@pytest.fixture(scope="module")
def server(shop: Shop, told: dict[str, Any]) -> Iterator[ServerProcess]:
    """A server on the same home, after the command."""
    assert told
    with ServerProcess(shop.home) as server:
        yield server.wait_ready()


def parts(found: dict[str, Any], of: str = "parts") -> dict[str, float]:
    return {part["part"]: part["contribution"] for part in found[of]}


def test_the_command_names_the_cause(told: dict[str, Any]) -> None:
    by_part = parts(told)
    assert sum(by_part.values()) == pytest.approx(told["change"], abs=1e-13)
    assert by_part["prompt"] == pytest.approx(-0.15 * 0.45, abs=0.02)
    assert by_part["traffic mix"] == pytest.approx(0.3 * 0.125, abs=0.02)
    assert by_part["model mix"] == pytest.approx(0.0, abs=1e-9)
    assert told["moved"][0]["value"] == "paid"
    assert told["moved"][0]["verdict"] == "moved"
    assert told["traffic"] == ["tier"]
    assert any("user: about" in words for words in told["left_out"])
    assert told["regression"]["units"] == 2 * USERS
    assert (told["a"]["name"], told["a"]["requests"], told["b"]["units"]) == ("1.0.0", 2 * USERS, USERS)


def test_people_get_a_sentence_then_bars_and_tables(server: ServerProcess) -> None:
    shown = coalmine("explain", "greet", "--a", "1.0.0", "--b", "2.0.0", home=server.home)  # asks the server
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("warning: not randomised")
    assert lines[1].startswith("quality is lower in 2.0.0 than in 1.0.0 by 0.0")
    (prompt,) = (line for line in lines if line.startswith("prompt ") and "in place of" in line)
    (traffic,) = (line for line in lines if line.startswith("traffic mix ") and "different requests" in line)
    full, middle = ("█", "│") if "│" in prompt else ("#", "|")
    assert full + middle in prompt
    assert middle + full in traffic
    assert any(line.startswith("tier=paid") and line.rstrip().endswith("moved") for line in lines)
    assert any("requests of version 2.0.0 have quality lower by" in line for line in lines)
    assert "not looked at: user: about" in shown.stderr
    assert "associations, not causes" in shown.stderr


def test_two_times_are_compared_as_well(server: ServerProcess, shop: Shop) -> None:
    asked = {"prompt": "greet", "since": shop.noon, "before_since": "1d", "segment": "tier"}
    found = server.json("/v1/explain", params=asked)
    assert (found["a"]["name"], found["b"]["name"]) == ("before", "after")
    assert found["a"]["requests"] == found["b"]["requests"] == 2 * USERS
    by_part = parts(found, "parts_of_prompt")
    assert sum(by_part.values()) == pytest.approx(parts(found)["prompt"], abs=1e-13)
    # Only one version was served at each time: what it did differently is the effect of serving it.
    assert by_part["within versions"] == pytest.approx(0.0, abs=1e-9)
    assert any("only after has 2.0.0" in warning for warning in found["warnings"])
    assert found["headline"].startswith("quality fell by 0.0")
    assert "versions served -0.0" in found["headline"]


def rounded(answer: Any) -> Any:
    """DuckDB's threads add sums up in the order in which they end, so that last digits vary."""
    return json.loads(json.dumps(answer), parse_float=lambda text: f"{float(text):.8g}")


def test_a_server_says_the_same(server: ServerProcess, told: dict[str, Any]) -> None:
    versions = {"prompt": "greet", "a": "1.0.0", "b": "2.0.0"}
    assert rounded(server.json("/v1/explain", params=versions)) == rounded(told)
    errors = server.json("/v1/explain", params={**versions, "metric": "error_rate"})
    assert errors["change"] == 0.0
    assert errors["headline"].startswith("too little data")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("hello", "--a", "1.0.0", "--b", "2.0.0"), "known: greet"),
        (("greet", "--a", "1.0.0", "--b", "3.0.0"), "known: 1.0.0, 2.0.0"),
        (("greet", "--a", "1.0.0", "--b", "2.0.0", "--metric", "zeal"), "known: correction_rate, "),
        (("greet", "--a", "1.0.0", "--b", "2.0.0", "--environment", "moon"), "known: prod"),
        (("greet", "--since", "2020-01-01", "--until", "2020-01-02"), "in the earlier period"),
        (("greet", "--a", "1.0.0", "--b", "2.0.0", "--metric", "rating"), "has a value of rating"),
    ],
)
def test_what_is_not_there_is_said_with_what_there_is(
    server: ServerProcess, options: tuple[str, ...], named: str
) -> None:
    asked = {"prompt": options[0]}
    asked |= {name[2:]: value for name, value in zip(options[1::2], options[2::2], strict=True)}
    response = server.get("/v1/explain", params=asked)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert named in response.json()["detail"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "nothing to compare"),
        (("--a", "1.0.0"), "only one version given"),
        (("--a", "1.0.0", "--b", "1.0.0"), "are both 1.0.0"),
        (("--a", "1.0.0", "--b", "2.0.0", "--before_since", "1d"), "not both"),
        (("--since", "1h", "--until", "2h"), "since must be before until"),
        (("--since", "2h", "--before_until", "1h", "--before_since", "3h"), "overlap"),
        (("--since", "1h", "--before_since", "30m", "--before_until", "45m"), "before_since must be before"),
        (("--since", "0001-01-05"), "calendar"),
        (("--a", "1.0.0", "--b", "2.0.0", "--segment", "size"), "these requests have app, tier"),
        (("--a", "1.0.0", "--b", "2.0.0", "--metric", "requests_per_unit"), "not a property of a request"),
    ],
)
def test_a_question_without_sense_is_refused(
    server: ServerProcess, options: tuple[str, ...], why: str
) -> None:
    asked = {name[2:]: value for name, value in zip(options[::2], options[1::2], strict=True)}
    response = server.get("/v1/explain", params={"prompt": "greet", **asked})
    assert (response.status_code, response.json()["type"]) == (422, "urn:coalmine:invalid-request")
    assert why in response.json()["detail"]


@pytest.mark.parametrize(
    ("options", "exit_code", "why"),
    [
        (("hello", "--since", "1h"), 2, "known: greet"),
        (("greet", "--a", "1.0.0"), 2, "only one version given"),
    ],
)
def test_the_command_says_what_is_wrong_in_its_exit_code_too(
    server: ServerProcess, options: tuple[str, ...], exit_code: int, why: str
) -> None:
    shown = coalmine("explain", *options, home=server.home)
    assert (shown.returncode, shown.stdout) == (exit_code, "")
    assert why in shown.stderr
