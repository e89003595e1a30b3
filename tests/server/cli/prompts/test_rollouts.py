"""`coalmine rollout` and `timeline` against a real server: from the start to the end, and after a crash."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_rollouts.records import TERMINAL
from coalmine_server.cli.prompts.rollout_views import ENDS
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine

_NUMBERS = count()
QUICK = """
stages:
  - {weight: 50%, min_time: 0s, min_units: 0, gate: no_harm}
bake: {time: 0s}
"""
"""Completes as soon as both arms had requests."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("rollouts") / "home") as running:
        yield running.wait_ready()


@pytest.fixture
def name(server: ServerProcess) -> str:
    """A prompt of the test's own."""
    return prompt(server)


def prompt(server: ServerProcess) -> str:
    """A prompt of which prod serves 1.0.0; 1.1.0 is there, too. Somebody else wrote both."""
    name = f"rollouts-{next(_NUMBERS)}"
    with Person.local(server) as admin, admin.make("writer", "author") as writer:
        writer.register(name, "1.0.0", HELLO)
        writer.register(name, "1.1.0", GOODBYE)
        admin.promote(name, "1.0.0", "prod")
    return name


def run(server: ServerProcess, *arguments: str, token: str | None = None) -> CompletedProcess[str]:
    return coalmine(*arguments, home=server.home, env={} if token is None else {"COALMINE_TOKEN": token})


def answer(server: ServerProcess, *arguments: str, token: str | None = None) -> Any:
    done = run(server, *arguments, "--json", token=token)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def start(server: ServerProcess, name: str, *options: str, plan: str | None = None) -> Any:
    if plan is not None:
        (server.home / "plan.yaml").write_text(plan)
        options = (*options, "--plan", str(server.home / "plan.yaml"))
    return answer(server, "rollout", "start", name, "1.1.0", *options)


def state(server: ServerProcess, rollout: str) -> str:
    return str(server.json(f"/v1/rollouts/{rollout}")["state"])


def wait_until(server: ServerProcess, rollout: str, wanted: str) -> None:
    eventually(lambda: state(server, rollout) == wanted, what=f"{rollout} {wanted}")


@contextmanager
def client(server: ServerProcess) -> Iterator[Coalmine]:
    with Coalmine("rollout-app", environment="prod", home=server.home) as opened:
        assert opened.wait_for_registry()
        yield opened


def ask(client: Coalmine, name: str, users: range, *, fails: bool = False) -> set[str]:
    """Has some users ask; with `fails`, those of the treatment in vain. Returns the versions served."""
    versions = set()
    for user in users:
        served = client.prompt(name, unit_id=f"user-{user}")
        versions.add(served.version)
        try:
            with served.call(model="gpt-4o-mini") as call:
                call.record(input_tokens=100, output_tokens=10)
                if fails and served.version == "1.1.0":
                    raise ValueError("made to fail")
        except ValueError:
            pass
    client.flush(10)
    return versions


def test_every_end_has_an_exit_code() -> None:
    assert set(ENDS) == TERMINAL
    assert (ENDS["completed"], ENDS["rolled_back"], ENDS["expired"], ENDS["superseded"]) == (0, 1, 4, 4)


def test_a_rollout_is_started_fed_by_the_simulator_and_tells_where_it_stands(
    server: ServerProcess, name: str
) -> None:
    started = start(server, name, "--template", "canary-fast")
    rollout = started["id"]
    assert (started["state"], started["control"], started["treatment"]) == ("running", "1.0.0", "1.1.0")
    rate = ("--rate", "100", "--speed", "10", "--seconds", "3", "--users", "300")
    answer(server, "simulate", "--registry", name, "--mix", *rate)

    def seen() -> Any:
        status = answer(server, "rollout", "status", rollout)
        return status if status["units"] and status["weight_observed"] else None

    status = eventually(seen, what="units in the treatment")
    assert (status["state"], status["stage"], status["weight_commanded"]) == ("running", 0, 0.5)
    assert 0.2 < status["weight_observed"] < 0.8
    assert isinstance(status["holds"], list)
    assert "then everybody" in status["sentence"] or status["sentence"].startswith("holding")
    assert answer(server, "rollout", "status")["id"] == rollout
    why = answer(server, "rollout", "why", rollout)
    assert [each["seq"] for each in why] == list(range(1, len(why) + 1))
    assert {each["kind"] for each in why} >= {"create", "start"}
    checked = run(server, "rollout", "check", name, "1.1.0", "--template", "canary-fast", "--json")
    forecast = json.loads(checked.stdout)
    assert (forecast["prompt"], len(forecast["stages"])) == (name, 1)
    assert checked.returncode == (0 if forecast["ends"] else 1)
    shown = run(server, "rollout", "status", rollout)
    assert shown.stdout.startswith(f"{rollout}: ")
    assert "50% commanded" in shown.stdout
    assert "error_rate" in shown.stdout
    markdown = run(server, "timeline", name, "--md").stdout
    assert markdown.startswith(f"# Timeline of {name}\n")
    for words in (
        "register 1.1.0",
        "promote: prod serves 1.0.0",
        f"rollout {rollout}: running".replace("_", "\\_"),
    ):
        assert words in markdown
    items = answer(server, "timeline", name)
    assert [item["kind"] for item in items][:2] == ["version", "version"]
    exported = run(server, "rollout", "export", rollout)
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout.startswith("#")
    answer(server, "rollout", "abort", rollout, "--reason", "enough seen")
    assert state(server, rollout) == "aborted"
    assert server.json(f"/v1/environments/prod/prompts/{name}")["default"] == {"version": "1.0.0"}


