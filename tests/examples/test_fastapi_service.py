"""The example's README is followed, and somebody presses thumbs in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from tests.support.eventually import eventually
from tests.support.processes.terminal import Terminal
from tests.support.repository.markdown import Block, blocks
from tests.support.repository.tree import ROOT
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server
from tests.support.servers.ports import free_port

EXAMPLE = ROOT / "examples" / "fastapi_service"


def _answer(asked: Asked) -> Reply:
    if "broken" in asked.last_message:
        return Reply({"error": {"message": "no", "type": "x"}}, status=400)
    return Reply(chat(f"You asked: {asked.last_message}"))


@pytest.fixture(scope="module")
def model() -> Iterator[LlmServer]:
    with llm_server(_answer) as running:
        yield running


@pytest.fixture(scope="module")
def steps() -> list[Block]:
    shown = list(blocks(EXAMPLE / "README.md"))
    assert not [block for block in shown if block.skip or block.setup], "readers see no hidden set-up"
    return shown


@pytest.fixture(scope="module")
def terminal(
    tmp_path_factory: pytest.TempPathFactory, model: LlmServer, steps: list[Block]
) -> Iterator[Terminal]:
    """After the steps up to the one that starts the service, which listens where the variable says."""
    folder = tmp_path_factory.mktemp("fastapi")
    work = Path(shutil.copytree(EXAMPLE, folder / "work"))
    variables = {
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model.url,
        "UVICORN_PORT": str(free_port()),
    }
    with Terminal(work, folder / "home", variables) as terminal:
        _, server, service, *_ = steps
        terminal.run(server)
        log = terminal.start(service)
        terminal.run("service=http://127.0.0.1:$UVICORN_PORT")
        eventually(lambda: "startup complete" in log.read_text(encoding="utf-8"), what="the service")
        yield terminal


@pytest.fixture
def page(browser: Browser, terminal: Terminal) -> Iterator[Page]:
    """A visitor's page, whose scripts may not fail."""
    failures: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(terminal.run('echo "$service"').strip())
        yield page
    assert failures == []


def asked(page: Page, question: str) -> str:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask").click()
    said = page.get_by_role("status").filter(has_text=question)
    said.wait_for()
    return said.inner_text()


def versions(terminal: Terminal) -> dict[str, Any]:
    # It is an error to ask for what has no requests yet.
    shown = terminal.run("coalmine versions --prompt chat-answer --json 2>/dev/null || echo '[]'")
    return {row["version"]: row for row in json.loads(shown)}


def test_a_thumb_down_on_the_page_is_the_versions(page: Page, terminal: Terminal, steps: list[Block]) -> None:
    assert asked(page, "May I send it back?") == "You asked: May I send it back?"
    down = page.get_by_role("button", name="Bad answer")
    down.click()
    page.locator("button[aria-label='Bad answer'][aria-pressed=true]").wait_for()

    def told() -> dict[str, Any] | None:
        row: dict[str, Any] = versions(terminal).get("1.0.0", {})
        return row if row.get("feedback") else None

    row = eventually(told, what="the thumb")
    assert (row["requests"], row["thumbs_down"], row["thumbs_up"], row["errors"]) == (1, 1, 0, 0)
    assert (row["input_tokens"], row["output_tokens"]) == (100, 10)
    assert row["cost_usd"] > 0
    (shown,) = [block for block in steps if "coalmine versions" in block.code]
    assert "1.0.0" in terminal.run(shown)

    page.get_by_role("button", name="Good answer").click()
    eventually(lambda: versions(terminal)["1.0.0"]["thumbs_up"] == 1, what="the last word")
    assert versions(terminal)["1.0.0"]["thumbs_down"] == 0


def test_a_model_that_fails_is_an_error_of_the_version_and_words_for_the_visitor(
    page: Page, terminal: Terminal
) -> None:
    before = versions(terminal).get("1.0.0", {"errors": 0})["errors"]
    page.get_by_label("Your question").fill("Is it broken?")
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("No answer: ").wait_for()
    assert not page.get_by_role("button", name="Bad answer").is_visible()
    eventually(lambda: versions(terminal).get("1.0.0", {"errors": 0})["errors"] == before + 1)


def test_half_of_the_visitors_get_the_other_version_and_keep_it(
    terminal: Terminal, steps: list[Block], model: LlmServer
) -> None:
    (start,) = [block for block in steps if "experiment start" in block.code]
    terminal.run(start)
    url = terminal.run('echo "$service"').strip()

    def system_prompt(visitor: str) -> str:
        answer = httpx2.post(f"{url}/answers", json={"text": "x"}, headers={"Cookie": f"visitor={visitor}"})
        assert answer.status_code == 200, answer.text
        return str(model.asked[-1].body["messages"][0]["content"])

    def served(visitor: str) -> str:
        return "1.1.0" if "three" in system_prompt(visitor) else "1.0.0"

    eventually(lambda: {served(f"visitor-{each}") for each in range(12)} == {"1.0.0", "1.1.0"})
    for visitor in ("visitor-1", "visitor-2"):
        assert len({served(visitor) for _ in range(3)}) == 1
    eventually(lambda: set(versions(terminal)) == {"1.0.0", "1.1.0"}, what="both versions")
    (look,) = [block for block in steps if "readout" in block.code]
    assert "not enough data" in terminal.run(look)


def test_who_sends_nonsense_is_refused(terminal: Terminal) -> None:
    url = terminal.run('echo "$service"').strip()
    for path, body in [
        ("/answers", {"text": ""}),
        ("/answers", {"text": "x" * 2_001}),
        ("/thumbs", {"request_id": "1", "thumbs": "down"}),
        ("/thumbs", {"request_id": "018f6f5e-0000-7000-8000-000000000000", "thumbs": "sideways"}),
    ]:
        assert httpx2.post(url + path, json=body).status_code == 422, body
