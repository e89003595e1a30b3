"""The example's README is followed with a real worker, whose children are forked, recycled and shut down."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.processes.terminal import Terminal
from tests.support.repository.markdown import blocks
from tests.support.repository.tree import ROOT
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

EXAMPLE = ROOT / "examples" / "celery_worker"
STEPS = list(blocks(EXAMPLE / "README.md"))
MESSAGES = 8


def _answer(asked: Asked) -> Reply:
    return Reply(chat("A summary."), after_s=0.2)  # so long that one child cannot do it all


@pytest.fixture(scope="module")
def model() -> Iterator[LlmServer]:
    with llm_server(_answer) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, model: LlmServer) -> Iterator[Terminal]:
    """After the steps before the one that starts the worker."""
    assert not [block for block in STEPS if block.skip or block.setup], "readers see no hidden set-up"
    folder = tmp_path_factory.mktemp("celery")
    work = Path(shutil.copytree(EXAMPLE, folder / "work", ignore=shutil.ignore_patterns("broker")))
    variables = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": model.url, "NO_PROXY": "*"}
    with Terminal(work, folder / "home", variables) as terminal:
        terminal.run(STEPS[1])
        yield terminal


@pytest.fixture
def before(terminal: Terminal) -> list[str]:
    """What earlier tests have left."""
    return stored(terminal, "request_id", "requests")


def start_worker(terminal: Terminal, more: str = "") -> Path:
    """Types the block that starts the worker, with further options; returns its log."""
    shown = STEPS[2]
    log = terminal.start(replace(shown, code=f"{shown.code.rstrip()}{more}\n"))
    terminal.run("worker=$!")
    return log


def shut_down(terminal: Terminal) -> None:
    """As a supervisor does; a client that held it up would make this time out."""
    terminal.run("kill -TERM $worker; wait $worker || true", timeout_s=60)


def ids(printed: str) -> list[str]:
    """The request ids of tasks that were answered."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert all(line["summary"] == "A summary." for line in lines)
    return [line["request_id"] for line in lines]


def stored(terminal: Terminal, what: str, table: str) -> list[str]:
    select = f"SELECT {what} AS found FROM {table} ORDER BY 1"
    return [str(row["found"]) for row in json.loads(terminal.run(f'coalmine sql "{select}" --json'))]


def check_stored(terminal: Terminal, expected: list[str]) -> None:
    """Each call once, with its score, and none besides."""
    both = "(SELECT request_id FROM requests UNION ALL SELECT request_id FROM scores)"
    twice = sorted([*expected, *expected])
    eventually(lambda: stored(terminal, "request_id", both) == twice, what="the calls and their scores")


def test_each_task_of_each_child_is_one_event(terminal: Terminal, before: list[str]) -> None:
    log = start_worker(terminal)
    send, _, look = STEPS[3].code.partition("coalmine")
    sent = ids(terminal.run(send))
    assert len(set(sent)) == MESSAGES
    check_stored(terminal, before + sent)
    assert "1.0.0" in terminal.run(f"coalmine{look}")
    assert set(stored(terminal, "resolution", "requests")) <= {"live", "disk", "cached"}
    assert stored(terminal, "count(DISTINCT unit_id)", "requests") == ["5"]
    text = log.read_text(encoding="utf-8")
    assert set(re.findall(r"(ForkPoolWorker-\d+)\] Task tasks.summarize\S* succeeded", text)) == {
        "ForkPoolWorker-1",
        "ForkPoolWorker-2",
    }
    shut_down(terminal)
    check_stored(terminal, before + sent)


def test_what_a_child_made_is_written_when_it_ends(terminal: Terminal, before: list[str]) -> None:
    """Each ends after one task, before its client would write by itself; what it does not write is lost."""
    start_worker(terminal, " --max-tasks-per-child 1")
    sent = ids(terminal.run("python send.py 6"))
    shut_down(terminal)
    check_stored(terminal, before + sent)
