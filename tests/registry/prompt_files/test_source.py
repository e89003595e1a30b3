"""Where versions came from. In real repositories."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coalmine_registry.errors import Invalid
from coalmine_registry.prompt_files.source import source_of
from coalmine_registry.provenance import VersionSource, without_secrets
from coalmine_registry.registry import Registry
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ANN, BOB, PROMPT, push

Git = Callable[..., str]

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "acme/prompts",
    "GITHUB_SHA": "0" * 40,
    "GITHUB_ACTOR": "ann",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_TOKEN": "s3cret",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.example/acme/prompts",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_COMMIT_SHA": "1" * 40,
    "CI_COMMIT_AUTHOR": "Ann Author <ann@example.org>",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:s3cret@gitlab.example/acme/prompts.git",
}


@pytest.fixture
def git(tmp_path: Path) -> Git:
    identity = [
        "-c",
        "user.name=Ann Author",
        "-c",
        "user.email=ann@example.org",
        "-c",
        "commit.gpgsign=false",
    ]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    run("init", "--initial-branch=main")
    return run


def committed(tmp_path: Path, git: Git, name: str, message: str) -> tuple[Path, str]:
    path = tmp_path / "refund" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("Hello.\n")
    git("add", ".")
    git("commit", "-m", message)
    return path, git("rev-parse", "HEAD")


def test_the_commit_that_wrote_the_file(tmp_path: Path, git: Git) -> None:
    git("remote", "add", "origin", "https://ann:s3cret@github.example/acme/prompts.git?token=s3cret")
    first, commit = committed(tmp_path, git, "1.0.0.md", "Shorter answers (#12)")
    second, _ = committed(tmp_path, git, "1.1.0.md", "Merge pull request #13 from ann/x\n\nWarmer (#1)")
    assert source_of(first, {}) == VersionSource(
        repository="https://github.example/acme/prompts.git",
        commit=commit,
        author="Ann Author",
        pull_request="#12",
    )
    found = source_of(second, {})
    assert found is not None
    assert found.pull_request == "#13"


def test_what_is_not_committed_as_it_is_has_no_commit(tmp_path: Path, git: Git) -> None:
    path, _ = committed(tmp_path, git, "1.0.0.md", "One")
    new = path.with_name("1.1.0.md")
    new.write_text("New.\n")
    path.write_text("Edited.\n")
    for each in (path, new):
        assert source_of(each, {}) == VersionSource(None, None, None, None)


def test_no_git_and_no_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.0.0.md"
    path.write_text("Hello.\n")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_of(path, {}) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_of(path, {}) is None
    found = source_of(path, GITHUB)
    assert found == VersionSource(
        "https://github.example/acme/prompts",
        "0" * 40,
        "ann",
        "https://github.example/acme/prompts/pull/12",
    )
    assert source_of(path, GITLAB) == VersionSource(
        "https://gitlab.example/acme/prompts",
        "1" * 40,
        "Ann Author",
        "https://gitlab.example/acme/prompts/-/merge_requests/7",
    )
    bare = source_of(path, {"GITHUB_ACTIONS": "true"})
    assert bare == VersionSource(None, None, None, None)


def test_ci_knows_the_pull_request_and_git_the_commit(tmp_path: Path, git: Git) -> None:
    path, commit = committed(tmp_path, git, "1.0.0.md", "One")
    found = source_of(path, GITHUB)
    assert found is not None
    assert (found.commit, found.author) == (commit, "Ann Author")
    assert found.pull_request == "https://github.example/acme/prompts/pull/12"


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("https://u:p@ss@host/a.git", "https://host/a.git"),
        ("https://ghp_token@host/a.git", "https://host/a.git"),
        ("ssh://git@host:22/a.git", "ssh://host:22/a.git"),
        ("git@host:acme/a.git", "host:acme/a.git"),
        ("//u:p@host/a", "//host/a"),
        ("u:p@host/a", "host/a"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host/a?private_token=p#x", "https://host/a"),
        ("HTTPS://u:p@host/", "HTTPS://host/"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("#12", "#12"),
        ("  https://u:p@host/a\n", "https://host/a"),
        ("git::https://u:p@host/a", "git::https://host/a"),
        ("scm:git:https://u:p@host/a", "scm:git:https://host/a"),
        ("https:/u:p@host/a", "https:/host/a"),
        ("https:///u:p@host/a", "https:///host/a"),
        ("https://u:p/w@host/a", "https://host/a"),
        ("https://u:p#w@host/a", "https://host/a"),
        ("https://u:p?w@host/a", "https://host/a"),
        ("https://host:8443/a@b", "https://host:8443/a@b"),
        ("host:acme/a@b", "host:acme/a@b"),
        ("?private_token=p", ""),
    ],
)
def test_addresses_carry_no_secrets(address: str, clean: str) -> None:
    assert without_secrets(address) == clean


def test_the_first_source_of_a_version_stays(registry: Registry) -> None:
    source = VersionSource("https://u:p@host/a.git", "c" * 40, "Ann", "#12")
    stored = VersionSource("https://host/a.git", "c" * 40, "Ann", "#12")
    registry.register(ANN, PROMPT, "1.0.0", content(), source)
    registry.register(BOB, PROMPT, "1.0.0", content(), VersionSource("https://other/b", None, None, None))
    push(registry, "1.0.1")
    assert registry.version(PROMPT, "1.0.0").source == stored
    diff = registry.diff(PROMPT, "1.0.0", "1.0.1")
    assert (diff.source_a, diff.source_b) == (stored, None)
    first = registry.audit_log(PROMPT).items[-1]
    assert first.after is not None
    assert first.after["source"]["repository"] == "https://host/a.git"


def test_a_source_that_cannot_be_stored(registry: Registry) -> None:
    for bad in ("x" * 501, "a\0b", "a\nb", "\ud800"):
        with pytest.raises(Invalid, match="source"):
            registry.register(ANN, PROMPT, "1.0.0", content(), VersionSource(None, bad, None, None))
    registry.register(ANN, PROMPT, "1.0.0", content(), VersionSource(None, None, None, None))
    assert registry.version(PROMPT, "1.0.0").source is None
