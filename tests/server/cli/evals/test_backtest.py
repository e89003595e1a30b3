"""`coalmine evals backtest`: what services asked today, answered by two versions and judged in pairs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

PROMPT = "greet"
DAY = f"{datetime.now(UTC):%Y-%m-%d}"


def answer(asked: Asked) -> Reply:
    """1.1.0 is friendlier, and the judge likes that, whichever comes first."""
    if not any(each["role"] == "system" for each in asked.body["messages"]):
        friendly = asked.last_message.startswith("Kindly: ")
        return Reply(chat("Dear friend, of course. It is there." if friendly else "There."))
    judged = asked.last_message
    data = next(json.loads(line) for line in judged.splitlines() if line.startswith("{"))
    better = "first" if data["first"].startswith("Dear") else "second"
    verdict = {"reasoning": "friendlier", "addresses_judge": False, "verdict": better}
    return Reply(chat(json.dumps(verdict)))


@pytest.fixture(scope="module")
def model() -> Iterator[LlmServer]:
    with llm_server(answer) as found:
        yield found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a server with two versions of a prompt, and 30 calls with the older one."""
    folder = tmp_path_factory.mktemp("backtest") / "home"
    with ServerProcess(folder) as server, Person.local(server.wait_ready()) as admin:
        for version, template in (("1.0.0", "Briefly: {{ question }}"), ("1.1.0", "Kindly: {{ question }}")):
            content = {"template": template, "variables": {"question": {"type": "string"}}}
            admin.register(PROMPT, version, {**content, "model": "gpt-4o-mini"})
        for prompt, capture in ((PROMPT, True), ("silent", False)):
            with Coalmine("support-bot", home=folder, capture_text=capture) as client:
                for number in range(30):
                    with client.call(prompt, version="1.0.0", unit_id=f"user-{number}") as call:
                        call.record(input_text=f"Briefly: Where is {number}?", output_text="There.")
        eventually(lambda: server.json("/v1/ingest")["counts"]["stored"] >= 60, what="calls are stored")
        yield folder


def keys(model: LlmServer) -> dict[str, str]:
    return {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url}


def test_the_friendlier_version_would_have_been_better(home: Path, model: LlmServer) -> None:
    judge = ("--scorer", "sentence_count maximum=1", "--day", DAY, "--sample", "20")
    arguments = ("evals", "backtest", PROMPT, "1.1.0", "1.0.0", *judge)
    done = coalmine(*arguments, "--json", home=home, env=keys(model))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["requests"], found["sampled"], found["skipped"]) == ("better", 30, 20, {})
    preferred, short = found["rows"]
    assert (preferred["metric"], preferred["candidate"], preferred["ties"]) == ("preferred", 1.0, 0.0)
    assert (preferred["cases"], preferred["clusters"], preferred["position_consistency"]) == (20, 20, 1.0)
    assert (short["metric"], short["outcome"]) == ("sentence_count", "worse")
    asked = len(model.asked)
    shown = coalmine(*arguments, home=home, env=keys(model))
    assert shown.returncode == 0
    assert "the candidate would have been better" in shown.stderr
    assert len(model.asked) == asked, "what was paid for is not asked for again"


def test_the_other_way_round_it_ends_with_1(home: Path, model: LlmServer) -> None:
    arguments = ("evals", "backtest", PROMPT, "1.0.0", "1.1.0", "--day", DAY)
    assert coalmine(*arguments, home=home, env=keys(model)).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("silent", "1.1.0", "1.0.0", "--day", DAY), "COALMINE_CAPTURE_TEXT=true"),
        ((PROMPT, "1.1.0", "1.0.0", "--day", "2020-01-01"), "had no requests"),
        ((PROMPT, "1.1.0", "9.0.0", "--day", DAY), "9.0.0"),
        ((PROMPT, "1.1.0", "1.0.0", "--day", DAY, "--no-judge"), "--scorer NAME"),
        ((PROMPT, "1.1.0", "1.0.0", "--day", DAY, "--judge", "judge-pear@1.0.0"), "judge-pear"),
    ],
)
def test_what_cannot_be_compared_ends_with_2(
    home: Path, model: LlmServer, arguments: tuple[str, ...], said: str
) -> None:
    done = coalmine("evals", "backtest", *arguments, home=home, env=keys(model))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.replace("\n", " ")


def test_a_reader_sees_no_texts(home: Path, model: LlmServer) -> None:
    with_token = coalmine_json("token", "create", "rita", "--role", "reader", home=home)
    env = {**keys(model), "COALMINE_TOKEN": with_token["token"]}
    done = coalmine("evals", "backtest", PROMPT, "1.1.0", "1.0.0", "--day", DAY, home=home, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "admin" in done.stderr
