"""`coalmine calibrate`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coalmine_analytics.calibration.false_alarms import FalseAlarms
from coalmine_analytics.calibration.populations import normal
from coalmine_analytics.calibration.traffic import Single
from coalmine_server.cli.app import app


def test_some_cells_as_a_table_a_list_and_a_document(tmp_path: Path) -> None:
    rows, document = tmp_path / "rows.json", tmp_path / "document.md"
    ended = CliRunner().invoke(
        app,
        [
            "calibrate",
            "--only",
            "sample ratio",
            "--replications",
            "125",
            "--json",
            str(rows),
            "--report",
            str(document),
        ],
    )
    assert ended.exit_code == 0, ended.output
    assert "fails, as it must" in ended.stdout
    assert "holds" in ended.stdout
    assert "all 4 figures of ours hold, and all 3 shortcuts fail, as they must" in ended.stderr
    found = json.loads(rows.read_text())
    assert len(found) == 7
    assert {row["method"] for row in found} == {
        "sample ratio",
        "chi-squared at every look",
        "sample ratio: mean stop / fixed n",
    }
    assert document.read_text().startswith("# Calibration")


def test_a_broken_limit_is_named_and_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    unequal = Single(normal(0, 1), normal(1, 1), 0.5, 100, 10)
    broken = FalseAlarms("an effect taken for none", unequal, mde=0.2)
    monkeypatch.setattr("coalmine_analytics.calibration.grid", lambda full: [broken])
    ended = CliRunner().invoke(app, ["calibrate", "--processes", "1"])
    assert ended.exit_code == 1
    assert "an effect taken for none: two-sided: 1.0000, limit <= 0.05: FAILS" in ended.stderr
    assert "2 of 3 rows are not as they must be" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "no such cell"], "no cell has that in its name"),
        (["--json", "nowhere/rows.json"], "a folder that does not exist"),
        (["--report", "nowhere/document.md"], "a folder that does not exist"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(app, ["calibrate", *arguments])
    assert ended.exit_code != 0
    assert said in ended.stderr + str(ended.exception)


def test_whole_rollouts_as_a_table_a_list_and_a_document(tmp_path: Path) -> None:
    rows, document = tmp_path / "rows.json", tmp_path / "document.md"
    arguments = ["--end-to-end", "--only", "quality -10 %", "--replications", "1", "--processes", "1"]
    ended = CliRunner().invoke(app, ["calibrate", *arguments, "--json", str(rows), "--report", str(document)])
    assert ended.exit_code == 0, ended.output
    assert "bad version: quality -10 %" in ended.stdout
    found = json.loads(rows.read_text())
    assert [row["replications"] for row in found] == [1, 1, 1, 1]
    assert found[0]["upper_bound"] == 0.95
    assert document.read_text().startswith("# Calibration of decisions, end to end")


def test_whole_rollouts_have_their_controller() -> None:
    arguments = ["--end-to-end", "--only", "quality -8 %", "--replications", "1", "--processes", "1"]
    ended = CliRunner().invoke(app, ["calibrate", *arguments])
    assert ended.exit_code == 0, ended.output
    assert "whole rollout: quality -8 %, canary-standard" in ended.stdout
