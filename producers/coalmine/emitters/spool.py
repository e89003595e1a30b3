"""Writes events to the spool: the embedded default, and what catches events when Kafka does not."""

import errno
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from coalmine.stats import Counters, DropReason
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SEAL_AGE_S, SpoolWriter

_BLOCK_BYTES: Final = 1024 * 1024
_BLOCK_RECORDS: Final = 500
# Encoding a block holds the interpreter for as long; this many take some 2 ms.
_RETRY_S: Final = 1.0
_LOOK_EVERY_S: Final = 10.0
# With nobody reading, two files a second would pile up; the more there are, the longer each one grows.
_SEAL_AGE_BY_FILES: Final = ((1000, 60.0), (100, 10.0), (0, SEAL_AGE_S))
_REASON_BY_ERRNO: Final[dict[int, DropReason]] = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
}


class SpoolEmitter:
    """Keeps events until the next `poll`, which writes them as blocks.

    While the directory cannot be written, events are kept in memory and tried again every second; when
    more than `max_pending` wait, the newest are dropped and counted by the reason for it.

    Args:
        directory: The spool.
        max_bytes: Size of the directory from which on events are dropped; None for no limit.
        max_pending: Events kept while the directory cannot be written.
        counters: Counts what is written and dropped.
        log: Reports failed writes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int | None,
        max_pending: int,
        counters: Counters,
        log: RateLimitedLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._max_pending = max_pending
        self._counters = counters
        self._log = log
        self._clock = clock
        self._writer = SpoolWriter(directory)
        self._waiting: deque[SpoolRecord] = deque()
        self._failure: DropReason | None = None
        self._retry_at = 0.0
        self._size_bytes = 0
        self._look_at = 0.0

    def submit(self, record: SpoolRecord) -> None:
        """Takes one event."""
        if self._failure is not None and len(self._waiting) >= self._max_pending:
            self._counters.drop(self._failure)
            return
        self._waiting.append(record)

    def poll(self) -> None:
        """Writes what is waiting and seals the file when it is time."""
        if self._waiting and self._clock() >= self._retry_at:
            self._write_waiting()
        try:
            self._writer.seal_if_due()
        except OSError as error:
            self._cannot("seal a spool file", error)

    def due_in_s(self) -> float:
        """Seconds until `poll` has something to do if no event comes."""
        if self._waiting:
            return max(0.0, self._retry_at - self._clock())
        return self._writer.due_in_s()

    def is_waiting(self) -> bool:
        """Returns True if events wait to be written."""
        return bool(self._waiting)

    def mark(self) -> int:
        """A mark after all events taken so far. Here one mark serves all: `poll` writes everything."""
        return 0

    def settled(self, mark: int) -> bool:
        """Returns True if all events before the mark are in a file."""
        return not self._waiting

    def seal(self) -> None:
        """Finishes the open file, so that readers see what it holds."""
        try:
            self._writer.seal()
        except OSError as error:
            self._cannot("seal a spool file", error)

    def close(self, deadline_s: float) -> None:
        """Writes what is waiting, or drops and counts it."""
        if self._waiting:
            self._write_waiting()
        if self._waiting:
            self._drop_waiting(self._failure or "spool_error")
        self.seal()

    def abandon(self) -> None:
        """Drops the open file and what is waiting, which the parent process will write."""
        self._waiting.clear()
        with suppress(OSError):
            self._writer.abandon()

    def _write_waiting(self) -> None:
        if self._is_full():
            self._log.report(
                "spool_full", "the spool %s has reached its limit; events are dropped", self.directory
            )
            self._drop_waiting("spool_full")
            return
        while self._waiting:
            block, size_bytes = self._next_block()
            try:
                self._writer.write(block)
            except OSError as error:
                self._failure = _REASON_BY_ERRNO.get(error.errno or 0, "spool_error")
                self._retry_at = self._clock() + _RETRY_S
                self._cannot("write to the spool", error)
                while len(self._waiting) > self._max_pending:
                    self._waiting.pop()
                    self._counters.drop(self._failure)
                return
            for _ in block:
                self._waiting.popleft()
            self._failure = None
            self._size_bytes += size_bytes
            self._counters.spool(len(block))

    def _next_block(self) -> tuple[list[SpoolRecord], int]:
        block: list[SpoolRecord] = []
        size_bytes = 0
        for record in self._waiting:
            if block and (size_bytes >= _BLOCK_BYTES or len(block) >= _BLOCK_RECORDS):
                break
            block.append(record)
            size_bytes += len(record.value)
        return block, size_bytes

    def _drop_waiting(self, reason: DropReason) -> None:
        self._counters.drop(reason, len(self._waiting))
        self._waiting.clear()

    def _is_full(self) -> bool:
        """Returns True if the directory has reached its limit; measures it sometimes, counts in between."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            files, self._size_bytes = _files_and_bytes(self.directory)
            self._writer.seal_age_s = next(age for least, age in _SEAL_AGE_BY_FILES if files >= least)
        return self._max_bytes is not None and self._size_bytes >= self._max_bytes

    def _cannot(self, what: str, error: OSError) -> None:
        self._log.report("spool", "cannot %s %s: %s", what, self.directory, error.strerror or error)


def _files_and_bytes(directory: Path) -> tuple[int, int]:
    files = size_bytes = 0
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                size_bytes += entry.stat().st_size
                files += 1
    return files, size_bytes
