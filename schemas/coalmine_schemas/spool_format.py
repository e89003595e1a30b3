"""The spool on disk: Avro object container files of framed events, one writer per file.

A spool directory holds two kinds of files, named by UUIDv7 so that names sort by creation::

    <uuid7>.avro.open   being written; its writer holds an exclusive flock on it
    <uuid7>.avro        sealed: complete, never written again, for any reader to take and delete

Writing appends whole Avro blocks, each with one `write`. After a crash the lock is free and at most
the last block is torn, so `recover` cuts the file at its last whole block and seals it. The container
is plain Avro (codec `null`), so any Avro tool reads it too.

Nothing here locks between threads: a writer belongs to one thread.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coalmine_schemas.atomic_file import make_private_folder
from coalmine_schemas.errors import Terminal
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.spool_blocks import (
    SYNC_BYTES,
    Layout,
    SpoolRecord,
    decode_block,
    encode_block,
    encode_header,
)

__all__ = [
    "CORRUPT_SUFFIX",
    "OPEN_SUFFIX",
    "SEALED_SUFFIX",
    "SEAL_AGE_S",
    "SEAL_SIZE_BYTES",
    "CorruptSpoolFile",
    "Recovered",
    "SpoolRecord",
    "SpoolWriter",
    "claim",
    "count_records",
    "list_open",
    "list_sealed",
    "quarantine",
    "read_blocks",
    "recover",
]

SEALED_SUFFIX: Final = ".avro"
"""Ending of a finished file."""
OPEN_SUFFIX: Final = ".avro.open"
"""Ending of a file with a living, or dead and not yet recovered, writer."""
CORRUPT_SUFFIX: Final = ".avro.corrupt"
"""Ending that `quarantine` gives to a file, so that no reader takes it again."""
SEAL_SIZE_BYTES: Final = 4 * 1024 * 1024
"""A file this large is sealed."""
SEAL_AGE_S: Final = 0.5
"""A file whose first block is this old is sealed."""


class CorruptSpoolFile(Terminal):
    """A sealed file does not hold what its writer wrote; what came before was readable.

    Args:
        path: The file.
        offset_bytes: Where the unreadable part begins.
        records_read: Records before it, all of them good.
        reason: What is wrong there.
    """

    def __init__(self, path: Path, offset_bytes: int, records_read: int, reason: str) -> None:
        super().__init__(path, offset_bytes, records_read, reason)
        self.path = path
        self.offset_bytes = offset_bytes
        self.records_read = records_read
        self.reason = reason

    def __str__(self) -> str:
        where = f"at byte {self.offset_bytes}, after {self.records_read} records"
        return f"{self.path.name}: {self.reason} {where}"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` did with the file of one dead writer."""

    path: Path | None
    """The sealed file, or None when it held no whole block and was removed."""
    records: int
    """Records kept."""
    cut_bytes: int
    """Length of the torn block that was cut off."""


