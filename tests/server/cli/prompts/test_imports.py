"""`coalmine import`: files in a folder, JSON for scripts, an exit code that tells."""

import json
from pathlib import Path

import pytest

from tests.support.processes.coalmine_process import coalmine, coalmine_json

EXPORT = [
    {"name": "greeting", "prompt": "Hello {{name}}", "version": 1, "labels": ["production"]},
    {"name": "greeting", "prompt": "{{#polite}}Dear{{/polite}} {{name}}", "version": 2},
]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(EXPORT), encoding="utf-8")
    return path


def test_what_was_left_out_is_named_and_is_exit_code_1(export: Path, tmp_path: Path) -> None:
    done = coalmine("import", "langfuse", export, "--into", "made", home=tmp_path)
    assert done.returncode == 1
    assert "{{#polite}}" in done.stdout
    assert "1 of 2 versions were left out" in done.stderr
    assert (tmp_path / "made" / "greeting" / "1.0.0.md").is_file()
    assert not (tmp_path / "made" / "greeting" / "2.0.0.md").exists()
    assert coalmine("check-prompts", "made", home=tmp_path).returncode == 2  # it is no repository


def test_json_is_one_document_for_scripts(export: Path, tmp_path: Path) -> None:
    export.write_text(json.dumps(EXPORT[:1]), encoding="utf-8")
    assert coalmine_json("import", "langfuse", export, "--dry-run", home=tmp_path) == [
        {
            "prompt": "greeting",
            "version": "1.0.0",
            "result": "would write",
            "path": "prompts/greeting/1.0.0.md",
            "source": "greeting, version 1",
            "problem": None,
            "notes": [],
        }
    ]
    assert coalmine_json("import", "langfuse", export, home=tmp_path)[0]["result"] == "written"
    assert coalmine_json("import", "langfuse", export, home=tmp_path)[0]["result"] == "unchanged"


@pytest.mark.parametrize("tool", ["langfuse", "promptlayer", "mlflow", "promptfoo"])
def test_an_export_that_cannot_be_read_is_exit_code_2(tool: str, tmp_path: Path) -> None:
    done = coalmine("import", tool, "nowhere", home=tmp_path)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
