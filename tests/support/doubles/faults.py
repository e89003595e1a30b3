"""A machine whose clock jumps and whose disk cannot be written, for one process alone."""

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


class Faults:
    """What is wrong with the machine of a process that is started with `environment`; nothing at first."""

    def __init__(self, directory: Path) -> None:
        """Compile what it takes; skips the test where there is no compiler of C.

        Args:
            directory: Takes two files.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no compiler of C (cc) to make the faults with")
        library = directory / "faults.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"], check=True
        )
        self._file = directory / "faults"
        self._clock_s, self._device = 0.0, 0
        self._file.write_bytes(self._told())
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "COALMINE_TEST_FAULTS": str(self._file),
        }

    def set_clock(self, ahead_s: float) -> None:
        """Its clock is ahead of the machine's by so much from now on, or behind by a negative number."""
        self._clock_s = ahead_s
        self._write()

    def make_read_only(self, directory: Path) -> None:
        """It can write nothing more on the file system of a directory, open files included."""
        self._device = directory.stat().st_dev
        self._write()

    def make_writable(self) -> None:
        """It can write everywhere again."""
        self._device = 0
        self._write()

    def _write(self) -> None:
        with self._file.open("r+b", buffering=0) as file:  # the same file: others have it mapped
            file.write(self._told())

    def _told(self) -> bytes:
        return struct.pack("=qQ", int(self._clock_s * 1e9), self._device)
