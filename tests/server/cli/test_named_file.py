"""Files that options name: a folder that is missing is said, and nothing is replaced that is no file."""

import os
from pathlib import Path

import pytest

from coalmine_server.cli.named_file import write_named
from coalmine_server.errors import ConfigurationError
from tests.support.processes.coalmine_process import coalmine


def test_it_is_written_whole_with_the_rights_of_any_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    other.touch()
    write_named(path, "one\r\n")
    write_named(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o600)
    write_named(path, "two\n")
    assert path.stat().st_mode & 0o777 == 0o600, "what only its owner could read stays so"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b"]


def test_links_and_pipes_are_written_to_and_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    write_named(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "target").read_text(encoding="utf-8") == "text"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_named(pipe, "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("where", ["missing/file", "file/below", "."])
def test_what_cannot_be_written_is_said(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot be written"):
        write_named(tmp_path / where, "text")


def test_commands_say_it_and_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": "a", "variables": {}}\n', encoding="utf-8")
    home, out = tmp_path / "home", tmp_path / "out.jsonl"
    done = coalmine("dataset", "import", str(cases), "--out", str(out), "--dry-run", home=home)
    assert (done.returncode, out.exists()) == (0, False)
    done = coalmine("dataset", "import", str(cases), "--out", str(tmp_path / "no" / "out"), home=home)
    assert done.returncode == 2
    assert "name a file in a folder that exists" in done.stderr
