"""Files that an option names, such as `--out`: written whole or not at all."""

from pathlib import Path

from coalmine_schemas.atomic_file import write_atomically
from coalmine_server.errors import ConfigurationError, is_of_full_disk


def write_named(path: Path, text: str) -> None:
    """Writes a file; through a link, and into what is no file, as into `/dev/stdout`, which is not replaced.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
        else:
            write_atomically(path, text, mode=0o666)
    except (OSError, ValueError) as error:
        if is_of_full_disk(error):
            raise
        # Not as it comes: a traceback has an exit code of its own.
        message = f"{path} cannot be written ({getattr(error, 'strerror', None) or error})"
        raise ConfigurationError(message, "name a file in a folder that exists") from None
