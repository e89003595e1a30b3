"""Reads the spool: a directory of sealed files, each of them one partition.

A position counts the records of its file that were consumed. A file is removed only after the store
holds everything in it; until then a crash at any moment costs nothing but reading again.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coalmine_consumers.errors import SourceUnavailable
from coalmine_consumers.raw import READ_EVENTS, Gap, GapReason, Origin, RawBatch, UnroutableMessage
from coalmine_consumers.raw import TopicPartition as Partition
from coalmine_consumers.sources.assembly import BatchAssembly, Run
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.sources.spool_file import Damage, Records, read_pieces
from coalmine_consumers.sources.spool_files import SPOOL_TOPIC, FinishedFile, SpoolFiles, spool_partition
from coalmine_schemas.events import EventName
from coalmine_schemas.spool_format import SpoolRecord, count_records, list_sealed, recover

RECOVER_EVERY_S: Final = 2.0
"""How often files of dead writers are looked for."""
RETRY_EVERY_S: Final = 5.0
"""How often a file that could not be opened is tried again."""
LOOK_EVERY_S: Final = 0.1
"""How often an empty directory is looked at again; files are sealed every half second."""
SETTLED_AFTER_NS: Final = 2_000_000_000
"""Clocks of file systems tick; at an age of this much, a directory's time of change shows every later one."""
MAX_BATCH_BYTES: Final = 64 * 1024 * 1024
"""A poll ends early at this many payload bytes, so that large texts do not add up."""
COUNT_AT_ONCE: Final = 8
"""`lag` counts the records of this many new files per call; of others it knows only the size."""
ESTIMATED_RECORD_BYTES: Final = 512
"""About what an event without texts takes in the spool; only for files `lag` has not counted yet."""

_log = logging.getLogger(__name__)
_EVENTS: Final[dict[str, EventName]] = {event: event for event in READ_EVENTS}


@dataclass(slots=True)
class _Reading:
    """The file being read."""

    path: Path
    partition: Partition
    stored: int
    """Where the store stood when reading began: damage before it is on record already."""
    position: int
    """Next to read."""
    pieces: Iterator[Records | Damage]
    damaged: bool = False
    rest: Records | None = None
    """What of the last piece did not fit into the batch."""


