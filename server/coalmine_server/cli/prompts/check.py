"""`coalmine check-prompts`: files that are prompts, and published versions left as they are."""

from pathlib import Path
from typing import Annotated

import typer

from coalmine_server.cli.output import AsJson, note, write_json


def check_prompts(
    directory: Annotated[
        Path, typer.Argument(help="Folder of prompts: DIR/NAME/VERSION.md.", show_default=True)
    ] = Path("prompts"),
    *,
    base: Annotated[
        str | None,
        typer.Option(
            help="Compare with where this branch left BASE, e.g. origin/main. Without it, what is staged is "
            "compared with the last commit.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Refuse files that are no prompts, and changes of versions that are published.

    Needs no server: for a pre-commit hook and for CI. Exits with 1 when something is wrong.
    """
    from coalmine_registry.prompt_files.folder import InvalidFiles, read_folder
    from coalmine_registry.prompt_files.history import published_edits
    from coalmine_schemas.errors import InvalidParameter
    from coalmine_server.errors import ConfigurationError

    problems: list[str] = []
    count = 0
    try:
        count = len(read_folder(directory))
    except InvalidFiles as error:
        problems += error.problems
    try:
        problems += map(str, published_edits(directory, base=base))
    except InvalidParameter as error:
        raise ConfigurationError(str(error)) from error
    if as_json:
        write_json({"prompts": count, "problems": problems})
    else:
        for problem in problems:
            note(problem)
        if not problems:
            note(f"{count} versions in {directory}, all readable and none edited")
    if problems:
        raise typer.Exit(1)
