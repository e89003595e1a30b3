"""`docs/how-to-add.md` works: what it shows is all that a field, an option and a resource take."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from tests.support.repository.markdown import blocks
from tests.support.repository.tree import ROOT

_PARTS = ("schemas", "producers", "registry", "consumers", "analytics", "rollouts", "server")
_MEASURE, _OPTION, _RESOURCE = [
    block.code for block in blocks(ROOT / "docs" / "how-to-add.md") if block.language == "diff"
]
_PROGRAM = """
import contextlib, io, json, sys
from coalmine_server.api.app import build_api
from coalmine_server.cli.app import app

said = []
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        app(command, standalone_mode=False)
    said.append(output.getvalue())
print(json.dumps([build_api(None).openapi(), *said]))
"""


class Tree:
    """A copy of the source with changes in it, and a home with some calls."""

    def __init__(self, folder: Path, *changes: str) -> None:
        for part in _PARTS:
            shutil.copytree(ROOT / part, folder / part)  # with what was compiled, which takes longest
        for change in changes:
            subprocess.run(["git", "apply", "-C1", "-"], cwd=folder, input=change, text=True, check=True)
        self._home = folder / "home"
        with Coalmine("shop", spool_dir=self._home / "spool") as client:
            for _ in range(4):
                with client.call("greet", version="1.0.0", model="gpt-4o-mini") as call:
                    call.record(input_tokens=10, output_tokens=30)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COALMINE_")}
        paths = os.pathsep.join(str(folder / part) for part in _PARTS)
        self._environment = {**kept, "PYTHONPATH": paths, "COALMINE_HOME": str(self._home), "COLUMNS": "200"}

    def answers(self, *commands: tuple[str, ...]) -> list[Any]:
        """The OpenAPI document, then what each command writes; one process, because a start takes seconds."""
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, json.dumps(commands)],
            env=self._environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[Any] = json.loads(done.stdout)
        return found


def test_a_field_of_a_result_takes_three_edits_and_an_option_two() -> None:
    files = [change.count("\n+++ ") + change.startswith("+++ ") for change in (_MEASURE, _OPTION)]
    assert files == [3, 2]


def has_the_field(document: Any, versions: str, series: str, table: str) -> None:
    field = document["components"]["schemas"]["VersionRow"]["properties"]["output_tokens_per_request"]
    assert field["description"] == "Tokens received; a mean over all requests."
    assert [row["output_tokens_per_request"] for row in json.loads(versions)] == [30.0]
    assert [row["output_tokens_per_request"] for row in json.loads(series)] == [30.0]
    assert "out/request" in table


def has_the_option(document: Any, young: str, drifted: str) -> None:
    parameters = document["paths"]["/v1/drift"]["get"]["parameters"]
    assert "state" in {each["name"] for each in parameters}
    assert len(json.loads(young)["items"]) == 1
    assert json.loads(drifted)["items"] == []


def has_the_resource(document: Any, listed: str, table: str) -> None:
    assert document["paths"]["/v1/apps"]["get"]["operationId"] == "apps"
    assert document["components"]["schemas"]["AppRow"]["properties"]["app"]["description"]
    assert json.loads(listed) == [{"app": "shop", "requests": 4}]
    assert "shop" in table


_DRIFT = ("drift", "greet", "--json", "--state")
_SHOWN: tuple[tuple[str, tuple[tuple[str, ...], ...], Callable[..., None]], ...] = (
    (_MEASURE, (("versions", "--json"), ("timeseries", "--json"), ("versions",)), has_the_field),
    (_OPTION, ((*_DRIFT, "not enough data"), (*_DRIFT, "drifted")), has_the_option),
    (_RESOURCE, (("apps", "--json"), ("apps",)), has_the_resource),
)
"""A change, what is asked after it, and what is looked for in the OpenAPI document and the answers."""


def test_the_changes_work_together(tmp_path: Path) -> None:
    tree = Tree(tmp_path, *(change for change, _, _ in _SHOWN))
    document, *answers = tree.answers(*(command for _, commands, _ in _SHOWN for command in commands))
    for _, commands, look in _SHOWN:
        look(document, *(answers.pop(0) for _ in commands))


@pytest.mark.campaign
@pytest.mark.parametrize("shown", _SHOWN, ids=("field", "option", "resource"))
def test_a_change_works_alone(
    tmp_path: Path, shown: tuple[str, tuple[tuple[str, ...], ...], Callable[..., None]]
) -> None:
    change, commands, look = shown
    look(*Tree(tmp_path, change).answers(*commands))
