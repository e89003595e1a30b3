"""Moves events from a source into the store: one thread reads and decodes, one writes.

`poll -> decode -> price` and `commit` take about as long as each other and mostly run outside Python's
lock, so two threads nearly double the throughput. Between them stands a short `Pipe`.

Nothing here remembers a position. A batch that does not follow what the store holds is rejected by the
store, everything buffered is dropped, and the source reads again from the stored positions.

A batch that the store cannot hold is read again in halves, until the message that is the reason is alone.
That one becomes a dead letter, and the others go on.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import duckdb
import pyarrow as pa

from coalmine_consumers.collector.decode import DecodedBatch, RequestPricer, decode_batch, refused_batch
from coalmine_consumers.collector.garbage import collection_paused
from coalmine_consumers.collector.health import CollectorHealth, HealthRecord
from coalmine_consumers.collector.pace import Pace, PacePolicy
from coalmine_consumers.collector.pipe import Pipe
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.errors import PositionConflict, StoreUnavailable
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.base import Source
from coalmine_schemas.errors import Terminal, Transient
from coalmine_schemas.retry import RetryPolicy, Stopped, retry

if TYPE_CHECKING:
    from coalmine_schemas.batch import BatchDecoder

T = TypeVar("T")

MAX_CONFLICTS: Final = 10
"""Conflicts in a row, without a commit between them, that mean something else writes to the store."""

ATTEMPTS_ALONE: Final = 3
"""How often a message that is alone in its batch must fail before it becomes a dead letter."""
MAX_REFUSED: Final = 100
"""Messages refused in a row, without a commit of one between them, that mean the store is at fault."""

_log = logging.getLogger(__name__)


class CommitOutcome(Protocol):
    """What became of the messages of a batch."""

    @property
    def stored(self) -> int:
        """New rows."""

    @property
    def duplicates(self) -> int:
        """Rows that were there already."""

    @property
    def dead_lettered(self) -> int:
        """Messages kept as dead letters."""


class StoreProtocol(Protocol):
    """What a collector needs of a store."""

    def commit(self, batch: DecodedBatch) -> CommitOutcome:
        """Stores a batch and its positions, all or nothing.

        Raises:
            PositionConflict: The batch does not start at the stored positions.
            Transient: Trying the same batch again may work.
        """
        ...

    def positions(self) -> Mapping[TopicPartition, int]:
        """Next position to read of every partition; called from another thread than `commit`."""
        ...


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """How a collector works."""

    pace: PacePolicy = field(default_factory=PacePolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    pipe_batches: int = 1
    """Decoded batches that may wait for the writing thread, besides the one that is being decoded. More only
    take memory: while catching up a batch is some 60 MB."""


class Collector:
    """Runs a source into a store until it is stopped or fails for good.

    Transient failures of source, schema registry and store are retried forever, and shown in `health`.
    """

    def __init__(
        self,
        source: Source,
        store: StoreProtocol,
        decoder: "BatchDecoder",
        *,
        pricer: RequestPricer | None = None,
        settings: CollectorSettings | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._decoder = decoder
        self._pricer = pricer or Pricer()
        self._settings = settings or CollectorSettings()
        self._pace = Pace(self._settings.pace)
        self._pipe = Pipe(self._settings.pipe_batches)
        self._stop = threading.Event()
        self._dry = threading.Event()
        self._record = HealthRecord()
        self._failure: BaseException | None = None
        self._reader = threading.Thread(
            target=self._run, args=(self._read,), name="coalmine-read", daemon=True
        )
        self._writer = threading.Thread(
            target=self._run, args=(self._write,), name="coalmine-write", daemon=True
        )
        self._closing = threading.Lock()
        self._alone = _Alone()

    def start(self) -> None:
        """Starts both threads. Returns at once."""
        # Arrow's own allocators give a batch's memory back to the system, which clears it for the next batch.
        if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
            pa.set_memory_pool(pa.system_memory_pool())
        self._source.start(self._store.positions, self._pipe.wait_quiet)
        self._writer.start()
        self._reader.start()

    def stop(self, timeout_s: float = 30.0) -> bool:
        """Commits what was read, then closes the source. The store is the caller's and stays open.

        Returns:
            True if it stopped before the deadline. If not, the threads end later; killing them loses nothing.
        """
        self._record.set_state("stopping")
        self._stop.set()
        deadline = time.monotonic() + timeout_s
        for thread in (self._reader, self._writer):
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._reader.is_alive() or self._writer.is_alive():
            return False
        with self._closing:
            self._source.close()
        self._record.set_state("stopped")
        return True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until it has ended or was stopped. Returns True if it has.

        Raises:
            Exception: What made it fail.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in (self._reader, self._writer):
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if self._failure is not None:
            raise self._failure
        return not (self._reader.is_alive() or self._writer.is_alive())

    def wait_until_dry(self, timeout_s: float) -> bool:
        """Waits until the source is empty and everything read is committed. Returns True if so.

        Raises:
            Exception: What made it fail.
        """
        deadline = time.monotonic() + timeout_s
        self._dry.clear()
        while not (self._dry.wait(0.05) and self._pipe.quiet and self._nothing_waits()):
            if self._failure is not None:
                raise self._failure
            if time.monotonic() > deadline or self._stop.is_set():
                return False
        return True

    def _nothing_waits(self) -> bool:
        """True if the source is known to be empty: one that has no partitions yet only seems so."""
        lag = self._source.lag()
        return lag.messages == 0 and lag.note is None

    def health(self) -> CollectorHealth:
        """Returns the collector's status; from any thread, at any time."""
        return self._record.snapshot(self._source.lag(), catching_up=self._pace.catching_up)

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - a panic in a native library is no Exception
            _log.exception("the collector failed")
            if self._failure is None:
                self._failure = error
            self._record.set_state("failed", f"{type(error).__name__}: {error}")
            self._stop.set()
            self._pipe.close(drop=True)

    def _read(self) -> None:
        generation = self._pipe.generation
        try:
            while not self._stop.is_set():
                if self._pipe.generation != generation:
                    generation = self._pipe.generation
                    self._source.rewind()
                self._read_batch(generation)
        finally:
            self._pipe.close()

    def _read_batch(self, generation: int) -> None:
        # Live batches are small: garbage collection does not matter for them, and a poll may last long.
        with collection_paused() if self._pace.catching_up else nullcontext():
            batch = self._next_batch()
        if batch is not None:
            self._pipe.put(batch, generation)

    def _next_batch(self) -> DecodedBatch | None:
        request = self._pace.request(self._record.last_commit_s or 0.0)
        raw = self._retried("reading", lambda: self._source.poll(request.max_messages, request.timeout_s))
        if raw is None:
            self._pace.polled(0)
            self._dry.set()
            return None
        self._dry.clear()
        if isinstance(raw, DecodedBatch):  # it was decoded elsewhere
            self._pace.polled(sum(raw.consumed.values()))
            return raw
        self._pace.polled(raw.messages)
        if (reason := self._alone.refusal(raw.starts, raw.messages)) is not None:
            return refused_batch(raw, reason)
        return self._retried("decoding", lambda: decode_batch(raw, self._decoder, self._pricer))

    def _write(self) -> None:
        conflicts = 0
        while True:
            batch = self._pipe.take()
            if batch is None:
                return
            try:
                self._commit(batch)
                conflicts = 0
                self._pace.widen()
                self._alone.committed(batch)
            except PositionConflict as conflict:
                # A partition moved between reading and writing. Nothing of it is stored twice or lost.
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise
                _log.warning("reading again from the stored positions: %s", conflict)
                self._pipe.drop()
            except Stopped:
                self._pipe.close(drop=True)
                raise
            except Exception as error:  # noqa: BLE001 - whatever the store, DuckDB or Arrow make of the rows
                self._divide(batch, error)
            finally:
                del batch
                self._pipe.done()

    def _divide(self, batch: DecodedBatch, error: Exception) -> None:
        """Has a batch that cannot be committed read again in smaller parts.

        Raises:
            Exception: The error, if it is not about the messages.
        """
        messages = sum(batch.consumed.values())
        is_whole = not messages or batch.ready is not None
        if is_whole or isinstance(error, Terminal | duckdb.FatalException | duckdb.InternalException):
            raise error
        if messages == 1:
            self._alone.failed(batch, error)
        _log.warning(
            "a batch of %d messages cannot be committed, reading them again in parts: %s: %s",
            messages,
            type(error).__name__,
            str(error)[:500],
        )
        self._pace.narrow(messages)
        self._pipe.drop()

    def _commit(self, batch: DecodedBatch) -> None:
        began = time.monotonic()
        outcome = self._retried("committing", lambda: _commit_once(self._store, batch))
        self._source.committed(batch.positions)
        self._record.committed(
            consumed=sum(batch.consumed.values()),
            stored=outcome.stored,
            duplicates=outcome.duplicates,
            dead_lettered=outcome.dead_lettered,
            gaps=len(batch.gaps),
            took_s=time.monotonic() - began,
        )

    def _retried(self, what: str, action: Callable[[], T]) -> T:
        def on_failure(error: Transient, pause_s: float) -> None:
            _log.warning("%s failed, trying again in %.1f s: %s", what, pause_s, error)
            self._record.fails(what, str(error))

        result = retry(action, self._settings.retry, self._stop, on_failure)
        self._record.works(what)
        return result


