"""Exports of other tools become prompt files that render the same; what cannot be is named and left out."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine import Coalmine
from coalmine_registry.prompt_imports.imported import Exported
from coalmine_registry.prompt_imports.into_folder import Outcome, import_into
from coalmine_registry.prompt_imports.langfuse import read_langfuse
from coalmine_registry.prompt_imports.mlflow import read_mlflow
from coalmine_registry.prompt_imports.promptfoo import read_promptfoo_prompts
from coalmine_registry.prompt_imports.promptlayer import read_promptlayer
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import file_of
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts import PromptContent

LANGFUSE = [
    {
        "id": "1",
        "name": "movie-critic",
        "type": "text",
        "prompt": 'As a {{criticLevel}} critic, do you like {{ movie }}? Answer {"a": 1}, no {% raw %}.',
        "config": {"model": "gpt-4o", "temperature": 0.5, "supported_languages": ["en", "fr"]},
        "version": 1,
        "labels": ["production"],
        "tags": ["movies"],
        "commitMessage": "First",
    },
    {
        "name": "movie-critic",
        "type": "chat",
        "prompt": [
            {"role": "system", "content": "Be a {{criticLevel}} critic."},
            {"type": "chatmessage", "role": "user", "content": "{{movie}}?"},
        ],
        "config": {},
        "version": 2,
        "labels": ["latest"],
    },
    {
        "name": "Support/With History",
        "type": "chat",
        "prompt": [{"type": "placeholder", "name": "history"}],
        "version": 1,
    },
    {"name": "composed", "prompt": "@@@langfusePrompt:name=house-style|version=1@@@ Hi", "version": 1},
]


NAMES = (
    *("name", "version", "type", "prompt", "config", "labels", "tags", "role", "content", "text", "messages"),
    *(
        "prompt_name",
        "prompt_template",
        "metadata",
        "model",
        "parameters",
        "template_format",
        "template",
        "data",
    ),
)


def content_of(folder: Path, name: str, version: str) -> PromptContent:
    return parse_prompt(file_of(folder, name, version).read_text(encoding="utf-8"))


def by_name(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    return {f"{each.prompt}@{each.version}": each for each in outcomes}


def test_langfuse(tmp_path: Path) -> None:
    export, folder = tmp_path / "export.json", tmp_path / "prompts"
    export.write_text(json.dumps(LANGFUSE), encoding="utf-8")
    done = by_name(import_into("langfuse", read_langfuse(export), folder))
    assert {name: each.result for name, each in done.items()} == {
        "movie-critic@1.0.0": "written",
        "movie-critic@2.0.0": "written",
        "support.with-history@1.0.0": "left out",
        "composed@1.0.0": "left out",
    }
    assert "placeholder history" in (done["support.with-history@1.0.0"].problem or "")
    assert done["support.with-history@1.0.0"].notes == (
        "called support.with-history here: 'Support/With History' cannot be a name",
    )
    assert "@@@langfusePrompt:name=house-style" in (done["composed@1.0.0"].problem or "")
    first = content_of(folder, "movie-critic", "1.0.0")
    assert (first.model, first.parameters) == ("gpt-4o", {"temperature": 0.5})
    assert first.metadata["imported"] == {
        "tool": "langfuse",
        "name": "movie-critic",
        "version": 1,
        "labels": ["production"],
        "tags": ["movies"],
        "commit_message": "First",
        "config": {"supported_languages": ["en", "fr"]},
    }
    with Coalmine("critic", home=tmp_path / "home", prompts=folder) as cm:
        old = cm.prompt("movie-critic", version="1.0.0")
        assert old.render(criticLevel="harsh", movie="Heat") == (
            'As a harsh critic, do you like Heat? Answer {"a": 1}, no {% raw %}.'
        )
        assert cm.prompt("movie-critic").messages(criticLevel="harsh", movie="Heat") == [
            {"role": "system", "content": "Be a harsh critic."},
            {"role": "user", "content": "Heat?"},
        ]


def test_an_import_can_be_repeated_and_never_overwrites(tmp_path: Path) -> None:
    export, folder = tmp_path / "export.jsonl", tmp_path / "prompts"
    export.write_text("\n".join(json.dumps(each) for each in LANGFUSE[:2]), encoding="utf-8")
    planned = import_into("langfuse", read_langfuse(export), folder, dry_run=True)
    assert [each.result for each in planned] == ["would write", "would write"]
    assert not folder.exists()
    import_into("langfuse", read_langfuse(export), folder)
    again = import_into("langfuse", read_langfuse(export), folder)
    assert [each.result for each in again] == ["unchanged", "unchanged"]
    path = file_of(folder, "movie-critic", "2.0.0")
    path.write_text("Our own.\n", encoding="utf-8")
    edited = import_into("langfuse", read_langfuse(export), folder)
    assert [each.result for each in edited] == ["unchanged", "left out"]
    assert path.read_text(encoding="utf-8") == "Our own.\n"


def test_the_same_twice_is_one_and_two_that_differ_are_told(tmp_path: Path) -> None:
    given = [Exported("a", "greeting", 1, "Hi"), Exported("b", "greeting", 1, "Hello")]
    done = import_into("langfuse", [*given, given[0]], tmp_path)
    assert [each.result for each in done] == ["written", "left out"]
    assert done[1].problem == "a is greeting@1.0.0, too: rename one of them"


def test_two_prompts_that_have_one_name_here_are_not_versions_of_one(tmp_path: Path) -> None:
    given = [Exported("a", "Greeting", 1, "Hi"), Exported("b", "greeting", 2, "Hello")]
    done = import_into("langfuse", given, tmp_path)
    assert [each.result for each in done] == ["written", "left out"]
    assert done[1].problem == "'Greeting' is called greeting here, too: rename one of them"
    (again,) = import_into("langfuse", given[1:], tmp_path)
    assert again.problem == done[1].problem
    (newer,) = import_into("langfuse", [Exported("a", "Greeting", 2, "Hi!")], tmp_path)
    assert newer.result == "written"


def test_promptlayer_in_both_of_its_forms(tmp_path: Path) -> None:
    raw = {
        "success": True,
        "id": 17,
        "prompt_name": "support-response",
        "version": 2,
        "prompt_template": {
            "type": "chat",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Answer as {{json}}."}]},
                {"role": "user", "content": [{"type": "text", "text": "{user_message}"}]},
            ],
            "tools": [{"type": "function", "function": {"name": "refund"}}],
        },
        "metadata": {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}},
        "commit_message": "Improve support tone",
        "tags": ["support"],
    }
    before = {
        "prompt_name": "old_form",
        "version": 1,
        "prompt_template": {
            "messages": [
                {"role": "user", "prompt": {"template": "{{ q | upper }}", "template_format": "jinja2"}},
            ]
        },
    }
    picture = {
        "prompt_name": "picture",
        "version": 1,
        "prompt_template": {
            "type": "chat",
            "messages": [{"role": "user", "content": [{"type": "image_url"}]}],
        },
    }
    completion = {
        "prompt_name": "completion",
        "version": 3,
        "prompt_template": {
            "type": "completion",
            "content": [{"type": "text", "text": "{x} {y:>3}"}],
            "template_format": "f-string",
        },
    }
    export = tmp_path / "export"
    export.mkdir()
    for each in (raw, before, picture, completion):
        (export / f"{each['prompt_name']}.json").write_text(json.dumps(each), encoding="utf-8")
    done = by_name(import_into("promptlayer", read_promptlayer(export), tmp_path / "prompts"))
    assert {name: each.result for name, each in done.items()} == {
        "completion@3.0.0": "left out",
        "old_form@1.0.0": "written",
        "picture@1.0.0": "left out",
        "support-response@2.0.0": "written",
    }
    assert "{y:>3}" in (done["completion@3.0.0"].problem or "")
    assert "texts only" in (done["picture@1.0.0"].problem or "")
    found = content_of(tmp_path / "prompts", "support-response", "2.0.0")
    assert [each.template for each in found.messages] == ["Answer as {json}.", "{{ user_message }}"]
    assert (found.model, found.parameters) == ("gpt-4o", {"temperature": 0.2})
    kept: Any = found.metadata["imported"]
    assert (kept["provider"], kept["tools"][0]["function"]["name"]) == ("openai", "refund")
    assert content_of(tmp_path / "prompts", "old_form", "1.0.0").messages[0].template == "{{ q | upper }}"


MLFLOW_TABLES = """
CREATE TABLE registered_models (name VARCHAR(256) PRIMARY KEY, description VARCHAR(5000));
CREATE TABLE registered_model_tags (name VARCHAR(256), key VARCHAR(250), value VARCHAR(5000));
CREATE TABLE registered_model_aliases (name VARCHAR(256), alias VARCHAR(256), version INTEGER);
CREATE TABLE model_versions (
    name VARCHAR(256), version INTEGER, description VARCHAR(5000), current_stage VARCHAR(20)
);
CREATE TABLE model_version_tags (name VARCHAR(256), version INTEGER, key VARCHAR(250), value TEXT);
INSERT INTO registered_models VALUES ('greeting', NULL), ('a-model', NULL);
INSERT INTO registered_model_tags VALUES ('greeting', 'mlflow.prompt.is_prompt', 'true');
INSERT INTO registered_model_aliases VALUES ('greeting', 'production', 1);
INSERT INTO model_versions VALUES
    ('greeting', 1, 'First', 'None'), ('greeting', 2, NULL, 'None'),
    ('greeting', 3, NULL, 'Deleted_Internal'), ('greeting', 4, NULL, 'None'), ('a-model', 1, NULL, 'None');
