"""`coalmine push` and `check-prompts`: registers the versions of a folder, and checks its files."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, progress_bar, write_json, write_table
from coalmine_server.cli.prompts.inspect import write_diff
from coalmine_server.cli.prompts.options import TokenOption, registry_client
from coalmine_server.cli.prompts.together import Together, find_version

if TYPE_CHECKING:
    from coalmine_schemas.prompt_files.folder import PromptFile
    from coalmine_server.client import Client


EDITED = "the file was edited since it was published: put it back and add a new version"
"""Why a version whose content differs from the published one is refused."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Outcome of pushing one file."""

    prompt: str
    version: str
    result: Literal["registered", "would register", "unchanged", "refused"]
    previous: str | None = None
    """Version that it was compared with."""
    step: str | None = None
    """Version bump that the changes need."""
    reasons: Sequence[str] = ()
    """The changes, or why it was refused."""


def init(
    directory: Annotated[
        Path, typer.Argument(help="Folder to make.", show_default=True, parser=named_path)
    ] = Path("prompts"),
) -> None:
    """Make a folder of prompts with two versions of an example, to edit and to push."""
    from importlib.resources import as_file, files

    from coalmine_server.errors import ConfigurationError

    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError(f"{directory} is not empty", "name another folder: coalmine init FOLDER")
    with as_file(files("coalmine_server.cli.prompts") / "starter") as starter:
        shutil.copytree(starter, directory, dirs_exist_ok=True)
    for path in sorted(directory.rglob("*.md")):
        typer.echo(path)
    note(f"Next: `coalmine serve` in another terminal, then `coalmine push {directory}`")


def push(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(help="Folder of prompts: DIR/NAME/VERSION.md.", parser=named_path)
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show how each new version differs from the previous one.")
    ] = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Register the versions of a folder that are not registered yet. Pushing again changes nothing.

    Says where each came from: repository, commit, author and pull request, as git and CI know them.
    Refuses a published version whose file was edited, and a version whose bump is too small for its changes;
    registers the others. Exits with 1 if any was refused.
    """
    from coalmine_schemas.prompt_files.folder import InvalidFiles, read_folder
    from coalmine_server.errors import CheckFailed

    try:
        files = read_folder(directory)
    except InvalidFiles as error:
        raise CheckFailed(str(error), "nothing was registered") from error
    done: list[Pushed] = []
    with (
        registry_client(context, token) as client,
        progress_bar("registering", quiet=as_json, unit="files") as advance,
    ):
        together = Together(client, files)
        for count, file in enumerate(files, 1):
            done.append(push_file(client, file, together, dry_run=dry_run))
            advance(count, len(files))
        if diff and not as_json:
            for file, each in zip(files, done, strict=True):
                if each.previous is not None and each.result != "unchanged":
                    _show(client, file, each.previous)
    if as_json:
        write_json([asdict(each) for each in done])
    else:
        rows = [(each.prompt, each.version, each.result, each.step, "; ".join(each.reasons)) for each in done]
        write_table(
            ["prompt", "version", "result", "bump", "changes"], rows, empty=f"no prompts in {directory}"
        )
    if any(each.result == "refused" for each in done):
        if not as_json:
            note("Some versions were refused: see above.")
        raise typer.Exit(1)


def version_body(file: "PromptFile") -> dict[str, object]:
    """The body of the request that registers a version: its content, and where it came from."""
    from coalmine_registry.prompt_files.source import source_of

    source = source_of(file.path, os.environ)
    return {
        "version": file.version,
        "content": file.content.to_json(),
        "source": None if source is None else asdict(source),
    }


def check_prompts(
    directory: Annotated[
        Path,
        typer.Argument(help="Folder of prompts: DIR/NAME/VERSION.md.", show_default=True, parser=named_path),
    ] = Path("prompts"),
    *,
    base: Annotated[
        str | None,
        typer.Option(
            help="Compare with the commit where this branch left BASE, e.g. origin/main. Default: compare "
            "what is staged with the last commit.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reject files that are not valid prompts, and changes of published versions.

    Needs no server: for pre-commit hooks and CI. Templates that include what the folder lacks are for
    `coalmine push --dry-run`. Exits with 1 if something is wrong.
    """
    from coalmine_registry.prompt_files.history import published_edits
    from coalmine_schemas.errors import InvalidParameter
    from coalmine_schemas.prompt_files.folder import InvalidFiles, read_folder, template_problems
    from coalmine_server.errors import ConfigurationError

    problems: list[str] = []
    count = 0
    try:
        files = read_folder(directory)
        count = len(files)
        problems += template_problems(files)
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
            note(f"{count} versions in {directory}, all valid and none edited")
    if problems:
        raise typer.Exit(1)


def push_file(client: "Client", file: "PromptFile", together: Together, *, dry_run: bool) -> Pushed:
    """Registers one version, or says what registering it would do.

    Args:
        client: Of the registry's server.
        file: The version.
        together: All files that are pushed with it, which it may include.
        dry_run: True to change nothing.
    """
    from coalmine_registry.errors import BumpTooSmall
    from coalmine_schemas.prompts import InvalidPrompt
    from coalmine_server.errors import ServerError

    def refused(why: str) -> Pushed:
        together.refuse(file)
        return Pushed(file.name, file.version, "refused", reasons=(why,))

    known = find_version(client, file.name, file.version)
    if known is not None:
        unchanged = known["digest"] == file.content.digest()
        return Pushed(file.name, file.version, "unchanged") if unchanged else refused(EDITED)
    changes: Any = None
    if dry_run:
        try:
            found_here = together.classification(file)
        except (InvalidPrompt, BumpTooSmall) as error:
            return refused(str(error))
        changes = None if found_here is None else asdict(found_here)
    try:
        found = client.post(
            path_of("prompts", file.name, "versions"), version_body(file), {"dry_run": dry_run}
        )
    except ServerError as error:
        if not (dry_run and (needed := together.waits_for(file))):
            return refused(error.message)
        why = f"after {', '.join(needed)}, which it includes"
        return Pushed(file.name, file.version, "would register", reasons=(why,))
    result: Literal["registered", "would register"] = "would register" if dry_run else "registered"
    changes = changes or found["classification"]
    if changes is None:
        return Pushed(file.name, file.version, result)
    reasons = tuple(f"{each['what']}: {each['needs']}" for each in changes["reasons"])
    return Pushed(file.name, file.version, result, changes["previous"], changes["level"], reasons)


def _show(client: "Client", file: "PromptFile", previous: str) -> None:
    from coalmine_registry.prompt_files.diff import diff_lines
    from coalmine_schemas.prompts.content import PromptContent

    old = client.get(path_of("prompts", file.name, "versions", previous))
    content = PromptContent.from_json(old["content"])
    lines = diff_lines(f"{file.name}@{previous}", content, file.reference, file.content)
    write_diff((line.kind, line.text) for line in lines)
