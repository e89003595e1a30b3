"""`docs/how-to-add.md` works: what it shows is all that a field, an option and a resource take."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    """A copy of the source with a change in it, and a home with some calls."""

    def __init__(self, folder: Path, change: str) -> None:
        for part in _PARTS:
            shutil.copytree(ROOT / part, folder / part)  # with what was compiled, which takes longest
        subprocess.run(["git", "apply", "-C1", "-"], cwd=folder, input=change, text=True, check=True)
        self.files = change.count("\n+++ ") + change.startswith("+++ ")
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


def test_a_field_of_a_result_takes_three_edits(tmp_path: Path) -> None:
    tree = Tree(tmp_path, _MEASURE)
    assert tree.files == 3
    document, versions, series, table = tree.answers(
        ("versions", "--json"), ("timeseries", "--json"), ("versions",)
    )
    field = document["components"]["schemas"]["VersionRow"]["properties"]["output_tokens_per_request"]
    assert field["description"] == "Tokens received; a mean over all requests."
    assert [row["output_tokens_per_request"] for row in json.loads(versions)] == [30.0]
    assert [row["output_tokens_per_request"] for row in json.loads(series)] == [30.0]
    assert "out/request" in table


def test_an_option_takes_an_edit_of_the_question_and_one_of_the_command(tmp_path: Path) -> None:
    tree = Tree(tmp_path, _OPTION)
    assert tree.files == 2
    asked = ("drift", "greet", "--json", "--state")
    document, young, drifted = tree.answers((*asked, "not enough data"), (*asked, "drifted"))
    parameters = document["paths"]["/v1/drift"]["get"]["parameters"]
    assert "state" in {each["name"] for each in parameters}
    assert len(json.loads(young)["items"]) == 1
    assert json.loads(drifted)["items"] == []


def test_a_resource_is_a_dataclass_a_route_and_a_command(tmp_path: Path) -> None:
    document, listed, table = Tree(tmp_path, _RESOURCE).answers(("apps", "--json"), ("apps",))
    assert document["paths"]["/v1/apps"]["get"]["operationId"] == "apps"
    assert document["components"]["schemas"]["AppRow"]["properties"]["app"]["description"]
    assert json.loads(listed) == [{"app": "shop", "requests": 4}]
    assert "shop" in table
