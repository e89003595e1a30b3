"""Folders of statements go when these are done, and at a start those of processes that were killed."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.ad_hoc.folders import own_folder, remove_abandoned_folders

HOLDS = """
import sys
from coalmine_consumers.ad_hoc.folders import own_folder

with own_folder() as folder:
    (folder / "tables.duckdb").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of a statement, and its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as started:
        assert started.stdout is not None
        yield started, Path(started.stdout.readline().strip())
        started.kill()


def test_a_folder_goes_with_its_statement(temporary: Path) -> None:
    with own_folder() as folder:
        (folder / "answer.arrow").write_bytes(b"x")
        assert folder.parent == temporary
        assert remove_abandoned_folders() == []
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = holder
    assert remove_abandoned_folders() == []
    assert folder.is_dir()
    process.kill()
    process.wait()
    assert folder.is_dir()
    assert remove_abandoned_folders() == [folder]
    assert not folder.exists()


def test_nothing_else_is_removed(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"x")
    (temporary / "coalmine-sql-link").symlink_to(elsewhere)
    (temporary / "coalmine-sql-file").write_bytes(b"x")
    (temporary / "coalmine-sql-new").mkdir()
    before = sorted(temporary.rglob("*"))
    assert remove_abandoned_folders() == []
    assert sorted(temporary.rglob("*")) == before
