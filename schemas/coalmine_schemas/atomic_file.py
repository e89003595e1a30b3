"""Files that are replaced as a whole or not at all, and folders that only their owner enters."""

import os
import secrets
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, for their owner alone; leaves what is there."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Writes a file so that a reader sees the old or the new content, also after a crash.

    The content goes to a temporary file in the same folder, to the disk, and then takes the place of `path`.

    Args:
        path: The file; its folder must exist.
        content: Text is written as UTF-8, without translating line ends.
        mode: Permissions of the file, less what the process's umask takes away; only the owner's by default.

    Raises:
        OSError: The file cannot be written. The old file is unchanged and the temporary file is gone.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
