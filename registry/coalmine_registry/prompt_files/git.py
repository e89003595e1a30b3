"""Runs git on the folder that was named."""

import os
import subprocess
from pathlib import Path

from coalmine_schemas.errors import InvalidParameter

_EXPORTED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
)


def run_git(
    directory: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs git there, and returns what it said.

    Args:
        directory: A folder in a repository, or not in one.
        arguments: None that somebody else gave may start with a hyphen.
        environment: For git; by default one in which the folder alone says which repository it is.

    Raises:
        InvalidParameter: Git is not installed.
    """
    try:
        return subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=False,
            env=_environment(directory) if environment is None else environment,
        )
    except FileNotFoundError:
        raise InvalidParameter("git is not installed, or not in PATH") from None


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
    own = run_git(directory, "rev-parse", "--absolute-git-dir", environment=plain).stdout.strip()
    if own and (exported is None or os.path.realpath(exported) == os.path.realpath(own)):
        plain["GIT_INDEX_FILE"] = str(Path(index).absolute())
    return plain