def test_a_version_that_fails_is_taken_back_says_why_and_can_be_tried_again(
    server: ServerProcess, name: str
) -> None:
    rollout = start(server, name, "--template", "canary-fast")["id"]
    with client(server) as app:
        eventually(lambda: "1.1.0" in ask(app, name, range(60), fails=True), what="treatment served")

        def taken_back() -> bool:
            ask(app, name, range(60), fails=True)
            return state(server, rollout) == "rolled_back"

        eventually(taken_back, what="rolled back")
        eventually(lambda: ask(app, name, range(60)) == {"1.0.0"}, what="everybody on the control")
    last = answer(server, "rollout", "why", rollout)[-1]
    assert (last["to_state"], last["actor"]) == ("rolled_back", f"rollout:{rollout}")
    assert last["evidence"]["look"]["limits"][0]["broken"]
    assert "error_rate" in run(server, "rollout", "why", rollout).stdout
    again = answer(server, "rollout", "retry", rollout)
    assert (again["retry_of"], again["state"]) == (rollout, "running")


@pytest.mark.parametrize(("fails", "code", "end"), [(False, 0, "completed"), (True, 1, "rolled_back")])
def test_a_job_can_wait_for_the_end(
    server: ServerProcess, name: str, *, fails: bool, code: int, end: str
) -> None:
    with ThreadPoolExecutor(1) as pool, client(server) as app:
        plan = server.home / f"{name}.yaml"
        plan.write_text(QUICK if not fails else "rollout: canary-fast\n")
        arguments = ("rollout", "start", name, "1.1.0", "--plan", str(plan), "--wait", "--json")
        waiting = pool.submit(run, server, *arguments)

        def has_ended() -> bool:
            ask(app, name, range(60), fails=fails)
            return waiting.done()

        eventually(has_ended, what=end)
    done = waiting.result()
    assert (done.returncode, json.loads(done.stdout)["state"]) == (code, end), done.stderr
    assert ("1.1.0 as shipped to prod" in run(server, "log", name).stdout) is (end == "completed")


def test_pause_resume_and_a_stale_view(server: ServerProcess, name: str) -> None:
    started = start(server, name, "--template", "canary-fast")
    rollout = started["id"]
    paused = answer(server, "rollout", "pause", rollout, "--reason", "lunch")
    assert (paused["state"], paused["answer"]) == ("paused", "done")
    stale = run(server, "rollout", "resume", rollout, "--revision", str(started["row_version"]))
    assert stale.returncode == 1
    assert "has changed since you looked: it is paused" in stale.stderr
    answer(server, "rollout", "resume", rollout, "--revision", str(paused["row_version"]))
    assert state(server, rollout) == "running"
    refused = run(server, "rollout", "resume", rollout)
    assert refused.returncode == 1
    unforced = run(server, "rollout", "promote", rollout, "--reason", "no proof")
    assert (unforced.returncode, "add --force" in unforced.stderr) == (2, True)
    forced = answer(server, "rollout", "promote", rollout, "--force", "--reason", "the old one is broken")
    assert forced["state"] == "baking"
    assert server.json(f"/v1/environments/prod/prompts/{name}")["default"] == {"version": "1.1.0"}
    aborted = answer(server, "rollout", "abort", rollout, "--reason", "the new one, too", "--revision", "1")
    assert aborted["state"] == "aborted"
    assert server.json(f"/v1/environments/prod/prompts/{name}")["default"] == {"version": "1.0.0"}


