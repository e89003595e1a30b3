"""Where prompt files came from: what git and CI's environment variables say."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from coalmine_registry.prompt_files.git import run_git
from coalmine_registry.provenance import VersionSource, without_secrets
from coalmine_schemas.errors import InvalidParameter

_MERGED: Final = re.compile(r"^Merge pull request #(\d+) |\(#(\d+)\)$")
"""How GitHub titles the commits that bring a pull request."""
_PULL: Final = re.compile(r"refs/pull/(\d+)/")
_MAIL: Final = re.compile(r"\s*<[^>]*>\s*$")


def source_of(path: Path, environment: Mapping[str, str]) -> VersionSource | None:
    """Returns where a file came from; None if nothing is known.

    The commit is the one that wrote the file, as git knows it: there is none of a file that differs from what
    was committed. Without git, it is the one that CI builds.

    Args:
        path: The file.
        environment: Environment variables, of GitHub Actions or GitLab CI if it runs there.
    """
    in_ci = _of_ci(environment)
    in_git = _of_git(path)
    if in_git is None:
        return in_ci
    if in_ci is None:
        return in_git
    return VersionSource(
        repository=in_ci.repository or in_git.repository,
        commit=in_git.commit,
        author=in_git.author,
        pull_request=in_ci.pull_request or in_git.pull_request,
    )


def _of_ci(environment: Mapping[str, str]) -> VersionSource | None:
    def named(*names: str) -> str | None:
        return next((environment[name] for name in names if environment.get(name)), None)

    if environment.get("GITHUB_ACTIONS"):
        name = named("GITHUB_REPOSITORY")
        server = (named("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
        repository = None if name is None else without_secrets(f"{server}/{name}")
        pull = _PULL.match(environment.get("GITHUB_REF", ""))
        return VersionSource(
            repository=repository,
            commit=named("GITHUB_SHA"),
            author=named("GITHUB_ACTOR"),
            pull_request=None if pull is None or repository is None else f"{repository}/pull/{pull[1]}",
        )
    if environment.get("GITLAB_CI"):
        project = named("CI_MERGE_REQUEST_PROJECT_URL", "CI_PROJECT_URL")
        request = named("CI_MERGE_REQUEST_IID")
        author = named("CI_COMMIT_AUTHOR")
        project = None if project is None else without_secrets(project)
        return VersionSource(
            repository=project,
            commit=named("CI_COMMIT_SHA"),
            author=None if author is None else _MAIL.sub("", author) or None,
            pull_request=None
            if request is None or project is None
            else f"{project}/-/merge_requests/{request}",
        )
    return None


def _of_git(path: Path) -> VersionSource | None:
    directory = path.parent
    try:
        if run_git(directory, "rev-parse", "--is-inside-work-tree").stdout.strip() != "true":
            return None
        origin = run_git(directory, "remote", "get-url", "origin").stdout.strip()
        changed = run_git(directory, "status", "--porcelain", "--ignored", "--", path.name).stdout
        log = run_git(directory, "log", "-1", "--format=%H%x00%an%x00%s", "--", path.name).stdout
    except InvalidParameter:  # git is not installed
        return None
    repository = without_secrets(origin) or None
    if changed or not log:
        return VersionSource(repository=repository, commit=None, author=None, pull_request=None)
    commit, author, subject = log.rstrip("\n").split("\0")
    pull = _MERGED.search(subject)
    is_github = "github" in (urlsplit(origin).hostname or origin.partition(":")[0])
    number = None if pull is None or not is_github else f"#{pull[1] or pull[2]}"
    return VersionSource(repository=repository, commit=commit, author=author or None, pull_request=number)
