"""Prepared batches as a source: in order, each once, and only those that follow on what the store holds."""

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.errors import BatchDamaged, SourceUnavailable, StoreLocked
from coalmine_consumers.prepared.folder import REFUSED, Manifest, Position, QueryFolder, Span, write_position
from coalmine_consumers.prepared.parts import read_batch
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.store.lock import StoreLock
from coalmine_schemas.atomic_file import make_private_folder

LOOK_EVERY_S: Final = 0.1
"""How often the folder is looked at."""

LOCK: Final = "importing.lock"
"""File of the folder that the importing process holds."""

_log = logging.getLogger(__name__)


class PreparedSource:
    """Reads the folder that Spark writes.

    The store's positions alone say what was imported: a batch that begins where the store stands is next, one
    that ends there, or before, was imported, and any other shows that somebody else has read on meanwhile.
    Then the query is refused, and its reader begins another one where the store stands.

    Args:
        root: The folder.
        next_ingest_id: The number that the store gives its next batch.
    """

    def __init__(self, root: Path, next_ingest_id: Callable[[], int]) -> None:
        self._root = root
        self._next_ingest_id = next_ingest_id
        self._positions: Callable[[], Positions] | None = None
        self._quiesce: Callable[[], None] | None = None
        self._query: QueryFolder | None = None
        self._next: dict[TopicPartition, int] | None = None
        """Where the store stands once it holds all that was handed over; None if it is to be asked."""
        self._handed: int = -1
        """The last batch of the query that was handed over."""
        self._lock: StoreLock | None = None
        """Held while this process imports: of two, each would refuse what follows on the other's store."""

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        """See `Source.start`."""
        self._positions, self._quiesce = positions, quiesce
        make_private_folder(self._root)
        with suppress(StoreLocked, OSError):  # `poll` tries again, and says why
            self._take_lock()

    def poll(self, max_messages: int, timeout_s: float) -> DecodedBatch | None:
        """See `Source.poll`. A batch comes as it was made, however large."""
        del max_messages
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._take_lock()
                batch = self._look()
            except StoreLocked as error:
                time.sleep(min(LOOK_EVERY_S, timeout_s))
                raise SourceUnavailable(f"another server imports from {self._root}") from error
            except OSError as error:
                raise SourceUnavailable(f"{self._root}: {error}") from error
            if batch is not None or time.monotonic() >= deadline:
                return batch
            time.sleep(min(LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))

    def committed(self, positions: Positions) -> None:
        """See `Source.committed`."""
        del positions
        self._say_position()

    def rewind(self) -> None:
        """See `Source.rewind`."""
        self._next = None

    def lag(self) -> SourceLag:
        """See `Source.lag`. What no batch holds yet, only Spark knows."""
        query = self._query
        if query is None:
            return SourceLag(0, note=f"no query has begun in {self._root}: start one with coalmine spark")
        try:
            waiting = [query.manifest(number) for number in query.waiting()]
        except (OSError, BatchDamaged) as error:
            return SourceLag(0, note=str(error))
        return SourceLag(sum(each.messages for each in waiting if each is not None))

    def close(self) -> None:
        """See `Source.close`."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _take_lock(self) -> None:
        """Makes this process the one that imports from the folder, unless it is already.

        Raises:
            StoreLocked: Another process imports.
            OSError: The lock file cannot be written.
        """
        if self._lock is None:
            self._lock = StoreLock(self._root / LOCK)
            self._next = None
            self._say_position()

    def _look(self) -> DecodedBatch | None:
        query = QueryFolder.newest(self._root)
        if query is None or query.refusal() is not None:
            return None
        if query != self._query or self._next is None:
            assert self._positions is not None and self._quiesce is not None, "start comes first"
            self._quiesce()
            self._query, self._handed, self._next = query, -1, dict(self._positions())
            self._remove_refused(query)
        for number in query.waiting():
            manifest = query.manifest(number) if number > self._handed else None
            if manifest is None:
                self._remove_if_imported(query, number)
            elif (reason := _misfit(manifest, self._next)) is None:
                batch = read_batch(query.batch(number), manifest)
                self._handed = number
                self._next = _moved(self._next, manifest)
                return batch
            elif _is_behind(manifest, self._next):
                shutil.rmtree(query.batch(number), ignore_errors=True)
            else:
                self._refuse(query, number, reason)
                return None
        return None

    def _remove_if_imported(self, query: QueryFolder, number: int) -> None:
        assert self._positions is not None
        manifest = query.manifest(number)
        if manifest is not None and _is_behind(manifest, self._positions()):
            shutil.rmtree(query.batch(number), ignore_errors=True)

    def _remove_refused(self, newest: QueryFolder) -> None:
        """Queries whose reader has begun another one."""
        for path in self._root.glob(f"*/{REFUSED}"):
            if path.parent != newest.path:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _refuse(self, query: QueryFolder, number: int, reason: str) -> None:
        _log.warning(
            "batch %d of query %s does not follow on what the store holds (%s): the query is refused, and "
            "its reader begins another one",
            number,
            query.path.name,
            reason,
        )
        query.refuse(f"batch {number} does not follow on what the store holds: {reason}")

    def _say_position(self) -> None:
        """Says where the store stands; a disk that is full is no reason for a commit to fail."""
        assert self._positions is not None
        spans = [Span(partition, next_, next_) for partition, next_ in self._positions().items()]
        try:
            write_position(self._root, Position(self._next_ingest_id(), spans))
        except OSError as error:
            _log.warning("%s cannot be written: a new query would begin too early: %s", self._root, error)


def _is_behind(manifest: Manifest, positions: Positions) -> bool:
    """Whether the store holds all of it, gaps included."""
    held = all(positions.get(each.partition, -1) >= each.next for each in manifest.spans)
    return held and not any(each in positions for each in manifest.retired)


def _misfit(manifest: Manifest, positions: Positions) -> str | None:
    """Why a batch does not follow, if so."""
    for each in manifest.spans:
        stands = positions.get(each.partition, each.start)
        if each.start != stands:
            topic, partition, _ = each.partition
            return f"{topic}/{partition} begins at offset {each.start}, the store stands at {stands}"
    return None


def _moved(positions: Positions, manifest: Manifest) -> dict[TopicPartition, int]:
    moved = {**positions, **{each.partition: each.next for each in manifest.spans}}
    return {partition: at for partition, at in moved.items() if partition not in manifest.retired}
