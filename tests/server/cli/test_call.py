"""`coalmine call`: one call with its feedback and scores, and who may see its texts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

PRIVATE = ("ann-7", "what is it?", "a bird", "thanks", "read it twice")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of this file lives."""
    return tmp_path_factory.mktemp("call") / "home"


@pytest.fixture(scope="module")
def request_id(home: Path) -> str:
    """One call among others, with all that can be said of it."""
    with Coalmine("support-bot", home=home, capture_text=True) as client:
        with client.call("greet", version="1.0.0", unit_id="bob") as other:
            other.record(input_tokens=1)
        client.feedback(other.request_id, thumbs="down", comment="of another call")
        with client.call(
            "greet", version="1.0.0", model="gpt-4o-mini", unit_id="ann-7", segments={"tier": "pro"}
        ) as call:
            call.record(input_tokens=100, output_tokens=10, input_text="what is it?", output_text="a bird")
            call.metric("documents", 2)
        client.feedback(call.request_id, thumbs="up", comment="thanks", unit_id="ann-7")
        client.score(call.request_id, "quality", 0.5, source="judge", rationale="read it twice")
    return call.request_id


@pytest.fixture(scope="module")
def server(home: Path, request_id: str) -> Iterator[ServerProcess]:
    """A server, after a command has ingested the calls."""
    assert coalmine_json("call", request_id, home=home)["request_id"] == request_id
    with ServerProcess(home) as server:
        yield server.wait_ready()


def test_a_call_is_shown_with_all_that_was_said_of_it(home: Path, request_id: str) -> None:
    found = coalmine_json("call", request_id, home=home)
    assert (found["prompt"], found["version"], found["cost_nano_usd"]) == ("greet", "1.0.0", 21_000)
    assert (found["metrics"], found["segments"]) == ({"documents": 2}, {"tier": "pro"})
    assert [each["comment"] for each in found["feedback"]] == ["thanks"]
    assert [(each["value"], each["rationale"]) for each in found["scores"]] == [(0.5, "read it twice")]
    shown = coalmine("call", request_id, home=home)
    assert shown.returncode == 0, shown.stderr
    for words in (*PRIVATE, "greet@1.0.0 in prod", "tier=pro", "documents=2", "0.000021"):
        assert words in shown.stdout


def test_texts_and_identifiers_of_users_are_for_admins(server: ServerProcess, request_id: str) -> None:
    with Person.local(server) as admin, admin.make("rita", "reader") as reader:
        whole, part = (person.get(f"/v1/requests/{request_id}") for person in (admin, reader))
        assert whole["private"]
        assert all(text in str(whole) for text in PRIVATE)
        assert not part["private"]
        assert not any(text in str(part) for text in PRIVATE)
        assert [each["thumbs"] for each in part["feedback"]] == ["up"]
        assert part["input_tokens"] == 100


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("01a00000-0000-7000-8000-000000000000", "is stored"), ("x' OR 1=1", "it is no identifier: give one")],
)
def test_what_is_no_stored_call_ends_with_2(home: Path, wanted: str, message: str) -> None:
    done = coalmine("call", wanted, home=home)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert message in done.stderr
