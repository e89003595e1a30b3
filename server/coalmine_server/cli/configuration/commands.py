"""`coalmine plan` and `coalmine apply`: configuration as files."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.safe_text import printable
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts.options import ReasonOption, TokenOption, registry_client
from coalmine_server.errors import CheckFailed, ConfigurationError, ExitCode, exit_code_of

if TYPE_CHECKING:
    from coalmine_server.cli.configuration.carry_out import Applied, Outcome
    from coalmine_server.cli.configuration.plan import Difference, Plan, Said, Step

DIFFERS: Final = 2
"""Exit code of `plan --exit-code` where files and registry differ: as Terraform's `-detailed-exitcode`."""
PLAN_EXIT_CODES: Final = (
    "With --exit-code: 0 the registry agrees with the files; 1 the files or the request are wrong; 2 they "
    "differ; 3 no server could be reached."
)
_SIGNS: Final = {"create": "+", "change": "~"}

DirectoryArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="Folder of configuration (docs/configuration-as-files.md).", parser=named_path
    ),
]
PruneOption = Annotated[
    bool, typer.Option("--prune", help="Remove targeting rules that are not in the files.")
]


def plan(
    context: typer.Context,
    directory: DirectoryArgument,
    *,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit with 2 if files and registry differ, for CI; errors exit with 1."
        ),
    ] = False,
    prune: PruneOption = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how the registry differs from files of configuration, and what `apply` would do. Changes nothing.

    Exits with 1 if something in the files has to be mended first.
    """
    with _errors_exit_with_1(exit_code):
        files = _read(directory)
        with registry_client(context, token) as client:
            from coalmine_server.cli.configuration.compare import compare

            found = compare(client, files, prune=prune)
    if as_json:
        write_json(_document(found))
    else:
        _write_plan(found, directory)
    if found.problems:
        raise typer.Exit(ExitCode.CHECK_FAILED)
    if exit_code and not found.agrees:
        raise typer.Exit(DIFFERS)


def apply(
    context: typer.Context,
    directory: DirectoryArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal is.")] = False,
    prune: PruneOption = False,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Make the registry agree with files of configuration. Applying again changes nothing.

    What needs an approval is asked for, and waits for it. A change by somebody else since the plan was made
    is noticed, and ends it. Exits with 1 if a step failed: says what was done and what is left.
    """
    if not yes and (as_json or not sys.stdin.isatty()):
        raise ConfigurationError("nobody can be asked here", "add --yes, after a look at `coalmine plan`")
    files = _read(directory)
    with registry_client(context, token) as client:
        from coalmine_server.cli.configuration.carry_out import carry_out, check_role
        from coalmine_server.cli.configuration.compare import compare

        found = compare(client, files, prune=prune)
        if not as_json:
            _write_plan(found, directory)
        if found.problems:
            why = "" if not as_json else ":\n" + "\n".join(found.problems)
            raise CheckFailed(f"nothing was changed: the files have to be mended first{why}")
        if found.steps:
            check_role(client, found)
            if not yes and not typer.confirm("Apply this?", err=True):
                raise CheckFailed("nothing was changed")
        tell = (lambda _: None) if as_json else _write_outcome
        applied = carry_out(client, found, reason or "coalmine apply", tell)
    if as_json:
        write_json(_applied_document(applied))
    else:
        _write_end(applied)
    if applied.failed is not None:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@contextmanager
def _errors_exit_with_1(wanted: bool) -> Iterator[None]:
    """Has mistakes exit with 1 instead of 2, which says that there are differences."""
    try:
        yield
    except CoalmineError as error:
        if wanted and exit_code_of(error) == ExitCode.USAGE:
            raise CheckFailed(str(error)) from error
        raise


def _read(directory: Path) -> Any:  # noqa: ANN401 - Files, of a module that is loaded late
    from coalmine_schemas.prompt_files.folder import InvalidFiles
    from coalmine_server.cli.configuration.files import read_files

    try:
        return read_files(directory)
    except InvalidFiles as error:
        raise CheckFailed(str(error), "nothing was asked of the registry, and nothing was changed") from error


def _write_plan(found: "Plan", directory: Path) -> None:
    for step in found.steps:
        _line(f"{_SIGNS[step.action]} {step.kind} {step.name}  ({step.file})")
        for each in step.differences:
            _line(f"    {_change(each)}")
    _write_said("Differs, and is left as it is:", "!", found.left)
    _write_said("Not in the files, and left as it is:", "?", found.not_in_files)
    for text in found.notes:
        note(text)
    for text in found.problems:
        note(printable(text))
    if found.agrees:
        note(f"Nothing to do: the registry agrees with {directory}.")
    elif found.problems:
        note(f"To be mended first: {len(found.problems)}.")
    elif found.steps:
        removed = f", {found.removed} rules to remove" if found.removed else ""
        note(f"Plan: {found.count('create')} to create, {found.count('change')} to change{removed}.")
    else:
        note("Nothing to apply; what differs is left to people.")


def _write_said(title: str, sign: str, said: Iterable["Said"]) -> None:
    lines = [f"{sign} {each.kind} {each.name}: {each.why}" for each in said]
    if lines:
        typer.echo(title)
    for line in lines:
        _line(line)


def _change(each: "Difference") -> str:
    if each.before is None:
        return f"+ {each.field}: {each.after}"
    if each.after is None:
        return f"- {each.field}: {each.before}"
    return f"~ {each.field}: {each.before} -> {each.after}"


def _write_outcome(outcome: "Outcome") -> None:
    _line(f"done: {outcome.step.kind} {outcome.step.name}: {outcome.result}")


def _write_end(applied: "Applied") -> None:
    from coalmine_server.cli.configuration.carry_out import remaining

    for step, why in remaining(applied):
        note(printable(f"left: {step.kind} {step.name}: {why}", lines=False))
    if applied.failed is not None:
        left = len(applied.waiting) + 1 + len(applied.not_tried)
        note(f"Stopped: {len(applied.done)} done, {left} left. Plan and apply again when it is mended.")
    elif applied.done or applied.waiting:
        waits = f", {len(applied.waiting)} left: apply again after the approval" if applied.waiting else ""
        note(f"Applied: {len(applied.done)} done{waits}.")


def _line(text: str) -> None:
    typer.echo(printable(text, lines=False))  # names come from anybody


def _document(found: "Plan") -> dict[str, Any]:
    return {
        "agrees": found.agrees,
        "steps": [_step(each) for each in found.steps],
        "left": [asdict(each) for each in found.left],
        "not_in_files": [asdict(each) for each in found.not_in_files],
        "problems": found.problems,
        "notes": found.notes,
    }


def _step(step: "Step") -> dict[str, Any]:
    return {
        "action": step.action,
        "kind": step.kind,
        "name": step.name,
        "file": step.file,
        "differences": [asdict(each) for each in step.differences],
    }


def _applied_document(applied: "Applied") -> dict[str, Any]:
    from coalmine_server.cli.configuration.carry_out import remaining

    return {
        "done": [{**_step(each.step), "result": each.result} for each in applied.done],
        "left": [{**_step(step), "result": why} for step, why in remaining(applied)],
        "failed": None if applied.failed is None else applied.failed.result,
    }