class SpoolWriter:
    """Writes one spool file after another into a directory; for one thread.

    A file is made at the first `write` and its lock is held until it is sealed. After `os.fork` the child
    calls `abandon` on its copy; the parent goes on as if nothing had happened.

    Args:
        directory: Made, with its parents, when it does not exist.
        seal_size_bytes: Seal a file once it is this large.
        seal_age_s: Seal a file once its first block is this old.
        fsync: Force each file to the disk when it is sealed, so that a sealed file survives a power cut.
            A killed process needs no fsync.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seal_size_bytes: int = SEAL_SIZE_BYTES,
        seal_age_s: float = SEAL_AGE_S,
        fsync: bool = True,
    ) -> None:
        self.directory = directory
        self.seal_age_s = seal_age_s
        self._seal_size_bytes = seal_size_bytes
        self._fsync = fsync
        self._file: _OpenFile | None = None

    def write(self, records: Sequence[SpoolRecord]) -> None:
        """Appends the records as one block: all of them, or none.

        Seals the file before that, should it be large or old enough; call `seal_if_due` now and then, since
        the last block waits for nobody.

        Raises:
            OSError: The block was not written (disk full, read-only, directory gone); what the file held
                before is intact and the same records may be given again.
        """
        if not records:
            return
        self.seal_if_due()
        file = self._file
        if file is not None and file.is_deleted():
            self.abandon()
            file = None
        if file is None:
            file = self._file = _OpenFile.create(self.directory)
        try:
            file.append(records)
        except OSError:
            if file.records == 0:
                self._discard()
            elif file.torn:
                self.abandon()
            raise

    def due_in_s(self) -> float:
        """Seconds until the current file should be sealed; infinity without one, 0 when overdue."""
        file = self._file
        if file is None:
            return float("inf")
        if file.size_bytes >= self._seal_size_bytes:
            return 0.0
        return max(0.0, file.created_monotonic_s + self.seal_age_s - time.monotonic())

    def seal_if_due(self) -> Path | None:
        """Seals the current file when it is large or old enough; returns its new name if so."""
        return self.seal() if self.due_in_s() <= 0 else None

    def seal(self) -> Path | None:
        """Finishes the current file, if any, and returns its sealed name.

        Raises:
            OSError: The file could not be renamed; its blocks are on disk and `recover` will seal it.
        """
        file, self._file = self._file, None
        if file is None:
            return None
        return file.seal(fsync=self._fsync)

    def close(self) -> Path | None:
        """The same as `seal`; the writer may be used again afterwards."""
        return self.seal()

    def abandon(self) -> None:
        """Drops the current file without touching it.

        For a forked child, whose parent goes on writing; and for a file that can no longer be written, whose
        whole blocks `recover` will find.
        """
        file, self._file = self._file, None
        if file is not None:
            os.close(file.descriptor)

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.path.unlink()
            os.close(file.descriptor)


class _OpenFile:
    """One `.open` file, locked, with its bytes known to be whole blocks up to `size_bytes`."""

    __slots__ = ("created_monotonic_s", "descriptor", "path", "records", "size_bytes", "sync", "torn")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.sync = os.urandom(SYNC_BYTES)
        self.torn = False
        self.size_bytes = 0
        self.records = 0
        self.created_monotonic_s = time.monotonic()

    @classmethod
    def create(cls, directory: Path) -> "_OpenFile":
        make_private_folder(directory)
        # A folder with the set-group-ID bit was made to be shared with the collector's group.
        mode = 0o660 if directory.stat().st_mode & stat.S_ISGID else 0o600
        while True:
            path = directory / f"{uuid7()}{OPEN_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            # Between the two calls a recovery may take the lock of our still empty file and remove it.
            if _take_lock(path, descriptor):
                return cls(path, descriptor)
            os.close(descriptor)

    def append(self, records: Sequence[SpoolRecord]) -> None:
        block = encode_block(records, self.sync)
        data = block if self.size_bytes else encode_header(self.sync) + block
        try:
            _write_fully(self.descriptor, data)
        except OSError:
            # A full disk takes part of a block. Shrinking needs no space, so this nearly always works.
            self.torn = True
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.size_bytes)
                os.lseek(self.descriptor, self.size_bytes, os.SEEK_SET)
                self.torn = False
            raise
        self.size_bytes += len(data)
        self.records += len(records)

    def is_deleted(self) -> bool:
        """Returns True if the file was removed, so that what is written to it would be lost."""
        return os.fstat(self.descriptor).st_nlink == 0

    def seal(self, *, fsync: bool) -> Path:
        sealed = _sealed_path(self.path)
        try:
            if fsync:
                os.fsync(self.descriptor)
            self.path.rename(sealed)
        finally:
            os.close(self.descriptor)
        return sealed


def list_sealed(directory: Path) -> list[Path]:
    """The sealed files, oldest first; empty when the directory does not exist."""
    return _list(directory, SEALED_SUFFIX)


def list_open(directory: Path) -> list[Path]:
    """The files still being written or left by a dead writer, oldest first."""
    return _list(directory, OPEN_SUFFIX)


def read_blocks(path: Path, *, start: int = 0) -> Iterator[list[SpoolRecord]]:
    """Reads a file block by block.

    Args:
        path: A sealed file. An `.open` one may be read as well: reading stops at its last whole block.
        start: Records to skip; blocks before it are not decoded. This is the offset *next to read*.

    Yields:
        The records of one block, in order; the first list begins at record `start`.

    Raises:
        FileNotFoundError: The file is gone (another reader finished it).
        CorruptSpoolFile: A sealed file is damaged; everything before the damage has been yielded.
    """
    data = path.read_bytes()
    is_open = path.name.endswith(OPEN_SUFFIX)
    layout = Layout(data)
    seen = 0
    for block in layout.blocks:
        if seen + block.count > start:
            try:
                records = decode_block(data, block, layout.writer_schema)
            except Exception as error:
                raise CorruptSpoolFile(path, block.start, seen, f"unreadable block ({error!r})") from error
            yield records[max(0, start - seen) :]
        seen += block.count
    if layout.reason is not None and not is_open:
        raise CorruptSpoolFile(path, layout.end, seen, layout.reason)


def count_records(path: Path) -> int:
    """Records in the whole blocks of a file, without decoding them."""
    return sum(block.count for block in Layout(path.read_bytes()).blocks)


def recover(directory: Path) -> list[Recovered]:
    """Seals what dead writers left: each `.open` file whose lock is free, cut at its last whole block.

    Files of living writers are not touched. Safe to call at any time and from several processes at once.
    A file that cannot be handled (permissions, disk) is left for the next call.
    """
    done: list[Recovered] = []
    for path in list_open(directory):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if _take_lock(path, descriptor):
                done.append(_seal_dead(path, descriptor))
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return done


def claim(path: Path) -> int | None:
    """Locks a sealed file for one reader among several, such as the drainers of several processes.

    Returns:
        A descriptor that holds the lock until it is closed; None when another reader has the file or it is
        gone.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if _take_lock(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def quarantine(path: Path) -> Path:
    """Renames a damaged file out of every reader's sight and returns the new name; nothing is deleted."""
    target = path.with_name(path.name.removesuffix(SEALED_SUFFIX) + CORRUPT_SUFFIX)
    return path.rename(target)


def _seal_dead(path: Path, descriptor: int) -> Recovered:
    size_bytes = os.fstat(descriptor).st_size
    layout = Layout(path.read_bytes())
    records = sum(block.count for block in layout.blocks)
    if records == 0:
        path.unlink()
        return Recovered(None, 0, size_bytes)
    cut_bytes = size_bytes - layout.end
    if cut_bytes:
        os.ftruncate(descriptor, layout.end)
    os.fsync(descriptor)
    return Recovered(path.rename(_sealed_path(path)), records, cut_bytes)


def _take_lock(path: Path, descriptor: int) -> bool:
    """Locks the file if it is free and still the one at that path."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _sealed_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(OPEN_SUFFIX) + SEALED_SUFFIX)


def _list(directory: Path, suffix: str) -> list[Path]:
    try:
        names = os.listdir(directory)  # noqa: PTH208 - bare names: a spool of 100k files is listed often
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [directory / name for name in sorted(names) if name.endswith(suffix)]


def _write_fully(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
