"""Makes framed events safe by the client's own emitter: Kafka, else the spool. One thread writes for all."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from coalmine.assembly import make_emitter
from coalmine.emitters.base import Emitter
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_server.kafka import kafka_security_config, secret
from coalmine_server.settings import Settings

WAIT_S: Final = 10.0
"""How long a request waits for its events to be safe: with Kafka away they go to the spool well before."""
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Of events that wait to be written; beyond that senders are asked to come back."""
RETRY_AFTER_S: Final = 5
_POLL_S: Final = 0.005
_CLOSE_S: Final = 1.0

_log = logging.getLogger("coalmine.intake")


class IntakeUnavailable(Exception):
    """Events cannot be made safe now; sending them again later loses and doubles nothing.

    Args:
        reason: Why, e.g. that the spool is full.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Batch:
    __slots__ = ("done", "failure", "records", "size_bytes")

    def __init__(self, records: Sequence[SpoolRecord]) -> None:
        self.records = records
        self.size_bytes = sum(len(each.value) for each in records)
        self.done = threading.Event()
        self.failure: str | None = None


class Intake:
    """Takes batches from any thread and has one thread of its own make them safe, several at a time.

    Args:
        open_emitter: Called on that thread, with what counts the events.
        wait_s: Longest wait for a batch to be safe; `WAIT_S` if None.
        max_waiting_bytes: Of batches that wait.
    """

    def __init__(
        self,
        open_emitter: Callable[[Counters], Emitter],
        *,
        wait_s: float | None = None,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._open_emitter = open_emitter
        self._wait_s = WAIT_S if wait_s is None else wait_s
        self._max_waiting_bytes = max_waiting_bytes
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._queue: deque[_Batch] = deque()
        self._waiting_bytes = 0
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Intake":
        """The intake of a server: where its clients' events would go."""

        def open_emitter(counters: Counters) -> Emitter:
            client = client_settings(settings, app="coalmine-intake")
            return make_emitter(client, counters, RateLimitedLogger(_log, every_s=client.log_every_s))

        return cls(open_emitter)

    def take(self, records: Sequence[SpoolRecord]) -> None:
        """Makes events safe: acknowledged by Kafka, or in a file of the spool.

        Raises:
            IntakeUnavailable: They are not, now; some may be later.
        """
        if not records:
            return
        batch = _Batch(records)
        with self._lock:
            if self._stopping:
                raise IntakeUnavailable("this server is stopping")
            if self._queue and self._waiting_bytes + batch.size_bytes > self._max_waiting_bytes:
                raise IntakeUnavailable("too many events wait to be written")
            self._queue.append(batch)
            self._waiting_bytes += batch.size_bytes
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event-intake", daemon=True)
                self._thread.start()
        self._wake.set()
        if not batch.done.wait(self._wait_s * 2):
            raise IntakeUnavailable("events are written more slowly than they come")
        if batch.failure is not None:
            raise IntakeUnavailable(batch.failure)

    @property
    def waiting(self) -> int:
        """Batches that wait for the thread."""
        return len(self._queue)

    def stop(self, timeout_s: float) -> bool:
        """Writes what was taken and ends. Returns True if it did in time."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._wake.set()
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _run(self) -> None:
        counters = Counters()
        emitter: Emitter | None = None
        while not (self._stopping and not self._queue):
            group = self._group()
            try:
                if emitter is None:
                    emitter = self._open_emitter(counters)
                failure = self._make_safe(emitter, counters, group)
            except Exception as error:  # noqa: BLE001 - whatever it is, senders are told, and the next may do
                _log.exception("events that came over HTTP could not be written")
                failure = f"a fault of the server ({type(error).__name__}): see its log"
            for batch in group:
                batch.failure = failure
                batch.done.set()
            if not self._queue and not self._stopping:
                self._wake.wait(1.0 if emitter is None else min(1.0, max(_POLL_S, emitter.due_in_s())))
                self._wake.clear()
        if emitter is not None:
            emitter.close(time.monotonic() + _CLOSE_S)

    def _group(self) -> list[_Batch]:
        with self._lock:
            group = list(self._queue)
            self._queue.clear()
            self._waiting_bytes = 0
        return group

    def _make_safe(self, emitter: Emitter, counters: Counters, group: Sequence[_Batch]) -> str | None:
        """Writes some batches together. Returns why they are not all safe; None if they are."""
        if not group:
            emitter.poll()
            return None
        before = counters.snapshot(waiting=0).dropped
        for batch in group:
            counters.take(len(batch.records))
            for record in batch.records:
                emitter.submit(record)
        mark = emitter.mark()
        emitter.poll()
        give_up_at = time.monotonic() + self._wait_s
        while not emitter.settled(mark):
            if time.monotonic() >= give_up_at:
                return "events cannot be written now"
            time.sleep(_POLL_S)
            emitter.poll()
        dropped = counters.snapshot(waiting=0).dropped
        lost = [reason for reason, number in dropped.items() if number > before.get(reason, 0)]
        return f"events cannot be written now ({', '.join(lost)})" if lost else None


def client_settings(settings: Settings, *, app: str) -> ClientSettings:
    """Settings of a client inside the server, whose events go where those of other clients go.

    Args:
        settings: All of the server's.
        app: Its name.
    """
    return ClientSettings(
        app=app,
        spool_dir=settings.spool_dir,
        kafka_bootstrap_servers=settings.kafka.bootstrap_servers,
        kafka_config=kafka_security_config(settings.kafka),
        schema_registry_url=settings.schema_.registry_url,
        schema_registry_username=settings.schema_.registry_username,
        schema_registry_password=secret(settings.schema_.registry_password),
        schema_registry_ca_location=settings.schema_.registry_ca_location,
        topic_prefix=settings.kafka.topic_prefix,
    )
