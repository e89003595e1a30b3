"""A folder of prompt files: `<name>/<version>.md`."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from semver import Version

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompt_files.places import line_of
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.names import check_prompt_name, check_version
from coalmine_schemas.prompts.templating import check_template

SUFFIX = ".md"
_LARGEST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One version of a prompt, read from a file."""

    path: Path
    name: str
    version: str
    content: PromptContent

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class InvalidFiles(InvalidParameter):
    """Files of a folder are not valid prompts.

    Args:
        problems: One message per file, each starting with the path and, where it can be told, the line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


def file_of(directory: Path, name: str, version: str) -> Path:
    """Returns the path of a version."""
    return directory / name / f"{version}{SUFFIX}"


def read_folder(directory: Path) -> list[PromptFile]:
    """Reads all prompts of a folder, each after those it includes and after its own older versions.

    Files and folders whose names begin with a dot or an underscore, `README.md`, and files that do not end
    with `.md` are left out. The folder of a prompt may be a link.

    Raises:
        InvalidFiles: Some files are not valid prompts; names all of them.
        InvalidParameter: The folder does not exist.
    """
    if not directory.is_dir():
        raise InvalidParameter(f"{directory}: no such folder; it should hold <name>/<version>.md")
    found: list[PromptFile] = []
    problems: list[str] = []
    for path in sorted(_paths(directory, problems)):
        relative = path.relative_to(directory)
        try:
            if not path.is_file():  # a pipe would be waited for
                problems.append(f"{path}: is no file, or a link to nothing: put a file there, or delete it")
                continue
            name, version = name_and_version(relative)
            size = path.stat().st_size
            if size == 0:  # what a copy leaves that was interrupted; pushed, it would be a version for good
                problems.append(f"{path}: is empty: write the prompt, or delete the file")
                continue
            if size > _LARGEST_BYTES:
                problems.append(f"{path}: the file is too large: a prompt has at most {_LARGEST_BYTES} bytes")
                continue
            content = parse_prompt(path.read_text(encoding="utf-8"))
            content.includes()  # raises here, where the file is known
            found.append(PromptFile(path, name, version, content))
        except InvalidPrompt as error:
            problems.append(problem_in(path, error))
        except UnicodeDecodeError as error:
            problems.append(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8")
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
    if problems:
        raise InvalidFiles(problems)
    return in_order(found)


def template_problems(files: Iterable[PromptFile]) -> Iterator[str]:
    """Yields what is wrong with templates as it takes all files to see, a message per file.

    Those that include what is not in the folder are left out.

    Args:
        files: In order, as `read_folder` returns them.
    """
    whole: dict[str, PromptContent] = {}
    for file in files:
        if not whole.keys() >= {*file.content.includes()}:
            continue
        whole[file.reference] = file.content
        try:
            check_template(file.content, whole.__getitem__)
        except InvalidPrompt as error:
            yield problem_in(file.path, error)


def _paths(directory: Path, problems: list[str]) -> Iterator[Path]:
    """What may be a version. A folder that cannot be read is a problem: it would look as if it were empty."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read: {error.strerror}")

    for root, folders, names in os.walk(directory, onerror=unreadable):
        folders[:] = [each for each in folders if each[0] not in "._"]
        for name in (*names, *folders):
            if _may_be(name):
                yield Path(root, name)
        for path in (Path(root, each) for each in folders):
            if path.is_symlink():  # which `os.walk` leaves out, since it may lead back to where it stands
                try:
                    yield from (each for each in path.iterdir() if _may_be(each.name))
                except OSError as error:
                    unreadable(error)


def _may_be(name: str) -> bool:
    return name.endswith(SUFFIX) and name[0] not in "._" and name != "README.md"


def problem_in(path: Path, error: InvalidPrompt) -> str:
    """Returns `FILE:LINE: what is wrong: remedy`; without the line where it cannot be told."""
    try:
        line = line_of(path.read_text(encoding="utf-8"), error)
    except (OSError, UnicodeDecodeError):
        line = None
    return f"{path}: {error}" if line is None else f"{path}:{line}: {error}"


def name_and_version(relative: PurePath) -> tuple[str, str]:
    """Returns name and version of the prompt at a path relative to the folder.

    Raises:
        InvalidPrompt: The path is not `<name>/<version>.md`.
    """
    if len(relative.parts) != 2:
        raise InvalidPrompt("path", relative.as_posix(), "put it at <name>/<version>.md")
    name, version = relative.parts[0], relative.name.removesuffix(SUFFIX)
    check_prompt_name(name)
    check_version(version)
    return name, version


def highest_version(versions: Iterable[str]) -> str:
    """Returns the highest release, or prerelease where there is no release.

    Of those that differ in build metadata alone, the last by letters.
    """
    parsed = [Version.parse(each) for each in versions]
    return str(max(parsed, key=lambda each: (each.prerelease is None, each, each.build or "")))


def in_order(files: Iterable[PromptFile]) -> list[PromptFile]:
    """Sorts files so that each comes after those it includes and after its own older versions.

    Raises:
        InvalidFiles: Files include each other in a circle.
    """
    by_reference = {
        each.reference: each
        for each in sorted(files, key=lambda file: (file.name, Version.parse(file.version), file.version))
    }
    needs = {reference: _needed(each, by_reference) for reference, each in by_reference.items()}
    done: dict[str, PromptFile] = {}
    while len(done) < len(by_reference):
        ready = [name for name, before in needs.items() if name not in done and before <= done.keys()]
        if not ready:
            circle = sorted(by_reference.keys() - done.keys())
            raise InvalidFiles([f"{by_reference[each].path}: in a circle of includes" for each in circle])
        done.update((name, by_reference[name]) for name in ready)
    return list(done.values())


def _needed(file: PromptFile, known: Mapping[str, PromptFile]) -> set[str]:
    """Returns the references of files that have to be registered first."""
    version = Version.parse(file.version)
    needed = {
        each.reference
        for each in known.values()
        if each.name == file.name and Version.parse(each.version) < version
    }
    return needed | {reference for reference in file.content.includes() if reference in known}
