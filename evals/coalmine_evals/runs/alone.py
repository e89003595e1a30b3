"""One process at a time carries out a run: two that went on with it would both pay."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from coalmine_registry.errors import Conflict

FILE: Final = "evals-runs.lock"


@contextmanager
def alone(run: str, folder: Path) -> Iterator[None]:
    """Keeps other processes from a run for the length of a block, or until this one ends, however it does.

    Args:
        run: Its id.
        folder: Where the lock's file is, which stays.

    Raises:
        Conflict: Another process carries it out.
    """
    # A byte of one file for each run, so that no files are left behind.
    byte = int(hashlib.sha256(run.encode()).hexdigest()[:15], 16)
    with (folder / FILE).open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            raise Conflict(f"run {run} goes on in another process: wait for it, or end that one") from None
        yield