INSERT INTO model_version_tags VALUES
    ('greeting', 1, 'mlflow.prompt.text', 'Hello {{ name }}!'),
    ('greeting', 1, 'mlflow.prompt.is_prompt', 'true'),
    ('greeting', 1, 'team', 'support'),
    ('greeting', 2, 'mlflow.prompt.text', '[{"role": "user", "content": "Hi {{name}}"}]'),
    ('greeting', 2, '_mlflow_prompt_type', 'chat'),
    ('greeting', 2, '_mlflow_prompt_response_format', '{"type": "object"}'),
    ('greeting', 2, '_mlflow_prompt_model_config', '{"model_name": "gpt-4o", "temperature": 0.1}'),
    ('greeting', 4, 'mlflow.prompt.text', 'Hello {{ user.name }}!');
"""


def test_mlflow_from_its_database(tmp_path: Path) -> None:
    path, folder = tmp_path / "mlflow.db", tmp_path / "prompts"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(MLFLOW_TABLES)
    done = by_name(import_into("mlflow", read_mlflow(path), folder))
    assert {name: each.result for name, each in done.items()} == {
        "greeting@1.0.0": "written",
        "greeting@2.0.0": "written",
        "greeting@4.0.0": "left out",
    }
    assert "user.name" in (done["greeting@4.0.0"].problem or "")
    first, second = content_of(folder, "greeting", "1.0.0"), content_of(folder, "greeting", "2.0.0")
    kept: Any = first.metadata["imported"]
    assert first.template == "Hello {{ name }}!"
    assert (kept["labels"], kept["tags"], kept["commit_message"]) == (
        ["production"],
        {"team": "support"},
        "First",
    )
    assert (second.model, second.parameters, second.output_schema) == (
        "gpt-4o",
        {"temperature": 0.1},
        {"type": "object"},
    )


def test_mlflow_from_its_folder(tmp_path: Path) -> None:
    files = {
        "greeting/meta.yaml": "name: greeting\n",
        "greeting/tags/mlflow.prompt.is_prompt": "true",
        "greeting/aliases/production": "2",
        "greeting/version-1/tags/mlflow.prompt.text": "Hello {{ name }}!",
        "greeting/version-2/tags/mlflow.prompt.text": "Hi {{ name }}!",
        "a-model/meta.yaml": "name: a-model\n",
    }
    for name, text in files.items():
        path = tmp_path / "mlruns" / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = import_into("mlflow", read_mlflow(tmp_path / "mlruns"), tmp_path / "prompts")
    assert [(each.prompt, each.version, each.result) for each in done] == [
        ("greeting", "1.0.0", "written"),
        ("greeting", "2.0.0", "written"),
    ]
    kept: Any = content_of(tmp_path / "prompts", "greeting", "2.0.0").metadata["imported"]
    assert kept["labels"] == ["production"]


PROMPTFOO = """\
prompts:
  - 'Translate to {{language}}: {{ input | dump }}'
  - id: file://chat.json
    label: Chat
  - file://two.txt
  - file://make.py
