"""A suite is pushed, CI runs it elsewhere and publishes the run, and a promotion takes that as evidence."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, with_constants
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

MODEL = "gpt-4o-mini-2024-07-18"
OTHER = "gpt-4.1-mini-2025-04-14"
SUITE = """
prompt: sums
dataset: sums
file: sums.jsonl
metrics:
  right: {scorer: numeric_answer, margin: 10%}
"""
IMPORT = ("dataset", "import", "sums.jsonl", "--name", "sums")
WITH_MODEL = {"variables": {"question": {"type": "string"}}, "model": MODEL}


def adds(asked: Asked) -> Reply:
    """Adds, but 1.2.0 is wrong about every third sum, and 1.1.0 goes on and on about one."""
    version, question = asked.last_message.split(": what is ")
    one, other = (int(each) for each in question.rstrip("?").split(" + "))
    wrong = version == "v1.2.0" and one % 3 == 0
    more = " and so on" * 30_000 if (version, one) == ("v1.1.0", 7) else ""
    return Reply(chat(f"It is {0 if wrong else one + other}.{more}", model=str(asked.body["model"])))


def write_suite(home: Path) -> None:
    """Sixty sums, and the suite of them."""
    home.mkdir(exist_ok=True)
    cases = (
        {"id": f"c{one:02}", "variables": {"question": f"{one} + 1"}, "expected": one + 1}
        for one in range(60)
    )
    (home / "sums.jsonl").write_text("\n".join(map(json.dumps, cases)))
    (home / "sums.yaml").write_text(SUITE)


@pytest.fixture(scope="module")
def llm() -> Iterator[LlmServer]:
    with llm_server(adds) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, llm: LlmServer) -> Iterator[ServerProcess]:
    """It has no keys, and so runs nothing by itself."""
    with ServerProcess(tmp_path_factory.mktemp("evals") / "home") as found:
        found.wait_ready()
        yield found


@pytest.fixture(scope="module")
def admin(server: ServerProcess) -> Iterator[Person]:
    """Prod serves 1.0.0, and takes nothing that was not run."""
    with Person.local(server) as found, found.make("writer", "author") as writer:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            template = f"v{version}: what is {{{{ question }}}}?"
            writer.register("sums", version, {**WITH_MODEL, "template": template})
        found.promote("sums", "1.0.0", "prod")
        found.put(
            "/v1/environments/prod/policy",
            {"required_evidence": ["eval_run"], "requires_suite": True, "evidence_max_age_days": 14},
        )
        yield found


def test_a_run_of_ci_is_evidence(
    server: ServerProcess, admin: Person, llm: LlmServer, tmp_path: Path
) -> None:
    home = tmp_path / "ci"
    env = {
        "COALMINE_SERVER_URL": server.url,
        "COALMINE_TOKEN": server.token,
        "OPENAI_BASE_URL": llm.url,
        "OPENAI_API_KEY": "sk-test",
    }

    def run(*arguments: str, expect: int = 0) -> str:
        done = coalmine(*arguments, home=home, env=env)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout if expect == 0 else done.stdout + done.stderr

    write_suite(home)

    def run_of(version: str, expect: int) -> str:
        sides = ("--candidate", f"sums@{version}", "--baseline", "sums@1.0.0")
        done = coalmine("evals", "run", "sums.yaml", *sides, "--json", home=home, env=env)
        assert done.returncode == expect, done.stdout + done.stderr
        return str(json.loads(done.stdout)["id"])

    refused = run("promote", "sums", "1.1.0", "prod", "--evidence", "eval_run:made-up", expect=1)
    assert "nothing was recorded under that id" in refused
    passes, fails = run_of("1.1.0", 0), run_of("1.2.0", 1)
    assert "suite" in run("evals", "publish", passes, expect=2)  # not pushed yet
    run(*IMPORT)
    run("suite", "push", "sums.yaml")
    by_name = ("--candidate", "sums@1.1.0", "--baseline", "sums@1.0.0", "--json")
    assert json.loads(run("evals", "run", "sums", *by_name))["gate"]["outcome"] == "pass"
    assert "no suite summs" in run("evals", "run", "summs", *by_name, expect=2)
    # Somebody's word is no run.
    recorded = json.loads(
        run("evidence", "record", "sums", "1.1.0", "--passed", "--summary", "trust me", "--json")
    )
    refused = run("promote", "sums", "1.1.0", "prod", "--evidence", f"eval_run={recorded['id']}", expect=1)
    assert "counts runs of a suite only" in refused
    assert run("evals", "publish", passes).strip() == f"--evidence eval_run={passes}"
    assert run("evals", "publish", passes).strip() == f"--evidence eval_run={passes}"  # again: the same
    of_another = run("evals", "publish", passes, "--version", "1.2.0", expect=1)
    assert "is evidence about sums@1.1.0 already" in of_another
    run("evals", "publish", fails)
    refused = run("promote", "sums", "1.2.0", "prod", "--evidence", f"eval_run:{fails}", expect=1)
    assert "did not pass" in refused
    refused = run("promote", "sums", "1.2.0", "prod", "--evidence", f"eval_run:{passes}", expect=1)
    assert "whose content is not that of sums@1.2.0" in refused
    run("promote", "sums", "1.1.0", "prod", "--evidence", f"eval_run:{passes}")
    assert admin.get("/v1/environments/prod/prompts/sums")["version"] == "1.1.0"
    listed = admin.get("/v1/eval-runs", params={"prompt": "sums"})["items"]
    assert {each["id"]: each["gate"]["outcome"] for each in listed} == {passes: "pass", fails: "fail"}
    compared = admin.get(f"/v1/eval-runs/{fails}/compare", params={"baseline": passes})
    assert compared["outcome"] == "fail"
    answers = admin.get(f"/v1/eval-runs/{fails}/answers", params={"case": "c00", "side": "candidate"})
    assert [each["text"] for each in answers["items"]] == ["It is 0."]


def test_a_server_with_keys_runs_what_is_registered_and_tells_of_a_rejection(
    tmp_path: Path, llm: LlmServer
) -> None:
    home = tmp_path / "home"
    env = {"COALMINE_EVALS_OPENAI_API_KEY": "sk-test", "COALMINE_EVALS_OPENAI_BASE_URL": llm.url}
    soon = with_constants(coalmine_server__workers__evals__LOOK_S=0.5)
    with ServerProcess(home, {**env, **soon}) as found, Person.local(found) as admin:
        found.wait_ready()
        write_suite(home)
        for arguments in (IMPORT, ("suite", "push", "sums.yaml")):
            done = coalmine(*arguments, home=home, env=env)
            assert done.returncode == 0, done.stderr
        with admin.make("writer", "author") as writer:
            for version in ("1.0.0", "1.2.0"):
                template = f"v{version}: what is {{{{ question }}}}?"
                writer.register("sums", version, {**WITH_MODEL, "template": template})
                if version == "1.0.0":
                    admin.promote("sums", version, "prod")

        def rejected() -> bool:
            items = admin.get("/v1/eval-reruns", params={"prompt": "sums"})["items"]
            return any(
                (each["version"], each["cause"], each["outcome"]) == ("1.2.0", "registered", "fail")
                for each in items
            )

        eventually(rejected, within_s=120)

        def told() -> bool:
            items = admin.get("/v1/alerts", params={"rule": "eval_rejected", "state": ["ok", "firing"]})[
                "items"
            ]
            return any("1.2.0" in each["story"]["title"] for each in items)

        eventually(told)
        flags = admin.get("/v1/model-flags")
        assert {(each["version"], each["model"]): each["flag"] for each in flags}["1.2.0", MODEL] == "unsafe"
        done = coalmine("evals", "rerun", "--model", OTHER, "--json", home=home, env=env)
        assert done.returncode == 0, done.stderr
        (cell,) = json.loads(done.stdout)["cells"]
        assert (cell["version"], cell["model"], cell["outcome"]) == ("1.0.0", OTHER, "pass")
        done = coalmine("evals", "models", "--json", home=home, env=env)
        known = {(each["version"], each["model"]): each["flag"] for each in json.loads(done.stdout)}
        assert known["1.0.0", OTHER] == "safe"
