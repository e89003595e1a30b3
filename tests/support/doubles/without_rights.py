"""A folder that the process may not read, also where the tests run as root, who may read everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NOBODY: Final = 65_534


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nobody but root may read a folder within the block, and the process is not root there.

    Args:
        folder: Everybody else has to have the right to reach it.
    """
    mode = folder.stat().st_mode
    is_root = os.geteuid() == 0
    folder.chmod(0)
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(mode)
