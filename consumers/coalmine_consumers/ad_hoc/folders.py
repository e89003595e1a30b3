"""Folders of statements that run, in the temporary directory; those that killed processes left are removed.

Each is locked as long as its process lives, however that ends, so whoever gets the lock of one may remove it.
A process id in the name would not tell: it may be used again, or belong to another container.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "coalmine-sql-"


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder, which is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        opened = _open(folder)
        try:
            with suppress(OSError):  # a file system without locks: then nobody gets it
                fcntl.flock(opened, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(opened)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned_folders() -> list[Path]:
    """Removes the folders of this user that dead processes left; returns them."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, of a living process, or gone meanwhile
            opened = _open(folder)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # An empty one may be so new that it is not locked yet.
                if os.fstat(opened).st_uid == os.geteuid() and any(folder.iterdir()):
                    shutil.rmtree(folder)
                    removed.append(folder)
            finally:
                os.close(opened)
    return removed


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
