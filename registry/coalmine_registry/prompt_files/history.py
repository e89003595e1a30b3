"""Edits of published versions in a git repository, which are never allowed.

A version is published once the base of a change has it, or once it is committed.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coalmine_registry.prompt_files.folder import SUFFIX, name_and_version
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.errors import InvalidPrompt

_EXPORTED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
)
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
    top = _run(directory, "rev-parse", "--show-toplevel")
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


def _environment(directory: Path) -> dict[str, str]:
    """Returns the environment for git, which has to look at the folder that was named.

    In a hook git exports which repository it works on: in a linked worktree without its root, and the folder
    may lie in another one. The index is kept where it is the folder's own: `git commit FILE` has a temporary
    one.
    """
    plain = {name: value for name, value in os.environ.items() if name not in _EXPORTED}
    index, exported = os.environ.get("GIT_INDEX_FILE"), os.environ.get("GIT_DIR")
    if index is None:
        return plain
    own = _run(directory, "rev-parse", "--absolute-git-dir", environment=plain).stdout.strip()
    if own and (exported is None or os.path.realpath(exported) == os.path.realpath(own)):
        plain["GIT_INDEX_FILE"] = str(Path(index).absolute())
    return plain


def _has_commits(directory: Path) -> bool:
    return _run(directory, "rev-parse", "--verify", "--quiet", "HEAD").returncode == 0


def _git(directory: Path, *arguments: str) -> str:
    done = _run(directory, *arguments)
    if done.returncode != 0:
        raise InvalidParameter(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _run(
    directory: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - our own arguments; a base that starts with a hyphen is refused
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=False,
            env=_environment(directory) if environment is None else environment,
        )
    except FileNotFoundError:
        raise InvalidParameter("git is not installed, or not in PATH") from None
