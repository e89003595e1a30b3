"""`coalmine diff`: how two versions of a prompt differ."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts.asking import NameArgument, TokenOption, path_of, registry_server

_STYLES = {"file": "bold", "place": "cyan", "added": "green", "removed": "red", "same": ""}


def diff(
    context: typer.Context,
    name: NameArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="The older version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The newer version.")],
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how two versions differ, line by line, and which step of the version each change needs."""
    with registry_server(context, token) as server:
        found = server.get(path_of("prompts", name, "diff"), {"a": a, "b": b})
    if as_json:
        write_json(found)
        return
    write_diff((line["kind"], line["text"]) for line in found["lines"])
    classification = found["classification"]
    if not found["lines"]:
        note(f"{name}@{a} and {name}@{b} say the same")
    for reason in classification["reasons"] if classification else ():
        note(f"{reason['what']}: {reason['needs']}")


def write_diff(lines: Iterable[tuple[str, str]]) -> None:
    """Lines of a diff, coloured on a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, soft_wrap=True, highlight=False)
    for kind, text in lines:
        console.print(Text(text, style=_STYLES.get(kind, "")))
