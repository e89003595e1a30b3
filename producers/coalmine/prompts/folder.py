"""A folder of prompt files as what every environment serves: without a registry, or as its fallback.

Needs PyYAML and semver, which the extra `prompts` brings; only a client with a folder imports this module.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import (
    SUFFIX,
    InvalidFiles,
    PromptFile,
    highest_version,
    read_folder,
    template_problems,
)
from coalmine_schemas.prompt_files.places import line_with
from coalmine_schemas.prompts import ServedPrompt, ServeVersion, Snapshot

ANY_ENVIRONMENT: Final = "*"
"""Files do not differ from environment to environment."""


def read_prompts(directory: Path) -> Snapshot:
    """Reads a folder, and checks all that a request could stumble over later.

    Of each prompt the highest version is served; a prerelease only where there is nothing else.

    Args:
        directory: Holds `<name>/<version>.md`.

    Raises:
        InvalidFiles: Files are not valid; names each with its line and what to write instead.
        InvalidParameter: The folder does not exist, cannot be read, or holds no prompts.
    """
    try:
        files = read_folder(directory)
    except OSError as error:
        raise InvalidParameter(f"{error.filename or directory}: cannot be read: {error.strerror}") from error
    if not files:
        raise InvalidParameter(f"{directory}: holds no prompts; add the first as <name>/1.0.0{SUFFIX}")
    problems = [*_missing(directory, files), *template_problems(files)]
    if problems:
        raise InvalidFiles(problems)
    names = sorted({each.name for each in files})
    versions = {name: [each.version for each in files if each.name == name] for name in names}
    return Snapshot(
        ANY_ENVIRONMENT,
        0,
        {name: ServedPrompt(0, ServeVersion(highest_version(versions[name]))) for name in names},
        {each.reference: each.content for each in files},
    )


def _missing(directory: Path, files: Iterable[PromptFile]) -> Iterable[str]:
    known = {each.reference for each in files}
    for file in files:
        for reference in (each for each in file.content.includes() if each not in known):
            name, _, version = reference.partition("@")
            line = line_with(file.path.read_text(encoding="utf-8"), reference)
            path = directory / name / f"{version}{SUFFIX}"
            yield f"{file.path}:{line}: includes {reference}, which is not in the folder: add {path}"