providers:
  - id: openai:chat:gpt-4o-mini
    config: {temperature: 0, apiHost: example.org}
"""


def test_promptfoo(tmp_path: Path) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text(PROMPTFOO, encoding="utf-8")
    (tmp_path / "chat.json").write_text(
        '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{ q }}"}]',
        encoding="utf-8",
    )
    (tmp_path / "two.txt").write_text("One {{ a }}\n---\nTwo {% if b %}b{% endif %}\n", encoding="utf-8")
    folder = tmp_path / "prompts"
    done = by_name(
        import_into("promptfoo", read_promptfoo_prompts(tmp_path / "promptfooconfig.yaml"), folder)
    )
    assert {name: each.result for name, each in done.items()} == {
        "prompt-1@1.0.0": "left out",
        "chat@1.0.0": "written",
        "two-1@1.0.0": "written",
        "two-2@1.0.0": "written",
        "make@1.0.0": "left out",
    }
    assert "No filter named 'dump'" in (done["prompt-1@1.0.0"].problem or "")
    assert "code is not run" in (done["make@1.0.0"].problem or "")
    chat = content_of(folder, "chat", "1.0.0")
    assert (chat.model, chat.parameters, chat.messages[1].template) == (
        "gpt-4o-mini",
        {"temperature": 0},
        "{{ q }}",
    )
    assert content_of(folder, "two-2", "1.0.0").variables["b"].type == "boolean"


@pytest.mark.parametrize(
    ("text", "told"),
    [("no json", "is no JSON"), ("[]", "no prompt in the export"), ("[1]", "is no object")],
)
def test_what_is_no_export_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidParameter, match=told):
        import_into("langfuse", read_langfuse(path), tmp_path / "prompts")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["a", "text", "chat", "{{x}}", "{x}", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)
EXPORTS = st.fixed_dictionaries({"name": st.just("a")}, optional=dict.fromkeys(NAMES[1:], VALUES))


@given(EXPORTS)
def test_an_odd_export_is_written_or_left_out_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, export: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "export.json").write_text(json.dumps(export), encoding="utf-8")
    for tool, read in (("langfuse", read_langfuse), ("promptlayer", read_promptlayer)):
        try:
            done = import_into(tool, read(folder / "export.json"), folder / tool)
        except InvalidParameter:
            continue  # its list is empty, or holds what is no object
        assert all((each.result == "left out") == bool(each.problem) for each in done)


def test_a_list_of_prompts_without_templates_says_what_to_export(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"data": [{"name": "a", "versions": [1], "labels": []}], "meta": {}}))
    done = import_into("langfuse", read_langfuse(path), tmp_path / "prompts")
    assert "export the versions themselves" in (done[0].problem or "")


def test_another_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, but long enough to be read as one " * 50)
    with pytest.raises(InvalidParameter, match="not a database of MLflow's"):
        list(read_mlflow(tmp_path / "x.db"))
