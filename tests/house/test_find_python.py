"""`make setup` finds a Python that can make `.venv`, or says in words what to install."""

import subprocess
from pathlib import Path

import pytest

from tests.support.repository.tree import ROOT

# Stands in for an interpreter: it is as new as told, and has the venv module or not.
_PYTHON = """#!/bin/sh
case "$2" in
  *version_info*) exit {too_old} ;;
  *ensurepip*) exit {no_venv} ;;
esac
"""


def _interpreter(folder: Path, name: str, *, too_old: bool = False, no_venv: bool = False) -> Path:
    path = folder / name
    path.write_text(_PYTHON.format(too_old=int(too_old), no_venv=int(no_venv)), encoding="utf-8")
    path.chmod(0o755)
    return path


def _find(folder: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / ".ci" / "find-python")],
        env={"PATH": str(folder), "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_new_enough_python_is_taken(tmp_path: Path) -> None:
    _interpreter(tmp_path, "python3", too_old=True)
    newer = _interpreter(tmp_path, "python3.12")
    done = _find(tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(newer))


def test_a_named_python_wins(tmp_path: Path) -> None:
    _interpreter(tmp_path, "python3")
    named = _interpreter(tmp_path, "mine")
    assert _find(tmp_path, str(named)).stdout.strip() == str(named)


@pytest.mark.parametrize("old", [False, True])
def test_without_one_it_says_what_to_install(old: bool, tmp_path: Path) -> None:
    if old:
        _interpreter(tmp_path, "python3", too_old=True)
    done = _find(tmp_path)
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_named_one_that_will_not_do_is_not_replaced_in_silence(tmp_path: Path) -> None:
    _interpreter(tmp_path, "python3")
    done = _find(tmp_path, "/nowhere/python")
    assert done.returncode != 0
    assert "PYTHON=/nowhere/python is not a Python 3.11 or newer" in done.stderr


def test_a_missing_venv_module_is_named_with_its_package(tmp_path: Path) -> None:
    _interpreter(tmp_path, "python3", no_venv=True)
    done = _find(tmp_path)
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
