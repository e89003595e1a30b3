"""One process owns a store: an advisory lock on a file that names the owner."""

import fcntl
import os
from pathlib import Path

from coalmine_consumers.errors import StoreLocked


class StoreLock:
    """Held from construction until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        """Takes the lock.

        Raises:
            StoreLocked: Another process (or another store object in this one) holds it.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read_pid(self._file)
            os.close(self._file)
            raise StoreLocked(pid) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next owner in. The file stays: removing it would race with someone opening it."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1


def _read_pid(file: int) -> int | None:
    try:
        return int(os.pread(file, 32, 0))
    except ValueError:
        return None
