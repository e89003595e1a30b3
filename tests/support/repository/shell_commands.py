"""Whether the commands that documents show exist: make targets, `coalmine` commands, extras, services."""

import re
import shlex
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from tests.support.repository.tree import ROOT

# Commands a document may show that cannot run inside a test: they install, never end, or need a server.
_NOT_RUN = {"cd", "curl", "docker", "git", "make", "pip"}
_NEVER_END = {"serve", "demo", "dashboard"}


@lru_cache(maxsize=1)
def coalmine_command() -> TyperGroup:
    """The `coalmine` command tree."""
    from coalmine_server.cli.app import app  # noqa: PLC0415 - only some documents show commands

    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command


def words_of(line: str) -> list[str]:
    """A command line's words, without variables set before it, prompt or comment."""
    words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        words.pop(0)
    return words


def command_lines(code: str) -> list[list[str]]:
    """The simple commands of a script: split at line ends, `&&`, `;` and `|`, continuation lines joined."""
    joined = code.replace("\\\n", " ")
    lines = [
        part for line in joined.splitlines() for part in re.split(r"\s+(?:&&|\|\|?|;)\s+|\s+&\s*$", line)
    ]
    return [words for words in map(words_of, lines) if words]


def can_run(code: str) -> bool:
    """Whether a script may be run in a test: nothing in it installs, never ends, or needs an engine."""
    return not any(
        words[0] in _NOT_RUN or (words[0] == "coalmine" and bool(_NEVER_END & set(words[1:2])))
        for words in command_lines(code)
    )


def problem_with(words: list[str]) -> str | None:
    """What is wrong with a command, or None."""
    checks = {"make": _make, "coalmine": _coalmine, "pip": _pip, "docker": _docker}
    check = checks.get(words[0])
    return check(words[1:]) if check else None


def _make(arguments: list[str]) -> str | None:
    targets = set(
        re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    variables = set(
        re.findall(r"^([A-Z_]+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if equals and name not in variables:
            return f"the Makefile knows no variable {name}"
        if not equals and name not in targets:
            return f"the Makefile has no target {name}"
    return None


def _coalmine(arguments: list[str]) -> str | None:
    """Follow the words down the command tree; options must be known where they stand."""
    command: Any = coalmine_command()  # typer names the common base of commands and groups only privately
    path = "coalmine"
    takes_value = False
    for word in arguments:
        if takes_value:
            takes_value = False
        elif word.startswith("-"):
            name, equals, _ = word.partition("=")
            option = next((opt for opt in command.params if name in (*opt.opts, *opt.secondary_opts)), None)
            if option is None and name not in {"-h", "--help"}:
                return f"`{path}` has no option {name}"
            takes_value = isinstance(option, TyperOption) and not option.is_flag and not equals
        elif isinstance(command, TyperGroup):
            inner = command.commands.get(word)
            if inner is None:
                return f"`{path}` has no command {word}"
            command, path = inner, f"{path} {word}"
        elif not any(isinstance(parameter, TyperArgument) for parameter in command.params):
            return f"`{path}` takes no argument, and is given {word}"
    return None


def _pip(arguments: list[str]) -> str | None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for argument in arguments:
        wanted = re.fullmatch(r"coalmine\[([\w,]+)\].*", argument)
        unknown = set(wanted[1].split(",")) - set(extras) if wanted else set()
        if unknown:
            return f"there is no extra {', '.join(sorted(unknown))}"
    return None


def _docker(arguments: list[str]) -> str | None:
    if arguments[:1] != ["compose"] or not (ROOT / "docker-compose.yml").is_file():
        return None
    services = re.findall(
        r"^  ([a-z-]+):$", Path(ROOT / "docker-compose.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    after = [word for word in arguments[2:] if not word.startswith("-")]
    known = arguments[1:2] in (["up"], ["logs"], ["stop"], ["restart"], ["build"])
    unknown = [word for word in after if word not in services] if known else []
    return f"Compose knows no service {unknown[0]}" if unknown else None
