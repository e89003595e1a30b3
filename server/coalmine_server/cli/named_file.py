"""Paths that arguments and options name; a file such as that of `--out` is written whole or not at all."""

from pathlib import Path

import typer

from coalmine_schemas.atomic_file import write_atomically
from coalmine_server.errors import ConfigurationError, is_of_full_disk


def named_path(path: str) -> Path:
    """Returns a path; an empty one, as of a variable that is not set, would be the working directory.

    Raises:
        BadParameter: It is empty.
    """
    if not path:
        raise typer.BadParameter("is empty: name a path, or leave the option out")
    return Path(path)


def write_named(path: Path, text: str) -> None:
    """Writes a file, which keeps its permissions; links, pipes and devices are written to and not replaced.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
        else:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666
            write_atomically(path, text, mode=mode)
    except (OSError, ValueError) as error:
        if is_of_full_disk(error):
            raise
        # Not as it comes: a traceback has an exit code of its own.
        message = f"{path} cannot be written ({getattr(error, 'strerror', None) or error})"
        raise ConfigurationError(message, "name a file in a folder that exists") from None
