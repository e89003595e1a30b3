"""A server scores what services send, asks people about it, and counts what both say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json, with_constants

FILE = """
continuous:
  scores:
    short:
      scorer: sentence_count
      settings: {maximum: 1}
      rate: 100%
review:
  support:
    random: 100%
    double: 0%
    questions:
      correct: {ask: "Is the answer right?"}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "evals.yaml").write_text(FILE)
    soon = with_constants(coalmine_server__workers__production__LOOK_S=0.5)
    with ServerProcess(home, soon) as found:
        yield found.wait_ready()


def call(home: Path, output: str) -> str:
    with Coalmine("support-bot", home=home, capture_text=True) as client:
        with client.call("greet", version="1.0.0", unit_id="ann-7") as made:
            made.record(input_text="Who?", output_text=output)
        return made.request_id


def test_scorers_and_people_score_what_services_send(server: ServerProcess, tmp_path: Path) -> None:
    home = tmp_path / "home"
    eventually(lambda: _have_begun(server), what="the workers have begun")
    request_id = call(home, "One. Two. Three.")
    eventually(
        lambda: _scores_of(server, request_id) == {("short", "heuristic")}, what="a score by the scorer"
    )
    eventually(lambda: server.json("/v1/reviews")[0]["waiting"] == 1, what="an item to review")
    (row,) = server.json("/v1/production-scores?prompt=greet")["quality"]
    assert (row["version"], row["metric"], row["scored"]) == ("1.0.0", "short", 1)
    assert "1.0.0" in coalmine("evals", "production", "greet", home=home).stdout
    task = coalmine_json("review", "next", "support", home=home)
    assert (task["input_text"], task["output_text"]) == ("Who?", "One. Two. Three.")
    item = str(task["item"])
    wrong = coalmine("review", "submit", item, "correct=perhaps", home=home)
    assert wrong.returncode == 2
    assert "answer yes, no" in wrong.stderr
    (answer,) = coalmine_json("review", "submit", item, "correct=no", "--comment", "too long", home=home)
    assert (answer["value"], answer["counts"]) == (0.0, True)
    both = {("short", "heuristic"), ("correct", "human")}
    eventually(lambda: _scores_of(server, request_id) == both, what="a score by a person")
    assert coalmine_json("review", "next", "support", home=home) is None
    (agreed,) = coalmine_json("review", "agreement", home=home)
    assert (agreed["random_items"], agreed["random_mean"]) == (1, 0.0)


def test_a_file_with_a_mistake_stops_the_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "evals.yaml").write_text(FILE.replace("sentence_count", "sentense_count"))
    done = coalmine("serve", home=home)
    assert done.returncode == 2
    assert "did you mean sentence_count" in done.stderr


def _have_begun(server: ServerProcess) -> bool:
    """Scoring begins with what comes after the first tick."""
    text = server.get("/metrics").text
    names = ("production-scores", "production-reviews")
    return all(
        f'coalmine_worker_ticks_total{{worker="{name}"}} 0' not in text and name in text for name in names
    )


def _scores_of(server: ServerProcess, request_id: str) -> set[tuple[str, str]]:
    found = server.get(f"/v1/requests/{request_id}")
    if not found.is_success:
        return set()
    return {(each["name"], each["source"]) for each in found.json()["scores"]}


def test_a_damaged_file_of_evaluations_is_said_to_whoever_asks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "evals.db").write_bytes(b"something else" * 1000)
    with ServerProcess(home) as found:
        found.wait_ready()
        done = coalmine("suite", "list", home=home)
    assert done.returncode != 0
    assert "restore a copy of it" in done.stderr
