"""`coalmine evals compare`, as CI runs it: on recorded answers, without a server or a key."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.support.evals.gsm8k import CORRECT, PUBLISHED, write_solutions
from tests.support.processes.coalmine_process import coalmine, environment

Compare = Callable[..., CompletedProcess[str]]


@pytest.fixture
def compare(home: Path) -> Compare:
    return lambda *arguments: coalmine("evals", "compare", *map(str, arguments), home=home)


def _columns(candidate: str, baseline: str) -> list[str]:
    return ["--candidate", f"{candidate}.solution", "--baseline", f"{baseline}.solution"]


def _json(result: CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["exit_code"] == result.returncode
    return found


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"needs {PUBLISHED.name}, which is not in the repository")
@pytest.mark.parametrize(
    ("candidate", "baseline", "code"),
    [
        ("175b_verification", "6b_verification", 0),
        ("6b_verification", "175b_verification", 1),
        ("175b_finetuning", "6b_finetuning", 0),
    ],
)
def test_published_answers(compare: Compare, candidate: str, baseline: str, code: int) -> None:
    result = compare(PUBLISHED, *_columns(candidate, baseline), "--scorer", "numeric_answer", "--json")
    assert result.returncode == code, result.stderr
    (row,) = _json(result)["rows"]
    assert (row["cases"], round(row["candidate"], 4)) == (1_319, CORRECT[candidate])
    assert round(row["baseline"], 4) == CORRECT[baseline]


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"needs {PUBLISHED.name}, which is not in the repository")
def test_the_closest_pair_takes_more_than_60_cases(compare: Compare) -> None:
    closest = [*_columns("175b_finetuning", "6b_verification"), "--scorer", "numeric_answer"]
    result = compare(PUBLISHED, *closest, "--sample", 60, "--seed", 1)
    assert result.returncode == 3
    assert result.stdout.startswith("undecided: ")
    assert "this gate sees a drop of" in result.stdout
    (row,) = _json(compare(PUBLISHED, *closest, "--json"))["rows"]
    assert (row["better"], row["worse"]) == (152, 209)
    assert round(row["difference"], 3) == -0.043
    assert round(row["p_differs"], 4) == 0.0032
    assert round(row["spread"] / row["cases"] ** 0.5, 4) == 0.0144


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_one_file_has_the_answers_of_both_sides(compare: Compare, tmp_path: Path, name: str) -> None:
    truth = np.array(write_solutions(tmp_path / name, 400, (0.5, 0.7)))
    better = compare(tmp_path / name, *_columns("m1", "m0"), "--scorer", "numeric_answer", "--json")
    assert better.returncode == 0, better.stderr
    (row,) = _json(better)["rows"]
    assert (row["baseline"], row["candidate"]) == tuple(truth.mean(axis=0))
    assert row["better"] == (truth[:, 1] & ~truth[:, 0]).sum()
    assert compare(tmp_path / name, *_columns("m0", "m1"), "--scorer", "numeric_answer").returncode == 1


def test_columns_are_named_where_they_have_unusual_names(compare: Compare, tmp_path: Path) -> None:
    lines = [
        {"n": f"q{at}", "ask": {"text": str(at)}, "truth": "yes", "new": "yes", "old": ["no", "yes"]}
        for at in range(30)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    mapping = ["--map", "id=n", "--map", "variables.question=ask.text", "--map", "expected=truth"]
    sides = ["--candidate", "new", "--baseline", "old.1"]
    result = compare(tmp_path / "a.jsonl", *sides, *mapping, "--scorer", "exact margin=20%", "--json")
    assert result.returncode == 0, result.stderr
    assert _json(result)["rows"][0]["method"] == "rule of three"


def test_two_files_of_answers_with_repeats_and_cases_beside(compare: Compare, tmp_path: Path) -> None:
    cases = [{"id": f"c{at}", "variables": {}, "expected": "yes", "must_pass": at == 0} for at in range(50)]
    new = [{"case": f"c{at}", "output": "yes" if at or k else "no"} for at in range(50) for k in range(3)]
    old = [{"case": f"c{at}", "output": "yes"} for at in range(50)]
    for name, lines in (("cases", cases), ("new", new), ("old", old)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    files = [tmp_path / "new.jsonl", tmp_path / "old.jsonl", "--cases", tmp_path / "cases.jsonl"]
    outputs = ["--report", tmp_path / "report.md", "--junit", tmp_path / "junit.xml"]
    result = compare(*files, "--scorer", "exact", "--margin", "20%", *outputs)
    assert result.returncode == 1, result.stderr
    assert "1 case that must pass did not: c0" in result.stdout
    assert "`c0`" in (tmp_path / "report.md").read_text(encoding="utf-8")
    suite = ElementTree.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8")).find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"


def test_a_suite_says_what_to_measure_by(compare: Compare, tmp_path: Path) -> None:
    write_solutions(tmp_path / "answers.jsonl", 200, (0.5, 0.5))
    suite = "prompt: sums\ndataset: sums\nmetrics:\n  right: {scorer: numeric_answer, margin: 50%}\n"
    (tmp_path / "sums.yaml").write_text(suite, encoding="utf-8")
    result = compare(
        tmp_path / "answers.jsonl", *_columns("m0", "m1"), "--suite", tmp_path / "sums.yaml", "--json"
    )
    assert result.returncode == 0, result.stderr
    assert [row["metric"] for row in _json(result)["rows"]] == ["right"]


def _answers(path: Path, **fields: object) -> Path:
    lines = [{"case": f"c{at}", "output": "a", **fields} for at in range(100)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_either_file_says_what_is_expected(compare: Compare, tmp_path: Path) -> None:
    with_more = _answers(tmp_path / "more.jsonl", expected="a", must_pass=True, id="another")
    without = _answers(tmp_path / "less.jsonl")
    for sides in ((with_more, without), (without, with_more)):
        found = _json(compare(*sides, "--scorer", "exact", "--json"))
        assert (found["outcome"], found["rows"][0]["cases"]) == ("pass", 100)
    other = _answers(tmp_path / "other.jsonl", expected="b")
    result = compare(without, other, "--scorer", "exact", "--json")
    assert [each["case"] for each in _json(result)["worst"]] == []
    result = compare(with_more, other, "--scorer", "exact")
    assert result.returncode == 2
    assert "another line of c0 expects 'b': say the same" in result.stderr


def test_cases_are_those_that_the_suite_was_reviewed_with(compare: Compare, tmp_path: Path) -> None:
    cases: list[dict[str, object]] = [
        {"id": f"c{at}", "variables": {}, "expected": "a", "split": "test" if at < 80 else "dev"}
        for at in range(100)
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    suite = tmp_path / "s.yaml"
    suite.write_text("prompt: p\ndataset: d\nfile: cases.jsonl\nmetrics: {right: exact}\n", "utf-8")
    assert coalmine("suite", "check", str(suite), "--fix", home=tmp_path / "home").returncode == 0
    answers = _answers(tmp_path / "answers.jsonl")
    assert _json(compare(answers, answers, "--suite", suite, "--json"))["cases"] == 80
    (tmp_path / "cases.jsonl").write_text(json.dumps({**cases[0], "expected": "b"}), encoding="utf-8")
    result = compare(answers, answers, "--suite", suite)
    assert result.returncode == 2
    assert "look at what changed" in result.stderr


def test_answers_that_cannot_be_scored_make_it_invalid(compare: Compare, tmp_path: Path) -> None:
    lines = [{"question": str(at), "a": "x", "b": "x"} for at in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = compare(tmp_path / "a.jsonl", "--candidate", "a", "--baseline", "b", "--scorer", "exact")
    assert result.returncode == 4
    assert "e.g. line 1: " in result.stderr


def test_a_case_that_one_side_did_not_answer_has_no_score(compare: Compare, tmp_path: Path) -> None:
    lines = [{"question": str(at), "answer": "x", "a": "x", "b": "x"} for at in range(100)]
    del lines[7]["a"]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = compare(
        tmp_path / "a.jsonl", "--candidate", "a", "--baseline", "b", "--scorer", "exact", "--json"
    )
    rows = _json(result)["rows"]
    assert (rows[0]["cases"], rows[0]["unscored_candidate"]) == (99, 0.01)


def test_a_case_that_only_the_baseline_answered_is_one_that_the_candidate_did_not(
    compare: Compare, tmp_path: Path
) -> None:
    old = [{"case": at, "output": "x", "expected": "x"} for at in range(100)]
    for name, lines in (("old", old), ("new", old[:90])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = compare(tmp_path / "new.jsonl", tmp_path / "old.jsonl", "--scorer", "exact", "--json")
    assert result.returncode == 4, result.stderr
    row = _json(result)["rows"][0]
    assert (row["cases"], row["unscored_candidate"]) == (90, 0.1)


def test_old_answers_beside_new_ones_are_said(compare: Compare, tmp_path: Path) -> None:
    for name, day, model in (("new", "2026-11-20", "m-2"), ("old", "2026-10-01", "m-1")):
        lines = [
            {
                "case": f"{at}",
                "output": "x",
                "expected": "x",
                "answered_at": f"{day}T00:00:00Z",
                "model": model,
            }
            for at in range(70)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = compare(tmp_path / "new.jsonl", tmp_path / "old.jsonl", "--scorer", "exact")
    assert result.returncode == 0, result.stderr
    assert "answers are up to 50 days apart" in result.stderr
    assert "different models answered: m-2 for the candidate, m-1 for the baseline" in result.stderr


def test_ci_chooses_what_undecided_means(compare: Compare, tmp_path: Path) -> None:
    write_solutions(tmp_path / "answers.jsonl", 30, (0.5, 0.5))
    given = [tmp_path / "answers.jsonl", *_columns("m0", "m1"), "--scorer", "numeric_answer"]
    codes = [
        compare(*given, *more).returncode for more in ([], ["--undecided", "pass"], ["--undecided", "fail"])
    ]
    assert codes == [3, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--scorer"),
        (["--scorer", "numeric_answr"], "numeric_answer"),
        (["--scorer", "exact", "--scorer", "exact"], "name=..."),
        (["--scorer", "numeric_answer margin"], "KEY=VALUE"),
        (["--scorer", "numeric_answer margin=200%"], "margin"),
        (["--scorer", "numeric_answer", "--map", "nothing"], "FIELD=COLUMN"),
        (
            ["--scorer", "numeric_answer", "--report", "/gone/a.md"],
            "name a file in a folder that exists",
        ),
        (["--scorer", "numeric_answer", "--junit", "/"], "name a file in a folder that exists"),
        (["--scorer", "numeric_answer", "--candidate", "m7.solution"], "m1.solution"),
        (["--scorer", "numeric_answer", "--candidate", "m1"], "name one of m1.is_correct, m1.solution"),
    ],
)
def test_mistakes_say_what_to_write_and_exit_with_2(
    compare: Compare, tmp_path: Path, arguments: list[str], said: str
) -> None:
    write_solutions(tmp_path / "answers.jsonl", 5, (0.5, 0.5))
    result = compare(tmp_path / "answers.jsonl", *_columns("m0", "m1"), *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_and_one_without_the_other_side(compare: Compare, tmp_path: Path) -> None:
    gone = compare(tmp_path / "gone.jsonl", *_columns("a", "b"), "--scorer", "exact")
    assert (gone.returncode, "gone.jsonl" in gone.stderr) == (2, True)
    (tmp_path / "a.jsonl").write_text('{"case": "x", "output": "y"}\n', encoding="utf-8")
    alone = compare(tmp_path / "a.jsonl", "--scorer", "exact")
    assert (alone.returncode, "--baseline" in alone.stderr) == (2, True)


_WITHOUT_THE_SERVER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
from coalmine_server.cli import main
main()
"""


def test_ci_needs_nothing_of_the_server(tmp_path: Path) -> None:
    """`pip install "coalmine[cli,evals]"` is enough to judge recorded answers."""
    write_solutions(tmp_path / "answers.jsonl", 50, (0.5, 0.9))
    missing = {"alembic", "duckdb", "fastapi", "polars", "pyarrow", "sqlalchemy", "starlette", "statsmodels"}
    script = _WITHOUT_THE_SERVER.format(missing=missing)
    given = [tmp_path / "answers.jsonl", *_columns("m1", "m0"), "--scorer", "numeric_answer"]
    result = subprocess.run(
        [sys.executable, "-c", script, "evals", "compare", *map(str, given)],
        env=environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("pass: ")