def test_an_author_waits_for_somebody_else(server: ServerProcess, name: str) -> None:
    with Person.local(server) as admin, admin.make(f"author-of-{name}", "author") as author:
        done = run(server, "rollout", "start", name, "1.1.0", "--json", token=author.token)
        started = json.loads(done.stdout)
        assert started["state"] == "pending"
        assert any("approv" in reason for reason in started["reasons"])
        assert run(server, "rollout", "approve", started["id"], token=author.token).returncode == 1
    assert answer(server, "rollout", "approve", started["id"])["answer"] == "done"
    wait_until(server, started["id"], "running")


def test_a_place_that_is_taken_is_refused_queued_for_or_taken_over(server: ServerProcess, name: str) -> None:
    first = start(server, name, "--template", "canary-fast")["id"]
    refused = run(server, "rollout", "start", name, "1.1.0")
    assert refused.returncode == 1
    assert first in refused.stderr
    steered = run(server, "promote", name, "1.1.0", "prod")
    assert steered.returncode == 1
    assert first in steered.stderr
    both = run(server, "rollout", "start", name, "1.1.0", "--queue", "--replace")
    assert both.returncode == 2
    second = start(server, name, "--replace")["id"]
    assert state(server, first) == "superseded"
    listed = answer(server, "rollout", "list", "--prompt", name)
    assert [each["id"] for each in listed] == [second, first]


def test_the_plan_of_the_version_is_used_and_a_wrong_one_is_refused_with_its_place(
    server: ServerProcess, name: str
) -> None:
    with Person.local(server) as admin, admin.make(f"w-{name}", "author") as writer:
        content = {**GOODBYE, "metadata": {"rollout": {"rollout": "canary-careful", "alpha": 0.01}}}
        writer.register(name, "1.2.0", content)
    started = answer(server, "rollout", "start", name, "1.2.0")
    assert (started["template"], started["plan"]["alpha"]) == ("canary-careful", 0.01)
    answer(server, "rollout", "abort", started["id"], "--reason", "tidy")
    (server.home / "wrong.yaml").write_text("stages: [{weight: 150%}]\n")
    wrong = run(server, "rollout", "start", name, "1.1.0", "--plan", str(server.home / "wrong.yaml"))
    assert wrong.returncode == 2
    assert "plan.stages[0].weight" in wrong.stderr
    unknown = run(server, "rollout", "start", name, "1.1.0", "--template", "canary-quick")
    assert unknown.returncode == 2
    assert "did you mean canary-" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rollout", "status", "nothing"), "no rollout 'nothing'"),
        (("rollout", "why", "nothing"), "no rollout 'nothing'"),
        (("rollout", "list", "--prompt", "nothing"), "no prompt 'nothing'"),
        (("timeline", "nothing"), "no prompt 'nothing'"),
    ],
)
def test_what_does_not_exist_ends_with_2(
    server: ServerProcess, arguments: tuple[str, ...], message: str
) -> None:
    done = run(server, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message in done.stderr


def test_the_heartbeat_is_a_metric_and_readiness_is_whole(server: ServerProcess) -> None:
    def age_s() -> float:
        text = server.get("/metrics").text
        return float(
            next(
                line.split()[1]
                for line in text.splitlines()
                if line.startswith("coalmine_rollout_tick_age_s")
            )
        )

    assert age_s() < 60
    assert server.web.get("/readyz").json() == {"status": "ok"}


def test_a_server_that_is_killed_while_it_goes_back_does_so_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(home) as server:
        server.wait_ready()
        failing, asked = (start(server, prompt(server), "--template", "canary-fast") for _ in range(2))
        with client(server) as app:
            eventually(
                lambda: "1.1.0" in ask(app, failing["prompt"], range(60), fails=True), what="treatment served"
            )
        with Person.local(server) as admin:
            admin.post(f"/v1/rollouts/{asked['id']}/abort", {"reason": "killed"})
        # Before, in or after the transactions that take them back.
        server.signal(signal.SIGKILL)
        server.wait()
    with ServerProcess(home) as server:
        server.wait_ready()
        for rollout, end in ((failing, "rolled_back"), (asked, "aborted")):
            wait_until(server, rollout["id"], end)
            decisions = answer(server, "rollout", "why", rollout["id"])
            assert [each["seq"] for each in decisions] == list(range(1, len(decisions) + 1))
            assert [each["to_state"] for each in decisions].count(end) == 1
            served = server.json(f"/v1/environments/prod/prompts/{rollout['prompt']}")
            assert (served["default"], served["experiments"]) == ({"version": "1.0.0"}, {})
            made = [each["revision"] for each in decisions if each["revision"] is not None]
            assert (made, served["revision"]) == ([2, 3], 3)
