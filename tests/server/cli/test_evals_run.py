"""`coalmine evals run` and `try` with a real HTTP server for the model: killed, resumed, paid for once."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event

import pytest

from coalmine_evals.runs.store import RunStore
from coalmine_evals.storage.open import open_database
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import coalmine, coalmine_json, environment
from tests.support.processes.warm_command import warm_command
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

_KEY = "sk-very-secret-0123456789"
_CASES = 30
_PRICE = 100 * 150 + 10 * 600


def answer(asked: Asked) -> Reply:
    """Right, but one in five answers to version 1.1.0 is wrong."""
    number = int(re.findall(r"\d+", asked.last_message)[0])
    wrong = asked.last_message.startswith("Briefly") and number % 5 == 0
    return Reply(chat("I do not know." if wrong else f"It is {number}."))


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server(answer) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a suite, its cases and two versions of a prompt."""
    folder = tmp_path / "home"
    (folder / "evals").mkdir(parents=True)
    (folder / "prompts" / "arithmetic").mkdir(parents=True)
    (folder / "evals" / "arithmetic.yaml").write_text(
        "prompt: arithmetic\ndataset: arithmetic\nfile: arithmetic.jsonl\n"
        "metrics:\n  right: {scorer: contains, margin: 3%}\n"
    )
    cases = [
        {
            "id": f"c{n:02}",
            "variables": {"question": f"What is {n}?"},
            "expected": f"is {n}.",
            "split": "test" if n < _CASES else "dev",
        }
        for n in range(_CASES + 2)
    ]
    (folder / "evals" / "arithmetic.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in cases))
    for version, template in (("1.0.0", "{{ question }}"), ("1.1.0", "Briefly: {{ question }}")):
        (folder / "prompts" / "arithmetic" / f"{version}.md").write_text(
            "---\nmodel: gpt-4o-mini\nparameters: {max_tokens: 20}\nvariables: {question: string}\n---\n"
            f"{template}\n"
        )
    return folder


RUN = (
    *("evals", "run", "evals/arithmetic.yaml", "--candidate", "prompts/arithmetic/1.1.0.md"),
    *("--baseline", "prompts/arithmetic/1.0.0.md"),
)


def access(server: LlmServer) -> Mapping[str, str]:
    return {"OPENAI_API_KEY": _KEY, "OPENAI_BASE_URL": server.url}


def test_harm_has_exit_code_1_and_reports(home: Path, server: LlmServer) -> None:
    done = coalmine(*RUN, "--report", "report.md", "--junit", "junit.xml", home=home, env=access(server))
    assert done.returncode == 1, done.stderr
    assert "60 answers to ask for, about $0.00" in done.stderr
    assert "harm shown" in done.stdout
    assert "arithmetic@1.1.0" in (home / "report.md").read_text()
    assert "<testsuite" in (home / "junit.xml").read_text()
    written = done.stdout + done.stderr + (home / "report.md").read_text() + (home / "junit.xml").read_text()
    assert _KEY not in written
    assert all(_KEY.encode() not in path.read_bytes() for path in home.rglob("*") if path.is_file())

    (listed,) = coalmine_json("evals", "list", home=home)
    run = listed["id"]
    assert (listed["gate"]["outcome"], listed["spent_nano_usd"]) == ("fail", 2 * _CASES * _PRICE)
    shown = coalmine("evals", "show", run, home=home)
    assert "harm shown" in shown.stdout
    cases = coalmine("evals", "cases", run, "--limit", "1", home=home)
    assert re.search(r"^c00 +right +1 +0 +-1", cases.stdout, re.MULTILINE), cases.stdout
    one = coalmine("evals", "cases", run, "--case", "c05", home=home)
    assert "It is 5." in one.stdout
    assert "I do not know." in one.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--junit", "junit.xml"), "name a --baseline"),
        (("--report", "report.md"), "name a --baseline"),
        (("--budget-usd", "inf"), "--budget-usd"),
        (("--budget-usd", "nan"), "--budget-usd"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_paid(
    home: Path, server: LlmServer, options: tuple[str, str], said: str
) -> None:
    alone = [each for each in RUN if each not in RUN[-2:]]
    done = coalmine(*alone, *options, home=home, env=access(server))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert server.asked == []


def test_without_a_baseline_the_cases_that_must_pass_decide(home: Path, server: LlmServer) -> None:
    alone = RUN[:-2]
    passed = coalmine(*alone, home=home, env=access(server))
    assert (passed.returncode, "all 0 cases that must pass did" in passed.stderr) == (0, True), passed.stderr
    file = home / "evals" / "arithmetic.jsonl"
    file.write_text(file.read_text().replace('"id": "c05"', '"must_pass": true, "id": "c05"'))
    failed = coalmine(*alone, home=home, env=access(server))
    assert failed.returncode == 1, failed.stderr
    assert "1 of 1 cases that must pass did not: c05" in failed.stderr


def test_killed_half_way_and_resumed_it_asks_for_each_answer_once(home: Path) -> None:
    half, go_on = _CASES, Event()
    delivered: list[str] = []
    held = Event()

    def until_half(asked: Asked) -> Reply:
        if len(delivered) >= half and not go_on.is_set():
            held.set()
            return Reply("", status=503, after_s=600.0)  # nobody will be there to read it
        delivered.append(asked.last_message)
        return answer(asked)

    with llm_server(until_half) as server, (home / "log").open("wb") as log:
        running = warm_command().start(
            RUN, environment=environment(home, access(server)), folder=home, stdout=log, stderr=log
        )
        assert held.wait(120)
        database = open_database(home / "evals.db")
        store = RunStore(database)

        def all_kept() -> str | None:
            (run,) = store.runs(limit=1).items
            return run.id if len(store.kept(run.id)) == half else None

        run = eventually(all_kept, what="keeping what was answered")
        running.kill()
        running.wait(60)
        go_on.set()
        resumed = coalmine("evals", "run", "--resume", run, home=home, env=access(server))
        assert resumed.returncode == 1, resumed.stderr
        assert f"{half} answers to ask for ({half} are there already)" in resumed.stderr
        assert len(delivered) == 2 * _CASES
        assert len(set(delivered)) == 2 * _CASES
        ended = store.run(run)
        assert (ended.state, ended.spent_nano_usd) == ("ended", 2 * _CASES * _PRICE)
        database.close()


def test_a_spent_budget_has_exit_code_4_and_says_how_to_go_on(home: Path, server: LlmServer) -> None:
    budget = ("--budget-usd", f"{5 * _PRICE / 1e9:.9f}")
    done = coalmine(*RUN, *budget, home=home, env=access(server))
    assert done.returncode == 4
    assert len(server.asked) == 5
    (resume,) = re.findall(r"coalmine evals run --resume (ev-\S+)", done.stderr)
    again = coalmine("evals", "run", "--resume", resume, home=home, env=access(server))
    assert again.returncode == 1
    assert len(server.asked) == 2 * _CASES


def test_a_prompt_is_tried_on_cases_of_dev(home: Path, server: LlmServer) -> None:
    path = home / "prompts" / "arithmetic" / "1.1.0.md"
    tried = coalmine("try", path, "--messages", home=home, env=access(server))
    assert tried.returncode == 0, tried.stderr
    assert "case c30" in tried.stdout
    assert "<|user|>\nBriefly: What is 30?" in tried.stdout
    assert "missing" in tried.stdout
    (one,) = coalmine_json("try", path, "--case", "c31", home=home, env=access(server))
    assert one["answer"]["output"]["text"] == "It is 31."
    assert one["answer"]["scores"]["right"]["value"] == 1.0
    assert len(server.asked) == 3
    unknown = coalmine("try", path, "--case", "c3", home=home, env=access(server))
    assert unknown.returncode == 2
    assert "did you mean c3" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evals/none.yaml", "--candidate", "a.jsonl"), "cannot be read"),
        (("evals/arithmetic.yaml", "--candidate", "nothing"), "or name a file: FILE.md of a prompt"),
        (("evals/arithmetic.yaml", "--candidate", "gone.md"), "gone.md"),
        (("evals/arithmetic.yaml",), "name a suite, and a candidate"),
        (("--resume", "ev-none"), "there is no run 'ev-none'"),
        (("evals/arithmetic.yaml", "--candidate", "prompts/arithmetic/1.0.0.md"), "set OPENAI_API_KEY"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(home: Path, arguments: tuple[str, ...], said: str) -> None:
    shutil.copy(home / "evals" / "arithmetic.jsonl", home / "a.jsonl")
    nothing = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    done = coalmine("evals", "run", *arguments, home=home, env=nothing)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_without_a_registry_there_is_no_answer_which_is_neither_harm_nor_undecided(home: Path) -> None:
    done = coalmine("evals", "run", "evals/arithmetic.yaml", "--candidate", "arithmetic@1.0.0", home=home)
    assert done.returncode == 4
    assert "coalmine serve" in done.stderr
