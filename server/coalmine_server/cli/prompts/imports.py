"""`coalmine import`: prompts of other tools, from their exports into a folder of prompt files."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import AsJson, note, progress_bar, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coalmine_registry.prompt_imports.imported import Exported

import_app = typer.Typer(
    help="Bring prompts from other tools into a folder of prompt files. Needs no server.",
    no_args_is_help=True,
)

Into = Annotated[
    Path, typer.Option("--into", metavar="DIR", help="Folder of prompts to write to.", parser=named_path)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")]
_OUT_OF = Path("prompts")


@import_app.command("langfuse")
def langfuse(
    path: Annotated[
        Path,
        typer.Argument(help="JSON or JSON Lines of prompt versions, or a folder of them.", parser=named_path),
    ],
    *,
    into: Into = _OUT_OF,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import prompts that Langfuse's API answered (GET /api/public/v2/prompts/NAME?version=N).

    Exits with 1 if a version was left out; the others are written. Scores are not in this export.
    """
    from coalmine_registry.prompt_imports.langfuse import read_langfuse

    _import("langfuse", read_langfuse(path), into, dry_run=dry_run, as_json=as_json)


@import_app.command("promptlayer")
def promptlayer(
    path: Annotated[
        Path,
        typer.Argument(
            help="JSON or JSON Lines of prompt templates, or a folder of them.", parser=named_path
        ),
    ],
    *,
    into: Into = _OUT_OF,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import prompt templates that PromptLayer's API answered (GET /prompt-templates/NAME).

    Exits with 1 if a version was left out; the others are written. Scores are not in this export.
    """
    from coalmine_registry.prompt_imports.promptlayer import read_promptlayer

    _import("promptlayer", read_promptlayer(path), into, dry_run=dry_run, as_json=as_json)


@import_app.command("mlflow")
def mlflow(
    path: Annotated[
        Path, typer.Argument(help="MLflow's SQLite database, or its mlruns folder.", parser=named_path)
    ],
    *,
    into: Into = _OUT_OF,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import the prompts of MLflow's registry; aliases become labels.

    Exits with 1 if a version was left out; the others are written. Scores of traces are not read.
    """
    from coalmine_registry.prompt_imports.mlflow import read_mlflow

    _import("mlflow", read_mlflow(path), into, dry_run=dry_run, as_json=as_json)


@import_app.command("promptfoo")
def promptfoo(
    path: Annotated[Path, typer.Argument(help="promptfooconfig.yaml.", parser=named_path)],
    *,
    into: Into = _OUT_OF,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import the prompts of promptfoo's configuration; its tests go through `coalmine dataset import`.

    Exits with 1 if a prompt was left out; the others are written.
    """
    from coalmine_registry.prompt_imports.promptfoo import read_promptfoo_prompts

    _import("promptfoo", read_promptfoo_prompts(path), into, dry_run=dry_run, as_json=as_json)


def _import(tool: str, exported: "Iterable[Exported]", into: Path, *, dry_run: bool, as_json: bool) -> None:
    from coalmine_registry.prompt_imports.into_folder import import_into

    with progress_bar("importing", quiet=as_json, unit="versions") as advance:
        done = import_into(tool, exported, into, dry_run=dry_run, progress=advance)
    left_out = [each for each in done if each.result == "left out"]
    if as_json:
        write_json([asdict(each) for each in done])
    else:
        rows = [
            (each.prompt, each.version, each.result, each.problem or "; ".join(each.notes) or None)
            for each in done
        ]
        write_table(["prompt", "version", "result", "remarks"], rows, empty="", wrapped=True)
        if left_out:
            note(f"{len(left_out)} of {len(done)} versions were left out: see above.")
        elif not dry_run:
            note(f"Next: `coalmine check-prompts {into}`, then `coalmine push {into}`")
    if left_out:
        raise typer.Exit(1)
