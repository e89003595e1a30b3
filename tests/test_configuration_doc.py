"""The page on configuration as files names every key there is, and its files are applied as it says."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from coalmine_server.api import bodies
from coalmine_server.cli.configuration.files import FOLDERS
from coalmine_server.client.file_models import EnvironmentFile, ExperimentFile, RolloutFile, ServedTerms
from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine
from tests.support.repository.markdown import blocks
from tests.support.repository.shell_commands import coalmine_command, words_of
from tests.support.repository.tree import ROOT

PAGE = ROOT / "docs" / "configuration-as-files.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("header", "model"),
    [
        ("an environment", EnvironmentFile),
        ("what is served", ServedTerms),
        ("an experiment", ExperimentFile),
        ("a rollout", RolloutFile),
    ],
)
def test_tables_name_every_key(header: str, model: type[BaseModel]) -> None:
    (table,) = re.findall(rf"^\| key of {header} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    first = [line.split(" | ")[0] for line in table.splitlines()]
    assert sorted(re.findall(r"`([^`]+)`", " ".join(first))) == sorted(model.model_fields)
    rows = dict(zip(re.findall(r"^\| `(\w+)`", table, re.MULTILINE), table.splitlines(), strict=False))
    for name, row in rows.items():  # the keys of a mapping inside are named in its row
        for each in _inner(model, name):
            assert f"`{each}`" in row, (name, each)


def _inner(model: type[BaseModel], name: str) -> list[str]:
    inner = re.findall(r"\b(PolicyTerms|RuleBody|ArmBody)\b", str(model.model_fields[name].annotation))
    return [each for one in inner for each in getattr(bodies, one).model_fields]


def test_layout_and_options_are_those_there_are() -> None:
    for folder in FOLDERS:
        assert f"\n  {folder}/" in TEXT
    for name in ("plan", "apply"):
        options = {each for one in coalmine_command().commands[name].params for each in one.opts}
        said = set(re.findall(r"--[a-z-]+", TEXT))
        assert options & {"--prune", "--exit-code", "--yes", "--json", "--reason"} <= said


def test_the_files_it_shows_are_applied_and_agree(tmp_path: Path) -> None:
    conf = tmp_path / "config"
    for block in blocks(PAGE):
        named = re.match(r"# (\S+)\n", block.code)
        if block.language == "yaml" and named is not None:
            (conf / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (conf / named[1]).write_text(block.code, encoding="utf-8")
    assert len(list(conf.rglob("*.yaml"))) == 3
    assert coalmine("init", "config/prompts", home=tmp_path).returncode == 0
    (commands,) = [block.code for block in blocks(PAGE) if block.language == "bash"]
    with ServerProcess(tmp_path, part="registry") as server:
        with Person.local(server) as admin, admin.make("ann", "author") as author:
            env = {"COALMINE_TOKEN": author.token}
            assert coalmine("push", "config/prompts", home=tmp_path, env=env).returncode == 0
        said = ""
        for line in commands.splitlines():
            done = coalmine(*words_of(line)[1:], home=tmp_path)
            assert done.returncode == 0, done.stderr
            said = done.stderr
        assert "Applied: 5 done." in said
        again = coalmine("plan", "config", "--exit-code", home=tmp_path)
        assert (again.returncode, again.stderr) == (0, "Nothing to do: the registry agrees with config.\n")
