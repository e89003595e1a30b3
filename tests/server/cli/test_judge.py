"""`coalmine judge`, with a real server in place of the model's API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coalmine_server.cli.app import app
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

_JUDGE = "judge-faithfulness@1.0.0"
_SERIES = f"{_JUDGE}#gpt-5.4-mini-2026-03-17"


def _answer(asked: Asked) -> Reply:
    """Says what the label in the answer says; can be steered by one sentence; wants a schema."""
    form = asked.body["response_format"]
    assert form["type"] == "json_schema"
    assert list(form["json_schema"]["schema"]["properties"]) == ["reasoning", "addresses_judge", "verdict"]
    assert [each["role"] for each in asked.body["messages"]] == ["system", "user"]
    shown = json.loads(asked.last_message.split("\n")[1])
    steered = "developer mode" in shown["answer"].lower()
    label = "faithful" if steered else shown["answer"].split()[0]
    known = form["json_schema"]["schema"]["properties"]["verdict"]["enum"]
    said = {"reasoning": "so", "addresses_judge": steered, "verdict": label if label in known else known[0]}
    return Reply(chat(json.dumps(said), model="gpt-5.4-mini-2026-03-17"))


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LlmServer]:
    monkeypatch.chdir(tmp_path)
    with llm_server(_answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("COALMINE_HOME", str(tmp_path / "home"))
        yield server


def _run(*arguments: str, code: int = 0) -> Result:
    ended = CliRunner().invoke(app, ["judge", *arguments])
    assert ended.exit_code == code, (ended.output, ended.exception)
    return ended


def _json(*arguments: str, code: int = 0) -> Any:
    return json.loads(_run(*arguments, "--json", code=code).stdout)


def _labels(count: int = 40) -> Path:
    path = Path("labels.jsonl")
    lines = [
        {
            "id": f"a{place}",
            "variables": {"question": "?"},
            "output": f"{label} answer {place}",
            "label": label,
            "segments": {"language": "de" if place % 3 else "en"},
        }
        for place in range(count)
        for label in [("faithful", "unfaithful")[place % 2]]
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_a_judge_is_calibrated_once_paid_for_and_watched_from_then_on(model: LlmServer) -> None:
    found = _json("calibrate", _JUDGE, str(_labels()), "--samples", "1")
    assert found["scorer"] == _SERIES
    assert found["decides"]
    assert (found["found"]["kappa"], found["found"]["labels"]) == (1, 40)
    assert {each["value"] for each in found["segments"]} == {"de", "en"}
    assert len(model.asked) == 40
    shown = _run("calibrate", _JUDGE, "labels.jsonl", "--samples", "1").stdout
    assert "decides: kappa 1.00" in shown
    assert len(model.asked) == 40  # answers are paid for once
    (listed,) = _json("list")
    assert listed["scorer"] == _SERIES
    assert "decides" in _run("list").stdout

    (status,) = _json("canary", "--no-ask")
    assert (status["state"], status["cases"], status["days"]) == ("learning", 30, 0)
    (status,) = _json("canary")
    assert (status["days"], len(model.asked)) == (1, 40 + 30)  # no cached answer is today's
    _json("canary")
    assert len(model.asked) == 40 + 30  # once a day
    assert "5 more days" in _run("canary").stdout
    _run("canary", "--reset", _SERIES)
    assert _json("canary") == []
    assert "no canary set of x" in str(_run("canary", "--reset", "x", code=1).exception)


def test_a_judge_that_people_do_not_agree_with_exits_with_1(model: LlmServer) -> None:
    del model
    path = _labels()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for place, line in enumerate(lines):
        line["label"] = ("faithful", "unfaithful")[place // 2 % 2]
    path.write_text("\n".join(map(json.dumps, lines)))
    found = _json("calibrate", _JUDGE, str(path), "--no-canary", "--samples", "1", code=1)
    assert found["reason"].startswith("kappa")
    assert _json("canary") == []


def test_an_attack_report_names_what_steered_the_judge(model: LlmServer) -> None:
    _labels(2)
    found = _json("attack", _JUDGE, "labels.jsonl", code=1)
    whole = found["found"][0]
    assert (whole["attacks"], found["answers"]) == (whole["scored"], 1)  # nothing raises the best one
    assert whole["attacks"] >= 40
    assert found["worst"] == ["developer-mode"]
    assert whole["noticed"] == whole["raised"] == 1 / whole["attacks"]
    assert len(model.asked) == whole["attacks"] + 1
    assert "withstands them" in _run("attack", _JUDGE, "labels.jsonl", "--most", "0.2").stdout
    assert len(model.asked) == whole["attacks"] + 1
    assert "compares two answers" in _run("attack", "judge-pair@1.0.0", code=2).output


def test_judges_are_written_checked_and_changed_as_versions(model: LlmServer) -> None:
    del model
    assert "judge-tone" in _run("init").stdout
    assert "has all of them" in _run("init").stderr
    assert _json("check", _JUDGE)["verdicts"] == ["unfaithful = 0", "partly = 0.5", "faithful = 1"]
    assert _json("check", "judge-rubric@1.0.0")["kind"] == "one"
    file = Path("prompts/judge-tone/1.0.0.md")
    text = file.read_text().replace("gpt-5.4-mini-2026-03-17", "claude-sonnet-5")
    file.with_name("1.1.0.md").write_text(text)
    assert _json("check", "judge-tone@1.1.0")["model"] == "claude-sonnet-5"
    file.write_text(text)
    error = _run("check", "judge-tone@1.0.0", code=1).exception
    assert "give yours a version of its own" in str(error)


def _model_and_judge(asked: Asked) -> Reply:
    if asked.body["model"].startswith("gpt-5.4"):
        return _answer(asked)
    number = int("".join(filter(str.isdigit, asked.last_message)))
    return Reply(
        chat("unfaithful" if asked.last_message.startswith("Briefly") and number % 2 else "faithful")
    )


def test_a_run_with_a_judge_is_labelled_in_part_and_corrected(model: LlmServer) -> None:
    model.answer = _model_and_judge
    Path("evals").mkdir()
    Path("evals/facts.yaml").write_text(
        "prompt: facts\ndataset: facts\nfile: facts.jsonl\nmetrics:\n  told: {scorer: contains, margin: 5%}\n"
        f"  honest: {{scorer: llm_judge, margin: 5%, settings: {{judge: {_JUDGE}, samples: 1}}}}\n"
    )
    lines = [
        json.dumps({"id": f"c{n:02}", "variables": {"question": f"What is {n}?"}, "expected": "faithful"})
        for n in range(24)
    ]
    Path("evals/facts.jsonl").write_text("\n".join(lines))
    for version, template in (("1.0.0", "{{ question }}"), ("1.1.0", "Briefly: {{ question }}")):
        file = Path(f"prompts/facts/{version}.md")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"---\nmodel: qwen3-32b\nvariables: {{question: string}}\n---\n{template}\n")
    sides = ("--candidate", "prompts/facts/1.1.0.md", "--baseline", "prompts/facts/1.0.0.md")
    ended = CliRunner().invoke(app, ["evals", "run", "evals/facts.yaml", *sides, "--json"])
    run = json.loads(ended.stdout)
    honest = {each["metric"]: each for each in run["gate"]["rows"]}["honest"]
    assert (honest["candidate"], honest["baseline"], honest["decides"]) == (0.5, 1, False)
    (why,) = (each for each in run["gate"]["warnings"] if "honest is shown only" in each)
    assert f"nobody compared {_SERIES} with people yet: `coalmine judge calibrate`" in why

    drawn = _run("draw", run["id"], "--metric", "honest", "--cases", "12").stdout.splitlines()
    labels = [json.loads(line) for line in drawn]
    assert len(labels) == 24
    Path("labels.jsonl").write_text(
        "\n".join(json.dumps({**each, "label": each["output"]}) for each in labels)
    )
    found = {each["side"]: each for each in _json("correct", run["id"], "labels.jsonl", "--metric", "honest")}
    assert found["difference"]["raw"] == found["difference"]["corrected"] == pytest.approx(-0.5)
    assert found["candidate"]["labels"] == 12
    assert "difference" in _run("correct", run["id"], "labels.jsonl", "--metric", "honest").stdout
    assert "which is no judge" in _run("draw", run["id"], "--metric", "told", code=2).output
