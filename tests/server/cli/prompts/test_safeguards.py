"""`coalmine freeze`, `unfreeze`, `panic`, `evidence` and `deployments`: what they print and how they end."""

import json
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine

_NUMBERS = count()


@pytest.fixture
def name(registry_server: ServerProcess) -> str:
    """A prompt of the test's own: prod serves 1.0.0, written by somebody else, and 1.0.1 is there."""
    name = f"safeguards-{next(_NUMBERS)}"
    with Person.local(registry_server) as admin, admin.make("writer", "author") as writer:
        # Of its own: who has registered the same content under any name is an author of it, too.
        writer.register(name, "1.0.0", {**HELLO, "template": f"{name}: {HELLO['template']}"})
        writer.register(name, "1.0.1", {**GOODBYE, "template": f"{name}: {GOODBYE['template']}"})
        admin.promote(name, "1.0.0", "prod")
    return name


def run(server: ServerProcess, home: Path, *arguments: str) -> CompletedProcess[str]:
    env = {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": server.token}
    return coalmine(*arguments, home=home, env=env)


def answer(server: ServerProcess, home: Path, *arguments: str) -> Any:
    done = run(server, home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_frozen_is_refused_with_who_and_why_until_it_is_ended(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    frozen = answer(registry_server, tmp_path, "freeze", "prod", "--prompt", name, "--reason", "peak season")
    assert (frozen["environment"], frozen["prompt"], frozen["until"]) == ("prod", name, None)
    refused = run(registry_server, tmp_path, "promote", name, "1.0.1", "prod")
    assert refused.returncode == 1
    for words in ("frozen by local", "peak season", f"coalmine unfreeze {frozen['id']}"):
        assert words in refused.stderr
    listed = answer(registry_server, tmp_path, "freeze", "--list", "--prompt", name)
    assert [each["id"] for each in listed] == [frozen["id"]]
    shown = run(registry_server, tmp_path, "freeze", "--list", "--prompt", name)
    assert "peak season" in shown.stdout
    ended = run(registry_server, tmp_path, "unfreeze", str(frozen["id"]))
    assert (ended.returncode, ended.stderr) == (0, f"{name} in prod is no longer frozen by {frozen['id']}\n")
    assert run(registry_server, tmp_path, "promote", name, "1.0.1", "prod").returncode == 0


def test_a_freeze_needs_a_reason_and_may_end_by_itself(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    done = run(registry_server, tmp_path, "freeze", "prod", "--prompt", name)
    assert done.returncode == 2
    assert "needs a reason" in done.stderr
    until = answer(
        registry_server,
        *(tmp_path, "freeze", "--prompt", name, "--reason", "x", "--until", "2999-01-01T08:00:00Z"),
    )
    assert until["until"] == "2999-01-01T08:00:00Z"
    assert until["environment"] is None
    wrong = run(registry_server, tmp_path, "freeze", "--prompt", name, "--reason", "x", "--until", "soon")
    assert wrong.returncode == 2
    assert "'soon' is not a time" in wrong.stderr
    nothing = run(registry_server, tmp_path, "unfreeze", "999999999")
    assert nothing.returncode == 2


def test_panic_goes_back_everywhere_ends_experiments_and_freezes(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    experiment = f"{name}-tone"
    arms = ("--arm", "treatment=1.0.1:0.1", "--arm", "control=1.0.0:0.9")
    answer(registry_server, tmp_path, "experiment", "start", experiment, "--prompt", name, *arms)
    done = run(registry_server, tmp_path, "panic", name, "--reason", "it insults people")
    assert done.returncode == 0
    assert f"prod serves {name}@1.0.0" in done.stderr
    assert f"ended: {experiment}" in done.stderr
    again = answer(registry_server, tmp_path, "panic", name, "--reason", "once more")
    assert [each["changed"] for each in again["environments"]] == [False]
    assert run(registry_server, tmp_path, "promote", name, "1.0.1", "prod").returncode == 1
    assert run(registry_server, tmp_path, "panic", f"{name}x", "--reason", "x").returncode == 2


def test_evidence_is_recorded_listed_and_accepted(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    made = run(
        registry_server,
        *(tmp_path, "evidence", "record", name, "1.0.1", "--passed", "--summary", "212 of 214 pass"),
    )
    assert made.returncode == 0, made.stderr
    reference = made.stderr.rpartition("--evidence ")[2].strip()
    assert reference.startswith("eval_run=")
    promoted = answer(registry_server, tmp_path, "promote", name, "1.0.1", "staging", "--evidence", reference)
    assert promoted["evidence"][0]["kind"] == "eval_run"
    made_up = run(
        registry_server, tmp_path, "promote", name, "1.0.1", "prod", "--evidence", "eval_run=made-up"
    )
    assert made_up.returncode != 0
    answer(
        registry_server,
        *(tmp_path, "evidence", "record", name, "1.0.0", "--failed", "--kind", "red_team", "--summary", "x"),
    )
    listed = answer(registry_server, tmp_path, "evidence", "list", name)
    assert [(each["kind"], each["passed"]) for each in listed] == [("red_team", False), ("eval_run", True)]
    only = answer(registry_server, tmp_path, "evidence", "list", name, "--version", "1.0.1")
    assert [each["summary"] for each in only] == ["212 of 214 pass"]
    with Person.local(registry_server) as admin:
        assert admin.get(f"/v1/evidence/{only[0]['id']}") == only[0]


def test_deployments_are_shown_as_they_are_and_as_they_were(
    registry_server: ServerProcess, tmp_path: Path, name: str
) -> None:
    before = answer(registry_server, tmp_path, "deployments", "prod")
    moment = next(each["changed_at"] for each in before if each["prompt"] == name)
    answer(registry_server, tmp_path, "promote", name, "1.0.1", "prod")
    now = answer(registry_server, tmp_path, "deployments")
    then = answer(registry_server, tmp_path, "deployments", "prod", "--at", moment)
    versions = [next(each["version"] for each in listed if each["prompt"] == name) for listed in (now, then)]
    assert versions == ["1.0.1", "1.0.0"]
    assert answer(registry_server, tmp_path, "deployments", "--at", "2001-01-01") == []
    shown = run(registry_server, tmp_path, "deployments")
    assert any(line.split()[:2] == [name, "1.0.1"] for line in shown.stdout.splitlines())
