"""Messages and documents name commands and options that there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from coalmine_server.cli.app import app
from tests.support.repository.tree import ROOT

_NAMED: Final = re.compile(r"`coalmine ((?:[^`\n]|\n(?! *\n))+?)`")
_JOINED: Final = re.compile(r'"\s*\n\s*f?"')
"""Between two parts of a text in a program."""
_OF_ALL: Final = frozenset({"--help", "-h"})


def unknown(text: str, root: Any) -> Iterator[str]:
    """What a text calls a command, or an option of one, and is none."""
    for found in _NAMED.finditer(text):
        words = found[1].split()
        if words[0].startswith("-") or "|" in found[1]:  # of the program itself, or several at once
            continue
        command, context = root, root.make_context("coalmine", [], resilient_parsing=True)
        while words and hasattr(command, "get_command") and not words[0].startswith(("-", "{")):
            inner = command.get_command(context, words[0])
            if inner is None:
                yield found[0]
                break
            command, context = inner, inner.make_context(words.pop(0), [], resilient_parsing=True)
        else:
            options = {
                each for one in command.get_params(context) for each in (*one.opts, *one.secondary_opts)
            }
            given = {re.split(r"[=\]{]", each)[0].strip("[],.'\"") for each in words if each.startswith("--")}
            if given - options - _OF_ALL:
                yield found[0]


def texts() -> Iterator[tuple[Path, str]]:
    for pattern in ("*/coalmine*/**/*.py", "docs/*.md", "README.md", "examples/**/*.md"):
        for path in ROOT.glob(pattern):
            yield path, _JOINED.sub("", path.read_text(encoding="utf-8"))


def test_every_command_that_is_named_is_there() -> None:
    root = typer.main.get_command(app)
    found = {f"{path.relative_to(ROOT)}: {each}" for path, text in texts() for each in unknown(text, root)}
    assert found == set()


@pytest.mark.parametrize(
    "text", ["`coalmine promot x`", "`coalmine promote a 1.0.0 --to prod`", "`coalmine dataset ad x`"]
)
def test_what_is_none_is_found(text: str) -> None:
    assert list(unknown(text, typer.main.get_command(app))) == [text]