class _Alone:
    """What is known of a message that cannot be committed although it is alone in its batch.

    The writing thread finds it, the reading thread refuses it.
    """

    def __init__(self) -> None:
        self._starts: Mapping[TopicPartition, int] | None = None
        self._failures = 0
        self._reason = ""
        self._refused = 0

    def failed(self, batch: DecodedBatch, error: Exception) -> None:
        """Notes a failure.

        Raises:
            Exception: The error, if too many messages in a row were refused.
        """
        if self._refused >= MAX_REFUSED:
            raise error
        self._failures = self._failures + 1 if batch.starts == self._starts else 1
        self._reason = f"it cannot be stored: {type(error).__name__}: {str(error)[:500]}"
        self._starts = batch.starts

    def refusal(self, starts: Mapping[TopicPartition, int], messages: int) -> str | None:
        """Why a batch that was read is to become dead letters; None if it is not."""
        refused = messages == 1 and starts == self._starts and self._failures >= ATTEMPTS_ALONE
        return self._reason if refused else None

    def committed(self, batch: DecodedBatch) -> None:
        """Notes that a batch was committed."""
        self._refused = 0 if batch.tables else self._refused + len(batch.dead_letters)


def _commit_once(store: StoreProtocol, batch: DecodedBatch) -> CommitOutcome:
    """Commits; a failure of the operating system or DuckDB becomes a `StoreUnavailable`.

    One about memory is not passed on as that: a smaller batch may do.

    Should the commit have worked nevertheless, the next attempt no longer starts at the stored positions: it
    is rejected, and reading continues after it.
    """
    try:
        return store.commit(batch)
    except duckdb.OutOfMemoryException:
        raise
    except (OSError, duckdb.OperationalError) as error:
        cause = error.__context__ or error  # the failed rollback of a transaction hides why it failed
        raise StoreUnavailable(f"{type(cause).__name__}: {cause}") from error
