"""The page for those without the client: its curl, JavaScript and Go are run against a real server."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from coalmine_schemas.identifiers import uuid7
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.repository.documents import shell_environment
from tests.support.repository.markdown import Block, blocks
from tests.support.repository.tree import ROOT

PAGE = ROOT / "docs" / "without-the-client.md"
BLOCKS = list(blocks(PAGE))
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("without") / "home"
    with ServerProcess(home, {"COALMINE_EVENTS_FEEDBACK_LINK_KEY": KEY}) as server:
        server.wait_ready()
        yield server


@pytest.fixture
def app() -> str:
    return f"app-{uuid7()}"


@pytest.fixture
def sender(server: ServerProcess, app: str) -> Iterator[Person]:
    with Person.local(server) as admin, admin.make(app, "ingest") as sender:
        yield sender


def shown(language: str, having: str) -> Block:
    (found,) = [block for block in BLOCKS if block.language == language and having in block.code]
    return found


def run(command: list[str], server: ServerProcess, sender: Person, folder: Path, text: str = "") -> str:
    done = subprocess.run(
        command,
        input=text,
        cwd=folder,
        env={
            **shell_environment(folder),
            "COALMINE_SERVER_URL": server.url,
            "COALMINE_TOKEN": sender.token,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stored(server: ServerProcess, app: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        with Person.local(server) as admin:
            items = admin.get(f"/v1/versions?app={app}")["items"]
        return items[0] if items and items[0]["feedback"] else None

    return eventually(found, what=f"events of {app}")


def check(server: ServerProcess, app: str) -> None:
    row = stored(server, app)
    assert (row["prompt"], row["version"], row["requests"], row["feedback"]) == (
        "support-refund",
        "1.2.0",
        1,
        1,
    )
    assert (row["input_tokens"], row["output_tokens"]) == (900, 120)
    assert row["cost_usd"] > 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl(server: ServerProcess, sender: Person, app: str, tmp_path: Path) -> None:
    if not Path("/proc/sys/kernel/random/uuid").exists():
        pytest.skip("the block takes its id from Linux")
    answer = run(["bash", "-euc", shown("bash", "curl").code], server, sender, tmp_path)
    assert json.loads(answer) == {"accepted": 4, "without_texts": 0, "errors": []}
    check(server, app)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_javascript(server: ServerProcess, sender: Person, app: str, tmp_path: Path) -> None:
    (tmp_path / "send.mjs").write_text(shown("javascript", "fetch(").code, encoding="utf-8")
    answer = run(["node", "send.mjs"], server, sender, tmp_path)
    assert answer.strip() == '200 {"accepted":2,"without_texts":0,"errors":[]}'
    check(server, app)


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go")
def test_go(server: ServerProcess, sender: Person, app: str, tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(shown("go", "package main").code, encoding="utf-8")
    answer = run(["go", "run", "main.go"], server, sender, tmp_path)
    assert answer.startswith('200 {"accepted":2')
    check(server, app)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_a_link_that_javascript_signed_is_taken(
    server: ServerProcess, sender: Person, tmp_path: Path
) -> None:
    request_id = uuid7()
    call = f"console.log(feedbackLink({server.url!r}, {KEY!r}, 'shop & söhne', {request_id.upper()!r}))"
    program = f"{shown('javascript', 'createHmac').code}\n{call}\n"
    (tmp_path / "sign.mjs").write_text(program, encoding="utf-8")
    link = run(["node", "sign.mjs"], server, sender, tmp_path).strip()
    answer = httpx2.post(f"{link}&thumbs=up")
    assert (answer.status_code, answer.json()["thumbs"]) == (200, "up"), answer.text


def test_the_fields_that_it_names_are_those_of_events() -> None:
    from coalmine_server.services.intake.events import KINDS  # noqa: PLC0415 - pydantic and more

    for line in PAGE.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"\| `(request|feedback|score)` \| (.*) \|", line)
        if found:
            names = set(re.findall(r"`(\w+)`", found[2]))
            assert names <= KINDS[found[1]].names, line
