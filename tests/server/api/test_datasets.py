"""Datasets and suites over HTTP and by command: what good means, and how a complaint becomes a case."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

PROMPT = "support-refund"
QUESTION = "Where is my parcel? Write to ann@example.com"
CONTENT: dict[str, Any] = {
    "template": "Answer kindly: {{ question }}",
    "variables": {"question": {"type": "string"}},
}
SUITE = """
prompt: support-refund
dataset: refunds
file: refunds.jsonl
metrics:
  correct: {scorer: contains, margin: 3%, description: It names the days.}
"""
CASES: list[dict[str, Any]] = [
    {"id": "late", "variables": {"question": "Too late?"}, "expected": "14 days", "must_pass": True},
    {"id": "odd", "variables": {"question": "Hm?"}, "expected": "14 days", "capabilities": ["language=en"]},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One with a complaint, and with the version that it is about."""
    home = tmp_path_factory.mktemp("datasets") / "home"
    with Coalmine("support-bot", spool_dir=home / "spool", capture_text=True) as client:
        for number in range(12):
            segments = {"language": "de" if number < 9 else "en"}
            with client.call(PROMPT, version="1.0.0", model="gpt-4o-mini", segments=segments) as call:
                call.record(input_text=f"Answer kindly: {QUESTION}", output_text="I do not know")
            if number == 0:
                client.feedback(call.request_id, thumbs="down", correction="In 14 days")
    with ServerProcess(home) as found:
        found.wait_ready()
        eventually(lambda: found.json("/v1/ingest")["counts"]["consumed"] == 13, what="everything ingested")
        with Person.local(found) as admin:
            admin.register(PROMPT, "1.0.0", CONTENT)
        yield found


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[Person]:
    with Person.local(server) as person:
        yield person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "refunds.yaml").write_text(SUITE)
    (tmp_path / "refunds.jsonl").write_text("".join(json.dumps(each) + "\n" for each in CASES))
    return tmp_path


def failing(*arguments: str | Path, home: Path) -> str:
    found = coalmine(*arguments, home=home)
    assert found.returncode == 2, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found.stderr


def test_a_suite_is_checked_shown_and_pushed_with_its_cases(server: ServerProcess, folder: Path) -> None:
    home, file = server.home, folder / "refunds.yaml"
    fixed = coalmine("suite", "check", file, "--fix", home=home)
    assert fixed.returncode == 0, fixed.stderr
    assert "1 metric on 2 cases of refunds" in fixed.stderr
    assert "dataset_digest:" in file.read_text()
    page = coalmine("suite", "show", file, "--md", home=home).stdout
    assert "# What good means for `support-refund`" in page
    assert "It names the days." in page
    pushed = coalmine_json("suite", "push", file, home=home)
    assert coalmine_json("suite", "push", file, home=home) == pushed
    (listed,) = coalmine_json("suite", "list", "--prompt", PROMPT, home=home)
    assert listed["digest"] == pushed["digest"]
    shown = coalmine_json("suite", "show", "refunds", home=home)
    assert shown["digest"] == pushed["digest"]
    cases = coalmine_json("dataset", "show", "refunds", "--cases", home=home)
    assert [each["id"] for each in cases] == ["late", "odd"]
    assert cases[0]["expected"] == "14 days"


def test_the_inbox_leads_from_a_complaint_to_its_request_and_into_a_dataset(admin: Person) -> None:
    (found,) = admin.get("/v1/feedback?opinion=negative")["items"]
    assert (found["prompt"], found["correction"]) == (PROMPT, "In 14 days")
    name = found["request_id"]
    context = admin.get(f"/v1/requests/{name}/context")
    assert [each["metric"] for each in context["places"]] == ["latency_ms"]
    assert context["served_by"] is None
    made = admin.post(f"/v1/datasets/inbox/requests/{name}", expect=201)
    assert made["case"]["correction"] == "In 14 days"
    assert admin.post(f"/v1/datasets/inbox/requests/{name}", expect=201) == made
    with admin.make("reads", "reader") as reader:
        (hidden,) = reader.get("/v1/feedback")["items"]
        assert (hidden["correction"], hidden["private"]) == ("", False)
        assert reader.get(f"/v1/requests/{name}/context") == context


def test_every_mistake_is_one_line_and_exit_code_two(server: ServerProcess, folder: Path) -> None:
    home = server.home
    (folder / "bad.yaml").write_text(
        "prompt: p\ndataset: d\nmetrics: {a: {scorer: exactt}, b: {scorer: exact}}\n"
    )
    assert "bad.yaml: metrics.a: scorer is 'exactt': did you mean exact?" in failing(
        "suite", "check", folder / "bad.yaml", home=home
    )
    (folder / "bad.jsonl").write_text('{"id": 1, "variables": {}}\n{"id": "b"}\n')
    told = failing("dataset", "import", folder / "bad.jsonl", home=home)
    assert "bad.jsonl:1: id is 1" in told
    assert "bad.jsonl:2: variables is None" in told
    assert "expected=answer" in failing(
        "dataset", "import", folder / "bad.jsonl", "--map", "answer=expected", home=home
    )
    (folder / "alone.yaml").write_text("prompt: p\ndataset: nowhere\nmetrics: {a: exact}\n")
    assert "no dataset nowhere" in failing("suite", "check", folder / "alone.yaml", home=home)


