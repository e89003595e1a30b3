"""Temporary files in memory: stores wait for the disk at each commit, for a third of the time of tests."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ENOUGH_BYTES: Final = 4 * 2**30
"""Several times what a run takes."""


def keep_files_in_memory(memory: Path = MEMORY, enough_bytes: int = ENOUGH_BYTES) -> None:
    """Has this process, and those that it starts, keep temporary files in memory, if there is enough.

    Nothing changes for who chose a folder by `TMPDIR`. Nor for containers, whose memory for that is small and
    runs no programs: tests write some.
    """
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return
    runs_programs = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    if runs_programs and min(shutil.disk_usage(memory).free, _available_bytes()) >= enough_bytes:
        os.environ["TMPDIR"] = tempfile.tempdir = str(memory)


def _available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    (line,) = [each for each in lines if each.startswith("MemAvailable:")]
    return int(line.split()[1]) * 1024
