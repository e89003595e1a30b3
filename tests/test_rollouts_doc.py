"""The page on rollouts names every key, state, gate, template, hold and command there is, and no other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import get_args

import pytest

from coalmine_rollouts.plan import TEMPLATES, Gate, RolloutPlan, read_plan, template
from coalmine_rollouts.records import State
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from tests.support.repository.markdown import blocks
from tests.support.repository.shell_commands import coalmine_command
from tests.support.repository.tree import ROOT

PAGE = ROOT / "docs" / "rollouts.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    (table,) = re.findall(rf"^\| {header} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def names(header: str) -> list[str]:
    """The names in code style in the first column of a table."""
    return [name for row in rows(header) for name in re.findall(r"`([^`]+)`", row[0])]


def holds() -> Iterator[str]:
    """The names of holds, as the code yields them, without what they are about."""
    source = (ROOT / "rollouts" / "coalmine_rollouts" / "holds.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            first = node.value.elts[0]
            if isinstance(first, ast.JoinedStr):
                first = first.values[0]
            if isinstance(first, ast.Constant):
                yield str(first.value).partition(":")[0]


def test_the_plan_that_it_shows_is_the_standard_one_with_every_key() -> None:
    (shown,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    keys = {field.name for field in fields(RolloutPlan)} - {"template"}
    assert set(re.findall(r"^(\w+):", shown.code, re.MULTILINE)) == keys | {"rollout"}
    assert read_plan(read_front_matter(shown.code)) == template("canary-standard")
    assert set(names("key")) == keys


@pytest.mark.parametrize(
    ("header", "known"),
    [("state", get_args(State)), ("gate", get_args(Gate)), ("template", TEMPLATES)],
)
def test_tables_name_what_there_is(header: str, known: tuple[str, ...]) -> None:
    assert sorted(names(header)) == sorted(known)


def test_every_hold_is_among_the_situations() -> None:
    said = {name for row in rows("situation") for name in re.findall(r"holds `([a-z_]+)`", row[1])}
    assert said == set(holds())


def test_every_command_of_rollouts_is_in_the_table() -> None:
    (group,) = [each for name, each in coalmine_command().commands.items() if name == "rollout"]
    said = {name.split()[1] for name in names("command") if name.startswith("rollout ")} | {"resume"}
    assert said == set(group.commands)  # type: ignore[attr-defined] # a group, as its name says
