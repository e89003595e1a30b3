"""`coalmine pull` and `snapshot`: write what the registry holds to files."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from coalmine_server.cli.named_file import named_path, write_named
from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, progress_bar, write_json, write_table
from coalmine_server.cli.prompts.options import EnvironmentArgument, TokenOption, registry_client


def pull(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(help="Folder to write DIR/NAME/VERSION.md into.", parser=named_path)
    ],
    *,
    prompt: Annotated[str | None, typer.Option(help="Only this prompt.", show_default=False)] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that differ from the registry.")
    ] = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Write the versions of the registry to files. Files with the same content stay as they are.

    Exits with 1 if a file differs from the version it is named after; --force overwrites it.
    """
    rows: list[dict[str, Any]] = []
    with registry_client(context, token) as client, progress_bar("writing", quiet=as_json) as advance:
        names = (
            [prompt]
            if prompt is not None
            else [each["name"] for each in client.items("/v1/prompts", {"limit": 1000})]
        )
        for count, name in enumerate(names, 1):
            for found in client.items(path_of("prompts", name, "versions")):
                result = _write(directory, found, force=force)
                rows.append({"prompt": name, "version": found["version"], "result": result})
            advance(count, len(names))
    if as_json:
        write_json(rows)
    else:
        table = [(row["prompt"], row["version"], row["result"]) for row in rows]
        write_table(["prompt", "version", "result"], table, empty="the registry has no prompts")
    if any(row["result"] == "differs" for row in rows):
        note("Some files differ from the registry and were not changed; --force overwrites them.")
        raise typer.Exit(1)


def snapshot(
    context: typer.Context,
    environment: EnvironmentArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="File to write; default: standard output.", show_default=False, parser=named_path
        ),
    ] = None,
    token: TokenOption = None,
) -> None:
    """Write everything that an environment serves to a JSON file: a fallback to ship with an application.

    Pass it to the client as `Coalmine(fallback=FILE)`. A service that starts without a registry and without a
    disk cache uses it.
    """
    with registry_client(context, token) as client:
        found = client.get(path_of("deployments", environment))
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    write_named(out, text)
    note(f"{out}: {len(found['prompts'])} prompts that {environment} serves, revision {found['revision']}")


def _write(directory: Path, found: dict[str, Any], *, force: bool) -> str:
    from coalmine_schemas.prompt_files.folder import file_of
    from coalmine_schemas.prompt_files.markdown import format_prompt, parse_prompt
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
        return f"cannot be written to a file: {error}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_named(path, text)
    return "written"