class SpoolSource:
    """Reads the sealed files of one spool directory, oldest first, and removes what is committed.

    Several writers, living and dead, may fill the directory meanwhile. A file that is damaged is read as
    far as it goes, its unreadable parts become gaps, and it is moved to `damaged/`.

    Args:
        directory: The spool.
        only: Paths of the only files to read; all that are ever sealed if None.
    """

    def __init__(self, directory: Path, only: Collection[Path] | None = None) -> None:
        self._directory = directory
        self._only = only
        self._positions: Callable[[], Positions] | None = None
        self._quiesce: Callable[[], None] | None = None
        self._files = SpoolFiles(directory)
        self._stored: dict[Partition, int] = {}
        self._reading: _Reading | None = None
        self._taken: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._recover_at = float("-inf")
        self._nothing_in: tuple[int, int, int] | None = None
        """How the directory was when there was nothing to read, if any change of it would show."""
        self._rewind = True
        self._closed = False
        self._counts: dict[str, int] = {}

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """See `Source.start`."""
        self._positions = positions
        self._quiesce = quiesce

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
        """See `Source.poll`."""
        if self._closed:
            return None
        try:
            return self._poll(max_messages, time.monotonic() + timeout_s)
        except OSError as error:
            self._rewind = True  # what this poll had gathered already is read again
            raise SourceUnavailable(f"the spool cannot be read: {error}") from error

    def _poll(self, max_messages: int, deadline: float) -> RawBatch | None:
        if self._rewind:
            self._restart()
        self._files.remove_committed()
        retired = self._files.take_retired()
        assembly = BatchAssembly()
        while True:
            self._recover_dead_writers()
            self._fill(assembly, max_messages)
            remaining_s = deadline - time.monotonic()
            if not assembly.empty or remaining_s <= 0:
                break
            time.sleep(min(LOOK_EVERY_S, remaining_s))
        if assembly.empty:
            # Forgetting positions is no reason for a transaction: it goes along with the next messages.
            self._files.give_back(retired)
            return None
        for partition in retired:
            assembly.retire(partition)
        return assembly.build()

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        self._files.committed(positions)
        self._files.remove_committed()

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._rewind = True

    def lag(self) -> SourceLag:
        """See `Source.lag`."""
        committed, done = self._files.progress()
        waiting: dict[Partition, int] = {}
        counts: dict[str, int] = {}
        estimated = 0
        budget = COUNT_AT_ONCE
        try:
            paths = self._sealed()
        except OSError as error:
            return SourceLag(0, note=f"the spool cannot be read: {error}")
        for path in paths:
            partition = spool_partition(path)
            if partition in done:
                continue
            count = self._counts.get(path.name)
            try:
                if count is None and budget:
                    budget -= 1
                    count = count_records(path)
                if count is None:
                    estimated += 1
                    waiting[partition] = path.stat().st_size // ESTIMATED_RECORD_BYTES
                    continue
            except OSError:
                continue  # gone, or not ours to read; `poll` says so
            counts[path.name] = count
            waiting[partition] = max(0, count - committed.get(partition, 0))
        self._counts = counts
        note = f"{estimated} files estimated by their size" if estimated else None
        return SourceLag(sum(waiting.values()), waiting, note)

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        self._reading = None

    def _sealed(self) -> list[Path]:
        paths = list_sealed(self._directory)
        return paths if self._only is None else [path for path in paths if path in self._only]

    def _restart(self) -> None:
        assert self._positions is not None and self._quiesce is not None, "start comes first"
        self._quiesce()
        self._stored = {part: at for part, at in self._positions().items() if part.topic == SPOOL_TOPIC}
        present = {path.name for path in list_sealed(self._directory)}
        self._files.reset(self._stored, present if self._directory.is_dir() else None)
        self._reading = None
        self._taken.clear()
        self._nothing_in = None
        self._rewind = False

    def _recover_dead_writers(self) -> None:
        now = time.monotonic()
        if now < self._recover_at:
            return
        self._recover_at = now + RECOVER_EVERY_S
        for file in recover(self._directory):
            name = "an empty file" if file.path is None else file.path.name
            _log.warning(
                "spool: a writer died; sealed %s with %d events, cut off %d torn bytes",
                name,
                file.records,
                file.cut_bytes,
            )

    def _fill(self, assembly: BatchAssembly, max_messages: int) -> None:
        while assembly.messages < max_messages and assembly.size_bytes < MAX_BATCH_BYTES:
            if self._reading is None:
                self._reading = self._open_next(assembly)
            if self._reading is None:
                return
            reading = self._reading
            piece, reading.rest = reading.rest or next(reading.pieces, None), None
            if piece is None:
                self._files.finished(FinishedFile(reading.path, reading.position, reading.damaged))
                self._reading = None
            elif isinstance(piece, Damage):
                self._take_damage(reading, piece, assembly)
            else:
                self._take_records(reading, piece, assembly, max_messages - assembly.messages)

    def _open_next(self, assembly: BatchAssembly) -> _Reading | None:
        looked_at, state = time.time_ns(), self._state()
        if state is not None and state == self._nothing_in:
            return None
        paths = self._sealed()
        self._taken.intersection_update(path.name for path in paths)
        now = time.monotonic()
        for path in paths:
            if path.name in self._taken or self._retry_at.get(path.name, now) > now:
                continue
            partition = spool_partition(path)
            stored = self._stored.get(partition, 0)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                # Another reader finished it. It is a loss here only if reading had begun.
                if stored:
                    _add_gap(partition, stored, stored, "vanished", assembly)
                    self._files.gone(partition)
                continue
            except OSError as error:
                if path.name not in self._retry_at:
                    _log.error("spool: cannot read %s, will try again: %s", path.name, error)
                self._retry_at[path.name] = now + RETRY_EVERY_S
                continue
            self._retry_at.pop(path.name, None)
            self._taken.add(path.name)
            return _Reading(path, partition, stored, stored, read_pieces(data, stored))
        waits = any(path.name in self._retry_at for path in paths)
        is_settled = state is not None and state[-1] < looked_at - SETTLED_AFTER_NS
        self._nothing_in = state if is_settled and not waits else None
        return None

    def _state(self) -> tuple[int, int, int] | None:
        """What differs once a file has come or gone: much cheaper than to list them ten times a second."""
        try:
            found = self._directory.stat()
        except OSError:
            return None  # listing it says why
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _take_damage(self, reading: _Reading, damage: Damage, assembly: BatchAssembly) -> None:
        reading.damaged = True
        if damage.end <= reading.stored:
            return
        _log.error("spool: %s is damaged: %s", reading.path.name, damage.reason)
        _add_gap(reading.partition, damage.first, damage.end, "damaged", assembly)
        reading.position = damage.end

    def _take_records(self, reading: _Reading, piece: Records, assembly: BatchAssembly, room: int) -> None:
        records = piece.records
        if len(records) > room:
            reading.rest = Records(piece.first + room, records[room:])
            records = records[:room]
        _add_records(reading.partition, piece.first, records, assembly)
        reading.position = piece.first + len(records)


def _add_gap(partition: Partition, first: int, end: int, reason: GapReason, assembly: BatchAssembly) -> None:
    assembly.add_gap(Gap(partition.topic, partition.partition, first, end, datetime.now(UTC), reason))
    assembly.advance(partition, first, end)


def _add_records(
    partition: Partition, first: int, records: Sequence[SpoolRecord], assembly: BatchAssembly
) -> None:
    by_topic: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        by_topic.setdefault(record.topic, []).append(index)
    for topic, indexes in by_topic.items():

        def origin(at: int, indexes: list[int] = indexes) -> Origin:
            record = records[indexes[at]]
            offset = first + indexes[at]
            return Origin(
                partition.topic, partition.partition, offset, record.produced_at_us // 1000, record.key
            )

        event = _EVENTS.get(topic)
        if event is None:
            reason = f"the collector stores no event named {topic[:80]!r}"
            for at, index in enumerate(indexes):
                message = UnroutableMessage(records[index].value, origin(at), reason)
                assembly.add_unroutable(partition, message)
        else:
            values = [records[index].value for index in indexes]
            assembly.add(Run(partition, event, values, origin, sum(map(len, values))))
    assembly.advance(partition, first, first + len(records))