def test_a_dataset_has_a_history_and_differences(server: ServerProcess, folder: Path) -> None:
    home = server.home
    first = coalmine_json("dataset", "import", folder / "refunds.jsonl", "--name", "history", home=home)
    (folder / "next.jsonl").write_text(json.dumps({**CASES[0], "expected": "30 days"}) + "\n")
    second = coalmine_json("dataset", "import", folder / "next.jsonl", "--name", "history", home=home)
    found = coalmine_json("dataset", "diff", "history", first["digest"][:12], home=home)
    assert (found["removed"], found["changed"]) == (["odd"], [{"id": "late", "fields": ["expected"]}])
    kept = coalmine_json("dataset", "show", "history", "--history", home=home)
    assert [each["digest"] for each in kept] == [second["digest"], first["digest"]]
    dry = coalmine_json("dataset", "import", folder / "refunds.jsonl", "--name", "x", "--dry-run", home=home)
    assert dry["digest"] == first["digest"]


def test_a_complaint_becomes_a_case_once_a_person_has_confirmed_it(server: ServerProcess) -> None:
    home = server.home
    arguments = ("dataset", "add-from-production", "complaints", "--prompt", PROMPT)
    made = coalmine_json(*arguments, home=home)
    assert (made["proposed"], made["without_text"]) == (1, 0)
    assert coalmine_json(*arguments, home=home)["known"] == 1
    (proposal,) = coalmine_json("dataset", "proposals", "complaints", home=home)
    assert proposal["case"]["variables"]["question"].startswith("Where is my parcel? Write to ")
    assert "ann@example.com" not in json.dumps(proposal)
    assert proposal["case"]["recovered"]
    for_people = coalmine("dataset", "proposals", "complaints", home=home).stdout
    assert "In 14 days" in for_people
    number = str(proposal["id"])
    confirmed = coalmine("dataset", "confirm", "complaints", number, "--must-pass", home=home)
    assert confirmed.returncode == 0, confirmed.stderr
    (case,) = coalmine_json("dataset", "show", "complaints", "--cases", home=home)
    assert case["expected"] == "In 14 days"
    assert case["capabilities"] == ["language=de"]
    assert case["source"] == f"request:{proposal['request_id']}"
    assert case["must_pass"]
    assert coalmine("dataset", "reject", "complaints", number, home=home).returncode != 0
    inbox = len(
        coalmine_json("dataset", "proposals", "inbox", home=home)
    )  # of the test of the inbox, if it ran
    forgotten = coalmine("dataset", "forget", proposal["request_id"], home=home)
    assert forgotten.stderr.startswith(
        "1 case or proposal " if inbox == 0 else f"{1 + inbox} cases or proposals "
    )
    assert coalmine_json("dataset", "show", "complaints", "--cases", home=home) == []
    assert coalmine_json("dataset", "show", "complaints", home=home)["forgotten"] == 1


def test_what_production_has_and_the_cases_lack_is_told(server: ServerProcess, folder: Path) -> None:
    home = server.home
    coalmine_json("dataset", "import", folder / "refunds.jsonl", "--name", "compared", home=home)
    arguments = ("dataset", "compare", "compared", "--with", "production", "--prompt", PROMPT)
    found = coalmine_json(*arguments, home=home)
    assert found["requests"] == 12
    told = coalmine(*arguments, home=home).stdout
    assert "75% of the traffic has language de, and 0% of the cases" in told


def test_a_case_that_the_prompt_shows_is_told(server: ServerProcess, admin: Person) -> None:
    shown = "How long may I wait until I send it back to you?"
    admin.register("shows", "1.0.0", {"template": f"Example: {shown} 14 days."})
    admin.post("/v1/datasets", {"name": "leaky", "lines": _line("a", shown)}, expect=201)
    found = coalmine("dataset", "show", "leaky", "--leakage", "--prompt", "shows@1.0.0", home=server.home)
    assert "1 case of test is in the prompt itself, e.g. a in template" in found.stdout
    admin.get("/v1/datasets/leaky/leakage?prompt=shows", expect=422)


def test_mistakes_over_http_are_named(admin: Person) -> None:
    problem = admin.post("/v1/datasets", {"name": "x", "lines": '{"id": "a"}\n[]'}, expect=422)
    assert "lines:1: variables is None" in problem["detail"]
    assert "lines:2: the line" in problem["detail"]
    body: dict[str, Any] = {"suite": {"prompt": "p", "dataset": "none", "metrics": {"a": "exact"}}}
    assert "dataset_digest" in admin.put("/v1/suites/s", body, expect=422)["detail"]
    body["suite"]["dataset_digest"] = "0" * 64
    assert "no dataset none" in admin.put("/v1/suites/s", body, expect=404)["detail"]
    admin.get("/v1/datasets/leaky?digest=%25%25%25%25%25%25%25", expect=422)
    admin.get("/v1/datasets?cursor=x", expect=422)


def _line(name: str, question: str) -> str:
    return json.dumps({"id": name, "variables": {"question": question}})
