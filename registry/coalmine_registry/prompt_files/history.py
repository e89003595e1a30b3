"""Edits of published versions in a git repository, which are never allowed.

A version is published once the base of a change has it, or once it is committed.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coalmine_registry.prompt_files.git import run_git
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import SUFFIX, name_and_version
from coalmine_schemas.prompts.errors import InvalidPrompt

_VERBS = {"M": "edits", "D": "deletes", "T": "changes the type of"}


@dataclass(frozen=True, slots=True)
class PublishedEdit:
    """A change of a published version."""

    path: str
    """Relative to the root of the repository."""
    verb: str
    """What the change does to the file, e.g. `edits`."""
    name: str
    version: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.verb} {self.name}@{self.version}, which is published; put it back and add a "
            "new version beside it"
        )


def published_edits(directory: Path, *, base: str | None = None) -> list[PublishedEdit]:
    """Returns what a change does to versions that its base already has.

    Args:
        directory: The folder of prompts, in a git repository.
        base: Commit to compare HEAD with, from where the two diverged; as in CI, e.g. `origin/main`. None
            compares what is staged with HEAD, as in a pre-commit hook.

    Raises:
        InvalidParameter: The folder is not in a git repository, or the base does not exist.
    """
    if not directory.is_dir():
        raise InvalidParameter(f"{directory}: no such folder; it should hold <name>/<version>.md")
    if base is not None and base.startswith("-"):
        raise InvalidParameter(
            f"{base!r} is not a commit: name a branch, a tag or a commit, e.g. origin/main"
        )
    top = run_git(directory, "rev-parse", "--show-toplevel")
    if top.returncode != 0:
        raise InvalidParameter(
            f"{directory} is not in a git repository, which tells what is published: run `git init`, or only "
            "check the files with `coalmine push --dry-run`"
        )
    root = Path(top.stdout.strip())
    below = PurePosixPath(directory.resolve().relative_to(root.resolve()).as_posix())
    if base is not None:
        compared = [f"{base}...HEAD"]
    elif _has_commits(directory):
        compared = ["--cached", "HEAD"]
    else:
        return []
    options = ["--name-status", "-z", "--no-renames", "--diff-filter=MDT"]
    listed = _git(root, "diff", *options, *compared, "--", below.as_posix()).split("\0")
    edits = []
    for status, path in zip(listed[0::2], listed[1::2], strict=False):
        if not path.endswith(SUFFIX):
            continue
        try:
            name, version = name_and_version(PurePosixPath(path).relative_to(below))
        except InvalidPrompt:
            continue  # not a version of a prompt, such as a README
        edits.append(PublishedEdit(path, _VERBS[status[0]], name, version))
    return edits


def _has_commits(directory: Path) -> bool:
    return run_git(directory, "rev-parse", "--verify", "--quiet", "HEAD").returncode == 0


def _git(directory: Path, *arguments: str) -> str:
    done = run_git(directory, *arguments)
    if done.returncode != 0:
        raise InvalidParameter(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
