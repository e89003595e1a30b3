"""Writes imported versions as prompt files: all that can be, and never over a file that differs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from coalmine_registry.prompt_imports.imported import Exported, Imported, imported
from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import file_of, read_folder
from coalmine_schemas.prompt_files.markdown import format_prompt, parse_prompt
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.names import reference_to
from coalmine_schemas.prompts.templating import check_template

Progress = Callable[[int, int], object]
"""Told how many of how many versions are done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one version of an export."""

    prompt: str
    version: str
    result: Literal["written", "would write", "unchanged", "left out"]
    path: str | None
    """The file; None for what was left out."""
    source: str
    """Where it stands in the export."""
    problem: str | None = None
    """Why it was left out, and what to do."""
    notes: Sequence[str] = ()
    """What is not as it was there."""


def import_into(
    tool: str,
    exported: Iterable[Exported],
    folder: Path,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> list[Outcome]:
    """Translates and writes versions. Importing again writes nothing.

    Args:
        tool: Whose export it is.
        exported: What it holds.
        folder: Of prompt files; made if it is not there.
        dry_run: Only say what would happen.
        progress: Told after each version.

    Raises:
        InvalidParameter: The export cannot be read or holds no prompts; or the folder holds invalid files.
    """
    found = [imported(tool, each) for each in exported]
    if not found:
        raise InvalidParameter(f"there is no prompt in the export of {tool}")
    existing = {each.reference: each.content for each in read_folder(folder)} if folder.is_dir() else {}
    outcomes = []
    for count, each in enumerate(_checked(found, existing), 1):
        outcomes.append(_written(each, folder, existing, dry_run=dry_run))
        progress(count, len(found))
    return outcomes


def _checked(found: Sequence[Imported], existing: Mapping[str, PromptContent]) -> list[Imported]:
    """Each version once; what differs from another of its name, or fails with any values, has a problem.

    Nor are versions of `Greeting` and `greeting`, which are two prompts there, put into one folder.
    """
    first: dict[str, Imported] = {}
    names = {reference.partition("@")[0]: _own_name(content) for reference, content in existing.items()}
    checked = []
    for each in found:
        reference = reference_to(each.prompt, each.version)
        other = first.get(reference)
        problem = each.problem
        if each.content is not None:
            name = _own_name(each.content)
            known = names.get(each.prompt) or name
            names[each.prompt] = known
            if name != known:
                problem = f"{known!r} is called {each.prompt} here, too: rename one of them"
            elif other is None or other.content is None:
                first[reference] = each
                problem = _problem_with(each.content, existing)
            elif other.content.digest() == each.content.digest():
                continue
            else:
                problem = f"{other.where} is {reference}, too: rename one of them"
        checked.append(each if problem is None else replace(each, content=None, problem=problem))
    return checked


def _own_name(content: PromptContent) -> object:
    """What the other tool calls the prompt; None of one that was written here."""
    about = content.metadata.get("imported")
    return about.get("name") if isinstance(about, Mapping) else None


def _problem_with(content: PromptContent, existing: Mapping[str, PromptContent]) -> str | None:
    try:
        check_template(content, existing.__getitem__)
        format_prompt(content)
    except InvalidPrompt as error:
        return str(error)
    return None


def _written(
    each: Imported, folder: Path, existing: Mapping[str, PromptContent], *, dry_run: bool
) -> Outcome:
    def outcome(result: Literal["written", "would write", "unchanged", "left out"], **more: str) -> Outcome:
        given = {"path": None if result == "left out" else str(path), "problem": None, **more}
        return Outcome(each.prompt, each.version, result, source=each.where, notes=each.notes, **given)

    path = file_of(folder, each.prompt, each.version)
    if each.content is None:
        return outcome("left out", problem=each.problem or "")
    before = existing.get(reference_to(each.prompt, each.version))
    if before is not None:
        if before.digest() == each.content.digest():
            return outcome("unchanged")
        return outcome(
            "left out", problem=f"{path} says something else: move it, or import into another folder"
        )
    if dry_run:
        return outcome("would write")
    text = format_prompt(each.content)
    if parse_prompt(text).digest() != each.content.digest():
        return outcome("left out", problem="its text does not survive as a file: write it by hand")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text, mode=0o666)
    return outcome("written")
