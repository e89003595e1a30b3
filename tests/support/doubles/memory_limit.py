"""A limit of memory by the kernel, for one process and what it starts: beyond it, it is killed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOTS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.peak"),
)
"""The old and the new way, with the names of their files."""


class MemoryLimit:
    """A group of processes that together may use so much memory."""

    def __init__(self, directory: Path, limit: str, peak: str) -> None:
        self._directory = directory
        self._limit = directory / limit
        self._peak = directory / peak

    def set_mib(self, limit_mib: int) -> None:
        """From now on."""
        self._limit.write_text(str(limit_mib * 2**20))

    def take(self, pid: int) -> None:
        """A process belongs to it."""
        (self._directory / "cgroup.procs").write_text(str(pid))

    def most_mib(self) -> float:
        """The most that was ever used."""
        return int(self._peak.read_text()) / 2**20


@contextmanager
def memory_limit() -> Iterator[MemoryLimit]:
    """A group without a limit at first; skips the test where none may be made."""
    for root, limit, peak in _ROOTS:
        directory = root / f"coalmine-test-{uuid.uuid4().hex[:8]}"
        if os.geteuid() != 0 or not (root / "cgroup.procs").exists():
            continue
        try:
            directory.mkdir()
        except OSError:
            continue
        try:
            if (directory / limit).exists():
                yield MemoryLimit(directory, limit, peak)
                return
        finally:
            directory.rmdir()
    pytest.skip("no group of processes with a limit of memory can be made here (needs root, and cgroups)")
