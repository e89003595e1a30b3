"""A folder of prompts without any server: the same API, and a mistake stops the start, not a request."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from coalmine import Coalmine, InvalidParameter, UnknownPrompt
from coalmine_schemas.discovery import announce_server
from coalmine_schemas.prompt_files.folder import file_of
from coalmine_schemas.spool_format import count_records, list_sealed
from tests.producers.prompts.conftest import MakeClient
from tests.support.data.prompt_examples import snapshot_json
from tests.support.doubles.deployment_server import DeploymentServer
from tests.support.eventually import eventually
from tests.support.repository.tree import ROOT

REFUND = """\
---
model: gpt-4o-mini
parameters: {temperature: 0.2}
variables: {question: string}
---
<|system|>
{% include "house-style@1.0.0" %}
<|user|>
VERSION {{ question }}
"""


def write(folder: Path, name: str, version: str, text: str) -> Path:
    path = file_of(folder, name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "prompts"
    write(made, "house-style", "1.0.0", "Be kind.\n")
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        write(made, "support-refund", version, REFUND.replace("VERSION", version))
    return made


def test_the_highest_release_is_served_and_called(folder: Path, tmp_path: Path) -> None:
    with Coalmine("support-bot", home=tmp_path / "home", prompts=folder, strict=True) as cm:
        prompt = cm.prompt("support-refund", unit_id="u1", segments={"tier": "free"})
        assert (prompt.version, prompt.resolution, prompt.model) == ("1.10.0", "fixed", "gpt-4o-mini")
        assert prompt.messages(question="Why?") == [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "1.10.0 Why?"},
        ]
        with prompt.call() as call:
            call.record({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}})
        cm.feedback(call.request_id, thumbs="up")
    assert sum(map(count_records, list_sealed(tmp_path / "home" / "spool"))) == 2
    assert not (tmp_path / "home" / "cache").exists()


def test_any_version_in_the_folder_can_be_asked_for(folder: Path, make_client: MakeClient) -> None:
    cm = make_client(prompts=str(folder))
    assert cm.prompt("support-refund", version="2.0.0-rc.1").render(question="x").endswith("2.0.0-rc.1 x")
    assert cm.prompt("support-refund", environment="staging").version == "1.10.0"
    with pytest.raises(UnknownPrompt, match=r"holds no support-refund@3.0.0: add support-refund/3.0.0.md"):
        cm.prompt("support-refund", version="3.0.0")
    with pytest.raises(UnknownPrompt, match="did you mean support-refund"):
        cm.prompt("suport-refund")


def test_a_prerelease_is_served_only_where_there_is_nothing_else(
    tmp_path: Path, make_client: MakeClient
) -> None:
    folder = tmp_path / "prompts"
    write(folder, "new", "1.0.0-rc.1", "one\n")
    write(folder, "new", "1.0.0-rc.2", "two\n")
    assert make_client(prompts=folder).prompt("new").version == "1.0.0-rc.2"


def test_the_variable_names_the_folder(folder: Path, tmp_path: Path) -> None:
    environ = {"COALMINE_APP": "a", "COALMINE_HOME": str(tmp_path), "COALMINE_PROMPTS": str(folder)}
    with Coalmine.from_env(environ) as cm:
        assert cm.prompt("support-refund").version == "1.10.0"


def test_no_registry_is_looked_for_and_nobody_waits(
    folder: Path, tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    """Not even the one of this home, whose word would be final."""
    registry.publish(snapshot_json(version="7.0.0"))
    announce_server(tmp_path, registry.url, "registry", registry.secret)
    cm = make_client(prompts=folder)
    assert cm.prompt("support-refund").version == "1.10.0"
    assert cm.wait_for_registry(60.0) is False
    assert registry.questions == []
    assert [each.name for each in threading.enumerate() if each.name == "coalmine-prod"] == []


def test_with_a_registry_its_word_counts_and_the_folder_serves_the_rest(
    folder: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    write(folder, "only-here", "1.0.0", "here\n")
    registry.publish(snapshot_json(version="7.0.0"))
    cm = make_client(registry, prompts=folder)
    assert cm.wait_for_registry(30.0)
    served = cm.prompt("support-refund")
    assert (served.version, served.resolution) == ("7.0.0", "live")
    rest = cm.prompt("only-here")
    assert (rest.version, rest.resolution, rest.render()) == ("1.0.0", "fallback", "here")
    assert cm.prompt("support-refund", version="1.9.0").render(question="x").endswith("1.9.0 x")
    with pytest.raises(UnknownPrompt, match="serves no prompt 'nowhere'"):
        cm.prompt("nowhere")


def test_while_the_registry_has_never_answered_the_folder_serves(
    folder: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json(version="7.0.0"))
    registry.kill()
    cm = make_client(registry, prompts=folder)
    served = cm.prompt("support-refund")
    assert (served.version, served.resolution) == ("1.10.0", "fallback")
    registry.start()
    eventually(lambda: cm.prompt("support-refund").version == "7.0.0")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("---\nmodel: x\nmodle: x\n---\nhi\n", 3, "use only model, parameters"),
        ("---\nmodel: x\nparameters: [\n---\nhi\n", 3, "write YAML"),
        ("---\nvariables:\n  a: string\n  b: text\n---\nhi\n", 4, "give one of string, integer"),
        ("---\nmodel: x\n---\n<|system|>\nhi\n<|usr|>\nhi\n", 6, "write <|user|>"),
        ("---\nmodel: x\n---\n<|system|>\nhi\n<|user|>\nhi\n{{ b }\n", 8, "unexpected '}'"),
        ("---\nmodel: x\n---\nhi\n{{ name }}\n", 5, "declare each of them under variables"),
        ('hi\n\n{% include "away@1.0.0" %}\n', 3, "which is not in the folder: add "),
        ('---\nmodel: x\n---\nhi\n{% include "away" %}\n', 5, "name an exact version"),
        ("---\nmodel: x\n", 1, "end it with a line of three hyphens"),
    ],
)
def test_a_bad_file_stops_the_start_and_names_file_line_and_remedy(
    folder: Path, make_client: MakeClient, text: str, line: int, told: str
) -> None:
    bad = write(folder, "refund", "1.0.0", text)
    with pytest.raises(InvalidParameter) as refused:
        make_client(prompts=folder)
    assert str(refused.value).startswith(f"{bad}:{line}: ")
    assert told in str(refused.value)


def test_all_bad_files_are_named_at_once(folder: Path, make_client: MakeClient) -> None:
    write(folder, "a", "1.0.0", "{{ x }}\n")
    write(folder, "b", "1.0.0", '{% include "house-style@9.0.0" %}\n')
    with pytest.raises(InvalidParameter) as refused:
        make_client(prompts=folder)
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompts": "/nowhere/at/all"}, "no such folder"),
        ({"prompts": 5}, "must be the path of a folder"),
        ({"prompts": "EMPTY"}, "holds no prompts"),
        ({"prompts": "FULL", "fallback": snapshot_json()}, "both given"),
    ],
)
def test_a_folder_that_cannot_be_used_stops_the_start(
    folder: Path, tmp_path: Path, arguments: dict[str, object], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "FULL": folder}
    prompts = arguments["prompts"]
    given = {**arguments, "prompts": places.get(prompts, prompts) if isinstance(prompts, str) else prompts}
    with pytest.raises(InvalidParameter, match=told):
        Coalmine("support-bot", home=tmp_path, **given)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_serves_the_same(folder: Path, make_client: MakeClient) -> None:
    cm = make_client(prompts=folder)
    child = os.fork()
    if child == 0:
        os._exit(0 if cm.prompt("support-refund").render(question="x").endswith("1.10.0 x") else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_its_extra_the_start_says_what_to_install(folder: Path) -> None:
    program = f"""
import sys
sys.modules["yaml"] = None
from coalmine import Coalmine, InvalidParameter
Coalmine("a", home={str(folder.parent)!r})
try:
    Coalmine("a", home={str(folder.parent)!r}, prompts={str(folder)!r})
except InvalidParameter as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "yaml cannot be imported; remedy: pip install 'coalmine[prompts]'" in done.stdout, done.stderr
