"""Published versions in git: adding is fine, everything else is named. In real repositories."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coalmine_registry.prompt_files.history import published_edits
from coalmine_schemas.errors import InvalidParameter

Git = Callable[..., None]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]

    def run(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    run("init", "--initial-branch=main")
    return run


@pytest.fixture
def prompts(tmp_path: Path, git: Git) -> Path:
    directory = tmp_path / "our prompts"
    for version in ("1.0.0", "1.1.0"):
        path = directory / "refund" / f"{version}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Hello from {version}.\n")
    (directory / "README.md").write_text("About.\n")
    git("add", ".")
    git("commit", "-m", "Two versions")
    return directory


def test_adding_a_version_is_fine(prompts: Path, git: Git) -> None:
    (prompts / "refund" / "1.2.0.md").write_text("Hello.\n")
    (prompts / "README.md").write_text("About us.\n")
    git("add", ".")
    assert published_edits(prompts) == []


def test_editing_deleting_and_renaming_are_named(prompts: Path, git: Git) -> None:
    (prompts / "refund" / "1.0.0.md").write_text("Goodbye.\n")
    (prompts / "refund" / "1.1.0.md").rename(prompts / "refund" / "1.3.0.md")
    assert published_edits(prompts) == []  # nothing is staged
    git("add", ".")
    edits = published_edits(prompts)
    assert [(edit.version, edit.verb) for edit in edits] == [("1.0.0", "edits"), ("1.1.0", "deletes")]
    assert "our prompts/refund/1.0.0.md: edits refund@1.0.0, which is published" in str(edits[0])


def test_a_branch_is_compared_with_where_it_left_its_base(prompts: Path, git: Git) -> None:
    git("switch", "-c", "change")
    (prompts / "refund" / "1.2.0.md").write_text("Draft.\n")
    git("add", ".")
    git("commit", "-m", "A draft")
    (prompts / "refund" / "1.2.0.md").write_text("Better.\n")  # published by nobody yet
    git("commit", "-am", "Better")
    assert published_edits(prompts, base="main") == []
    git("switch", "main")
    (prompts / "refund" / "1.4.0.md").write_text("Elsewhere.\n")
    git("add", ".")
    git("commit", "-m", "Meanwhile")
    git("switch", "change")
    (prompts / "refund" / "1.1.0.md").write_text("Edited.\n")
    git("commit", "-am", "An edit")
    assert [edit.version for edit in published_edits(prompts, base="main")] == ["1.1.0"]


def test_a_repository_without_commits_has_published_nothing(tmp_path: Path, git: Git) -> None:
    (tmp_path / "refund").mkdir()
    (tmp_path / "refund" / "1.0.0.md").write_text("Hello.\n")
    git("add", ".")
    assert published_edits(tmp_path) == []


@pytest.mark.parametrize("base", ["nowhere", "--output=x"])
def test_a_base_that_is_none_is_refused(prompts: Path, base: str) -> None:
    with pytest.raises(InvalidParameter, match=base):
        published_edits(prompts, base=base)


def test_a_folder_outside_of_git_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InvalidParameter, match="not in a git repository"):
        published_edits(tmp_path_factory.mktemp("plain"))


def test_a_hook_in_a_linked_worktree_looks_at_that_worktree(
    prompts: Path, git: Git, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As git and pre-commit export it."""
    linked = tmp_path_factory.mktemp("linked") / "tree"
    git("worktree", "add", "-b", "change", str(linked))
    directory = linked / "our prompts"
    (directory / "refund" / "1.0.0.md").write_text("Edited.\n")
    subprocess.run(["git", "-C", str(linked), "add", "."], check=True)
    monkeypatch.chdir(linked)
    own = prompts.parent / ".git" / "worktrees" / "tree"
    monkeypatch.setenv("GIT_DIR", str(own))
    monkeypatch.setenv("GIT_INDEX_FILE", str(own / "index"))
    assert [edit.version for edit in published_edits(directory)] == ["1.0.0"]
    assert published_edits(prompts) == []  # of the other worktree, where nothing is staged


def test_a_hook_of_a_partial_commit_looks_at_what_is_committed(
    prompts: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git commit FILE` has an index of its own for it, named relative to the root."""
    monkeypatch.chdir(prompts.parent)
    (prompts / "refund" / "1.0.0.md").write_text("Edited.\n")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/next-index.lock")
    git("read-tree", "HEAD")
    git("add", ".")
    assert [edit.version for edit in published_edits(prompts)] == ["1.0.0"]
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert published_edits(prompts) == []


def test_the_repository_that_another_folder_exports_is_not_looked_at(
    prompts: Path, git: Git, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (prompts / "refund" / "1.0.0.md").write_text("Edited.\n")
    git("add", ".")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert [edit.version for edit in published_edits(prompts)] == ["1.0.0"]
