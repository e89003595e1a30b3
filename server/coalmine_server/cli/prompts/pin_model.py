"""`coalmine prompts pin-model`: writes the next patch version of a prompt, with the snapshot of its model."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import note
from coalmine_server.cli.prompts.options import NameArgument, TokenOption, registry_client


def pin_model(
    context: typer.Context,
    name: NameArgument,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Snapshot to ask for, e.g. gpt-4o-2024-08-06.")
    ],
    *,
    version: Annotated[
        str | None,
        typer.Option(help="Version to change; default: the latest.", show_default=False),
    ] = None,
    directory: Annotated[
        Path,
        typer.Option(
            "--prompts", metavar="DIR", help="Folder of prompts, DIR/NAME/VERSION.md.", parser=named_path
        ),
    ] = Path("prompts"),
    token: TokenOption = None,
) -> None:
    """Write the next version of a prompt, which asks for a snapshot of its model by name.

    That is a patch; a model of another name is a minor version.
    Nothing is registered: look at the file, evaluate it, commit and push it.
    """
    from coalmine_registry.classify import is_snapshot
    from coalmine_schemas.atomic_file import write_atomically
    from coalmine_schemas.prompt_files.folder import file_of
    from coalmine_schemas.prompt_files.markdown import format_prompt
    from coalmine_schemas.prompts.content import PromptContent
    from coalmine_server.errors import ConfigurationError

    with registry_client(context, token) as client:
        latest = client.get(path_of("prompts", name))["latest"]
        chosen = version or latest
        found = client.get(path_of("prompts", name, "versions", chosen))
        known = {each["version"] for each in client.items(path_of("prompts", name, "versions"))}
    content = PromptContent.from_json(found["content"])
    if content.model == model:
        note(f"{name}@{chosen} asks for {model} already; nothing was written")
        return
    made = _next(chosen, known, patch=is_snapshot(content.model, model))
    while (path := file_of(directory, name, made)).exists():
        made = _next(made, known, patch=True)
    pinned = replace(content, model=model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, format_prompt(pinned))
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error}") from error
    note(f"{path} asks for {model}, before for {content.model or 'no model'}; evaluate and push it:")
    typer.echo(f"coalmine evals run SUITE --candidate {path} --baseline {name}@{chosen}")


def _next(version: str, known: set[str], *, patch: bool) -> str:
    """Returns the next version that is not known: a patch, or a minor version."""
    from coalmine_registry.semantic_version import semantic_version

    number = semantic_version(version)
    if patch and number.prerelease is not None:
        number = number.finalize_version()
    else:
        number = number.bump_patch() if patch else number.bump_minor()
    while str(number) in known:
        number = number.bump_patch()
    return str(number)
