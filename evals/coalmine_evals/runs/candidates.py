"""What a run is asked to try: `NAME@VERSION`, a file of a prompt, or a file of recorded answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coalmine_evals.providers.provider import Models
from coalmine_evals.providers.recorded import read_outputs
from coalmine_evals.runs.sides import PromptSide, RecordedSide, RunSide, model_of
from coalmine_evals.suites.suite import Suite
from coalmine_registry.errors import NotFound
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.mistakes import InvalidFile
from coalmine_schemas.prompt_files.folder import file_of, name_and_version
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts import InvalidPrompt, PromptContent, parse_reference
from coalmine_schemas.prompts.templating import Lookup

Fetch = Callable[[str, str], PromptContent]
"""Returns a version of the registry by name and version; raises NotFound."""

_RECORDED = (".jsonl", ".jsonl.gz", ".json", ".json.gz")


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A version of a prompt, or a draft."""

    content: PromptContent
    lookup: Lookup
    """Content of what it includes."""
    prompt: str | None = None
    version: str | None = None


def side_of_text(text: str, suite: Suite, models: Models, fetch: Fetch) -> RunSide:
    """Returns what a text names.

    Args:
        text: `NAME@VERSION`, `FILE.md`, or `FILE.jsonl` of recorded answers.
        suite: What it is tried on, which may name a model and who answers.
        models: Who answers.
        fetch: Reads the registry.

    Raises:
        InvalidParameter: The text names nothing, or what it names has mistakes.
        NotFound: The registry has no such version.
    """
    if text.endswith(_RECORDED):
        return RecordedSide(read_outputs(Path(text)), prompt=suite.prompt)
    found = find_prompt(text, fetch)
    if found.prompt not in (None, suite.prompt):
        raise InvalidParameter(
            f"suite {suite.name} is of {suite.prompt}, not of {found.prompt}: name the suite of this prompt"
        )
    model = model_of(found.content, suite.model, found.prompt)
    return PromptSide(
        found.content,
        models.of(model, suite.provider, suite.base_url),
        lookup=found.lookup,
        prompt=found.prompt or suite.prompt,
        version=found.version,
        model=model,
    )


def find_prompt(text: str, fetch: Fetch) -> FoundPrompt:
    """Returns what `NAME@VERSION` or `FILE.md` names.

    Raises:
        InvalidParameter: The text names nothing, or the file has mistakes.
        NotFound: The registry has no such version.
    """

    def from_registry(reference: str) -> PromptContent:
        name, version = parse_reference(reference)
        try:
            return fetch(name, version)
        except NotFound:
            raise KeyError(reference) from None

    if not text.endswith(".md"):
        try:
            name, version = parse_reference(text)
        except InvalidPrompt as error:
            raise InvalidParameter(
                f"{error}; or name a file: FILE.md of a prompt, FILE.jsonl of recorded answers"
            ) from None
        return FoundPrompt(fetch(name, version), from_registry, name, version)
    path = Path(text)
    content = _parsed(path)
    try:
        folder = path.absolute().parent.parent
        prompt, found_version = name_and_version(path.absolute().relative_to(folder))
    except InvalidPrompt:
        return FoundPrompt(content, from_registry)

    def from_folder(reference: str) -> PromptContent:
        beside = file_of(folder, *parse_reference(reference))
        return _parsed(beside) if beside.is_file() else from_registry(reference)

    return FoundPrompt(content, from_folder, prompt, found_version)


def _parsed(path: Path) -> PromptContent:
    try:
        return parse_prompt(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InvalidFile([f"{path}: {reason}: name the file of a prompt, or NAME@VERSION"]) from None
    except UnicodeDecodeError as error:
        raise InvalidFile([f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8"]) from None
    except InvalidPrompt as error:
        raise InvalidFile([f"{path}: {error}"]) from None
