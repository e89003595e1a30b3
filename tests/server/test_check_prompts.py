"""`coalmine check-prompts`, as a hook and as CI run it, in a real repository."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.processes.coalmine_process import COMMAND, coalmine
from tests.support.repository.tree import ROOT


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A repository with one published version, which is also the command's working directory."""
    (tmp_path / "prompts" / "refund").mkdir(parents=True)
    (tmp_path / "prompts" / "refund" / "1.0.0.md").write_text("Hello.\n")
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "add", "prompts")
    git(tmp_path, "commit", "-m", "One")
    return tmp_path


def test_a_new_version_passes(home: Path) -> None:
    (home / "prompts" / "refund" / "1.1.0.md").write_text("Hi.\n")
    git(home, "add", "prompts")
    result = coalmine("check-prompts", home=home)
    assert result.returncode == 0
    assert "2 versions in prompts, all valid and none edited" in result.stderr


def test_an_edit_and_an_unreadable_file_are_both_told(home: Path) -> None:
    (home / "prompts" / "refund" / "1.0.0.md").write_text("Goodbye.\n")
    (home / "prompts" / "refund" / "1.1.0.md").write_text("---\nmodle: x\n---\n")
    git(home, "add", "prompts")
    result = coalmine("check-prompts", "prompts", "--json", home=home)
    assert result.returncode == 1
    problems = json.loads(result.stdout)["problems"]
    assert len(problems) == 2
    assert "modle" in problems[0]
    assert "edits refund@1.0.0" in problems[1]


def test_a_branch_is_checked_against_its_base(home: Path) -> None:
    git(home, "switch", "-c", "change")
    (home / "prompts" / "refund" / "1.0.0.md").write_text("Goodbye.\n")
    git(home, "commit", "-am", "An edit")
    assert coalmine("check-prompts", home=home).returncode == 0  # nothing is staged
    result = coalmine("check-prompts", "prompts", "--base", "main", home=home)
    assert result.returncode == 1
    assert "put it back and add a new version" in result.stderr


def test_a_base_that_is_none_is_a_wrong_option(home: Path) -> None:
    result = coalmine("check-prompts", "prompts", "--base", "nowhere", home=home)
    assert result.returncode == 2
    assert "nowhere" in result.stderr


def test_the_hook_stops_a_commit(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"] == "coalmine check-prompts"
    script = tmp_path_factory.mktemp("bin") / "coalmine"
    script.write_text(f"#!/bin/sh\nexec {COMMAND[0]} {COMMAND[1]} '{COMMAND[2]}' \"$@\"\n")
    script.chmod(0o755)
    git_hook = home / ".git" / "hooks" / "pre-commit"
    git_hook.write_text(f"#!/bin/sh\nexec {script.parent}/{hook['entry']}\n")
    git_hook.chmod(0o755)
    (home / "prompts" / "refund" / "1.1.0.md").write_text("Hi.\n")
    git(home, "add", "prompts")
    git(home, "commit", "-m", "A version")
    shutil.move(home / "prompts" / "refund" / "1.0.0.md", home / "prompts" / "refund" / "1.2.0.md")
    git(home, "add", "prompts")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        git(home, "commit", "-m", "A rename")
    assert b"deletes refund@1.0.0" in refused.value.stderr
