"""`coalmine push`: registers the versions that a folder holds and the registry does not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coalmine_server.cli.output import AsJson, note, progress_bar, write_json, write_table
from coalmine_server.cli.prompts.asking import TokenOption, path_of, registry_server
from coalmine_server.cli.prompts.differences import write_diff

if TYPE_CHECKING:
    from coalmine_registry.prompt_files.folder import PromptFile
    from coalmine_server.services.http_client import ServerClient


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one file."""

    prompt: str
    version: str
    result: Literal["registered", "would register", "unchanged", "refused"]
    previous: str | None = None
    """Version it was compared with."""
    step: str | None = None
    """Step of the version that the change needs."""
    reasons: Sequence[str] = field(default=())
    """What changed, or why it was refused."""


def push(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder of prompts: DIR/NAME/VERSION.md.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show how each new version differs from the one before it.")
    ] = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Register the versions of a folder that are not registered yet. Doing so again changes nothing.

    A published version whose file was edited is refused, and so is a version that is too small a step for
    what changed; the others are registered. Exits with 1 if any was refused.
    """
    from coalmine_registry.prompt_files.folder import InvalidFiles, read_folder
    from coalmine_server.errors import CheckFailed

    try:
        files = read_folder(directory)
    except InvalidFiles as error:
        raise CheckFailed(str(error), "nothing was registered") from error
    done: list[Pushed] = []
    with (
        registry_server(context, token) as server,
        progress_bar("registering", quiet=as_json) as advance,
    ):
        coming = {file.reference for file in files}
        for count, file in enumerate(files, 1):
            done.append(_push(server, file, coming, dry_run=dry_run))
            advance(count, len(files))
        if diff and not as_json:
            for file, each in zip(files, done, strict=True):
                if each.previous is not None and each.result != "unchanged":
                    _show(server, file, each.previous)
    if as_json:
        write_json([asdict(each) for each in done])
    else:
        rows = [(each.prompt, each.version, each.result, each.step, "; ".join(each.reasons)) for each in done]
        write_table(["prompt", "version", "result", "step", "what"], rows, empty=f"no prompts in {directory}")
    if any(each.result == "refused" for each in done):
        if not as_json:
            note("Some were refused: see above.")
        raise typer.Exit(1)


def _push(server: "ServerClient", file: "PromptFile", coming: set[str], *, dry_run: bool) -> Pushed:
    from coalmine_server.errors import ServerError

    known = server.find(path_of("prompts", file.name, "versions", file.version))
    if known is not None:
        if known["digest"] == file.content.digest():
            return Pushed(file.name, file.version, "unchanged")
        why = "the file was edited since it was published: put it back and add a new version"
        return Pushed(file.name, file.version, "refused", reasons=(why,))
    body = {"version": file.version, "content": file.content.to_json()}
    try:
        answer: Any = server.post(
            path_of("prompts", file.name, "versions"), body, {"dry_run": str(dry_run).lower()}
        )
    except ServerError as error:
        with_it = [each for each in file.content.includes() if each in coming]
        if dry_run and with_it and not all(server.find(_path(each)) for each in with_it):
            return Pushed(
                file.name,
                file.version,
                "would register",
                reasons=(f"after {', '.join(with_it)}, which it includes",),
            )
        return Pushed(file.name, file.version, "refused", reasons=(error.message,))
    found = answer["classification"] or {"previous": None, "level": None, "reasons": []}
    return Pushed(
        file.name,
        file.version,
        "would register" if dry_run else "registered",
        found["previous"],
        found["level"],
        tuple(f"{each['what']}: {each['needs']}" for each in found["reasons"]),
    )


def _path(reference: str) -> str:
    name, _, version = reference.partition("@")
    return path_of("prompts", name, "versions", version)


def _show(server: "ServerClient", file: "PromptFile", previous: str) -> None:
    from coalmine_registry.prompt_files.diff import diff_lines
    from coalmine_schemas.prompts.content import PromptContent

    old = server.get(path_of("prompts", file.name, "versions", previous))
    content = PromptContent.from_json(old["content"])
    write_diff(
        (line.kind, line.text)
        for line in diff_lines(f"{file.name}@{previous}", content, file.reference, file.content)
    )
