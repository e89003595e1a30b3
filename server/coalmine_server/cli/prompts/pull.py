"""`coalmine pull` and `coalmine snapshot`: what the registry holds, as files."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coalmine_server.cli.output import AsJson, note, progress_bar, write_json, write_table
from coalmine_server.cli.prompts.asking import (
    EnvironmentArgument,
    TokenOption,
    all_prompts,
    path_of,
    registry_server,
)


def pull(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder to write DIR/NAME/VERSION.md into.")],
    *,
    prompt: Annotated[str | None, typer.Option(help="Only this prompt.", show_default=False)] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that say something else than the registry.")
    ] = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Write the versions of the registry as files. Files that say the same are left alone.

    Exits with 1 if a file says something else than the version it is named after; --force overwrites it.
    """
    rows: list[dict[str, Any]] = []
    with registry_server(context, token) as server, progress_bar("writing", quiet=as_json) as advance:
        names = [prompt] if prompt is not None else [each["name"] for each in all_prompts(server)]
        for count, name in enumerate(names, 1):
            for found in server.get(path_of("prompts", name, "versions"))["items"]:
                result = _write(directory, found, force=force)
                rows.append({"prompt": name, "version": found["version"], "result": result})
            advance(count, len(names))
    if as_json:
        write_json(rows)
    else:
        table = [(row["prompt"], row["version"], row["result"]) for row in rows]
        write_table(["prompt", "version", "result"], table, empty="the registry holds no prompts")
    if any(row["result"] == "differs" for row in rows):
        note(
            "Some files say something else than the registry: they were left alone; --force overwrites them."
        )
        raise typer.Exit(1)


def snapshot(
    context: typer.Context,
    environment: EnvironmentArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write; standard output if not set.", show_default=False),
    ] = None,
    token: TokenOption = None,
) -> None:
    """Write all that an environment serves as JSON: the fallback that an application ships with itself.

    Give it to the client as `Coalmine(fallback=FILE)`: a service that starts while neither registry nor disk
    cache is there serves from it.
    """
    with registry_server(context, token) as server:
        found = server.get(path_of("deployments", environment))
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    note(f"{out}: {len(found['prompts'])} prompts that {environment} serves, revision {found['revision']}")


def _write(directory: Path, found: dict[str, Any], *, force: bool) -> str:
    from coalmine_registry.prompt_files.folder import file_of
    from coalmine_registry.prompt_files.markdown import format_prompt, parse_prompt
    from coalmine_schemas.prompts.content import PromptContent
    from coalmine_schemas.prompts.errors import InvalidPrompt

    path = file_of(directory, found["name"], found["version"])
    content = PromptContent.from_json(found["content"])
    if path.exists():
        try:
            same = parse_prompt(path.read_text(encoding="utf-8")).digest() == content.digest()
        except (InvalidPrompt, UnicodeDecodeError):
            same = False
        if same:
            return "unchanged"
        if not force:
            return "differs"
    try:
        text = format_prompt(content)
    except InvalidPrompt as error:
        return f"no file can say it: {error}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return "written"
