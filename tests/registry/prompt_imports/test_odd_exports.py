"""Exports that no tool wrote: what cannot be had is left out and says why, and nothing breaks."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coalmine_registry.prompt_imports.into_folder import Outcome, import_into
from coalmine_registry.prompt_imports.langfuse import read_langfuse
from coalmine_registry.prompt_imports.mlflow import read_mlflow
from coalmine_registry.prompt_imports.promptfoo import read_promptfoo_prompts
from coalmine_registry.prompt_imports.promptlayer import read_promptlayer

TABLES = """
CREATE TABLE model_versions (name, version, description, current_stage);
CREATE TABLE registered_model_tags (name, key, value);
CREATE TABLE model_version_tags (name, version, key, value);
CREATE TABLE registered_model_aliases (name, version, alias);
"""


def mlflow(path: Path, name: object, version: object, text: object) -> list[Outcome]:
    database = path / "mlflow.db"
    with closing(sqlite3.connect(database)) as opened:
        opened.executescript(TABLES)
        opened.execute("INSERT INTO model_versions VALUES (?, ?, NULL, NULL)", (name, version))
        opened.execute(
            "INSERT INTO registered_model_tags VALUES (?, 'mlflow.prompt.is_prompt', 'true')", (name,)
        )
        tag = "INSERT INTO model_version_tags VALUES (?, ?, 'mlflow.prompt.text', ?)"
        opened.execute(tag, (name, version, text))
        opened.commit()
    return import_into("mlflow", read_mlflow(database), path / "prompts")


@pytest.mark.parametrize(
    ("name", "version", "text", "problem"),
    [
        ("p", 1, b"\xff", "mlflow.prompt.text"),
        ("p", 1, 3, "mlflow.prompt.text"),
        ("p", "x", "hi", "version"),
        ("p", 1.5, "hi", "version"),
        (3, "1", "hi", None),
    ],
)
def test_a_database_may_hold_values_of_any_type(
    tmp_path: Path, name: object, version: object, text: object, problem: str | None
) -> None:
    (done,) = mlflow(tmp_path, name, version, text)
    if problem is None:
        assert (done.prompt, done.version, done.result) == ("3", "1.0.0", "written")
    else:
        assert done.result == "left out"
        assert problem in str(done.problem)


@pytest.mark.parametrize("language", [[], {"a": 1}, 3])
def test_a_format_may_be_anything(tmp_path: Path, language: object) -> None:
    template = {"type": "completion", "content": "hi", "template_format": language}
    (tmp_path / "e.json").write_text(json.dumps({"prompt_name": "a", "prompt_template": template}))
    (done,) = import_into("promptlayer", read_promptlayer(tmp_path / "e.json"), tmp_path / "prompts")
    assert "template_format" in str(done.problem)


def test_lines_of_json_end_with_a_line_feed_alone(tmp_path: Path) -> None:
    """JSON may have the other ends of lines that Unicode knows inside of texts."""
    lines = [json.dumps({"name": name, "prompt": "a\u2028b\x85c"}, ensure_ascii=False) for name in "ab"]
    (tmp_path / "e.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = import_into("langfuse", read_langfuse(tmp_path / "e.jsonl"), tmp_path / "prompts")
    assert [each.result for each in done] == ["written", "written"]


def test_a_file_whose_name_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text('prompts: ["a\\0b.txt", "file://c\\0.md"]')
    read = read_promptfoo_prompts(tmp_path / "promptfooconfig.yaml")
    done = import_into("promptfoo", read, tmp_path / "prompts")
    assert ["cannot be read" in str(each.problem) for each in done] == [True, True]
