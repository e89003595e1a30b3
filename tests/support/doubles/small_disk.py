"""A file system that is soon full, and one that cannot be written."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted_disk(directory: Path, size_kib: int = 64, options: str = "exec") -> Iterator[Path]:
    """Mounts a file system of that size; skips the test where mounting is not allowed."""
    directory.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_kib}k,mode=0700,{options}", "tmpfs", str(directory))
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True, capture_output=True)


def make_read_only(directory: Path) -> None:
    """Makes a mounted disk refuse every write, even root's."""
    _mount("-o", "remount,ro", str(directory))


def make_writable(directory: Path) -> None:
    """Undoes `make_read_only`."""
    _mount("-o", "remount,rw", str(directory))


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
