"""Temporary files of tests are in memory where there is enough, unless somebody chose another place."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.doubles.small_disk import mounted_disk
from tests.support.files_in_memory import keep_files_in_memory

Chosen = Callable[[Path], tuple[str | None, str | None]]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Chosen:
    """Offers a folder in memory; where a process that had no choice keeps files then, and those it starts."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)

    def choose(memory: Path) -> tuple[str | None, str | None]:
        keep_files_in_memory(memory, enough_bytes=2**20)
        return tempfile.tempdir, os.environ.get("TMPDIR")

    return choose


def test_a_large_folder_is_used_by_the_process_and_its_children(tmp_path: Path, chosen: Chosen) -> None:
    assert chosen(tmp_path) == (str(tmp_path), str(tmp_path))


def test_where_there_is_none_or_a_small_one_nothing_changes(tmp_path: Path, chosen: Chosen) -> None:
    assert chosen(tmp_path / "none") == (None, None)
    with mounted_disk(tmp_path / "small") as small:
        assert chosen(small) == (None, None)


def test_one_that_runs_no_programs_is_not_used(tmp_path: Path, chosen: Chosen) -> None:
    with mounted_disk(tmp_path / "memory", size_kib=8 * 2**20, options="noexec") as memory:
        assert chosen(memory) == (None, None)


def test_who_chose_a_folder_keeps_it(chosen: Chosen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert chosen(tmp_path) == (None, "/elsewhere")
