"""Where judges come from: those that ship with Coalmine, and the prompts at hand."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from coalmine_evals.judges.judge import Judge
from coalmine_registry.errors import NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.prompt_files.folder import file_of
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.names import parse_reference
from coalmine_schemas.prompts.templating import Lookup

FOLDER: Final = Path("prompts")
"""Where prompt files are unless somebody says otherwise."""


def find_judge(reference: str, prompts: Lookup | None = None) -> Judge:
    """Finds a judge and checks it.

    The versions that ship are the same everywhere: another text of the same version is refused.

    Args:
        reference: E.g. `judge-faithfulness@1.0.0`.
        prompts: Other prompts, those of the registry, say: raises KeyError for one it does not have;
            the folder `prompts` if None.

    Raises:
        InvalidPrompt: It is no reference, or the prompt is no judge.
        InvalidParameter: There is no such prompt, or another one than ships.
    """
    parse_reference(reference, "judge")
    at_hand = prompts or in_folder(FOLDER)
    for name, version, text in shipped_judges():
        if reference == f"{name}@{version}":
            content = parse_prompt(text)
            _check_same(reference, content)
            return Judge.of(content, reference)
    try:
        return Judge.of(at_hand(reference), reference)
    except KeyError:
        known = [f"{name}@{version}" for name, version, _ in shipped_judges()]
        near = nearest(reference, known)
        raise InvalidParameter(
            f"judge {reference}: there is no such prompt in {FOLDER}/ or in the registry, and none ships: "
            + (f"did you mean {near}?" if near else f"those that ship are {', '.join(known)}")
        ) from None


def _check_same(reference: str, content: PromptContent) -> None:
    try:
        own = in_folder(FOLDER)(reference)
    except KeyError:
        return
    if own.digest() != content.digest():
        file = file_of(FOLDER, *parse_reference(reference))
        raise InvalidParameter(
            f"judge {reference}: {file} is not what ships with Coalmine as this version: give yours "
            "a version of its own"
        )


def in_folder(folder: Path) -> Lookup:
    """Returns the prompts of a folder of prompt files. Reads a file when it is asked for."""

    def content(reference: str) -> PromptContent:
        path = file_of(folder, *parse_reference(reference))
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            raise KeyError(reference) from None
        return parse_prompt(text)

    return content


def in_registry(registry: Registry) -> Lookup:
    """Returns the prompts of the registry."""

    def content(reference: str) -> PromptContent:
        try:
            found = registry.version(*parse_reference(reference))
        except NotFound:
            raise KeyError(reference) from None
        return PromptContent.from_json(found.content)

    return content


def shipped_judges() -> Iterator[tuple[str, str, str]]:
    """Yields name, version and text of the judges that ship with Coalmine."""
    folder = files(__package__).joinpath("shipped")
    for prompt in sorted(folder.iterdir(), key=lambda each: each.name):
        for file in sorted(prompt.iterdir(), key=lambda each: each.name):
            yield prompt.name, file.name.removesuffix(".md"), file.read_text(encoding="utf-8")


def write_judges(folder: Path) -> list[Path]:
    """Writes the judges that ship into a folder of prompts, where they can be edited as the next version.

    Returns:
        The files that were written. One that is there stays as it is.
    """
    written = []
    for name, version, text in shipped_judges():
        path = file_of(folder, name, version)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
