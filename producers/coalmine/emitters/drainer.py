"""Re-sends the spool's sealed files once Kafka takes events again."""

import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import (
    CorruptSpoolFile,
    claim,
    list_sealed,
    quarantine,
    read_blocks,
    recover,
)

TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
"""Errors about a batch of events, which may be of one."""

NEVER_ACCEPTED: Final = TOO_LARGE | {KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG}
"""Errors about the event itself, which no waiting mends."""

_LOOK_EVERY_S: Final = 5.0
_RETRY_S: Final = 1.0
_AHEAD: Final = 5000
# Events of the file without a report at most: well below librdkafka's own queue, which live events need.
_CHUNK: Final = 100
_CHUNKS_PER_STEP: Final = 20
_YIELD_S: Final = 50e-6
# Between chunks the service's threads get the interpreter; 2000 events a step are some 40,000 a second.

Report = Callable[[KafkaError | None, Message], None]


class Send(Protocol):
    """Hands one event to Kafka; raises what `Producer.produce` raises."""

    def __call__(self, record: SpoolRecord, on_delivery: Report, /) -> None:
        """`on_delivery` is called later, once, with the broker's answer."""


class Drainer:
    """Works through one sealed file at a time and deletes it once every event of it is acknowledged.

    A file is locked while it is worked on, so that the drainers of several processes share a directory. Of a
    file that could not be sent whole, this process sends again what was not acknowledged: the topic of one
    event may be missing for long, and the others are not to be sent until it is there. Files of dead writers
    are recovered.
    For one thread; no method raises or blocks on the network.

    Args:
        directory: The spool.
        send: Way to Kafka.
        counters: Counts what was re-sent.
        log: Reports what cannot be read or sent.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        send: Send,
        counters: Counters,
        log: RateLimitedLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._send = send
        self._counters = counters
        self._log = log
        self._clock = clock
        self._current: _File | None = None
        self._paths: deque[Path] = deque()
        self._acknowledged: dict[Path, bytearray] = {}
        """Of each file whether its events are, in their order."""
        self._look_at = 0.0

    def step(self, *, may_send: bool, may_probe: bool) -> None:
        """Does a small piece of work.

        Args:
            may_send: Whether Kafka takes events.
            may_probe: Whether a single event may be sent to find out.
        """
        try:
            if self._current is None and (may_send or may_probe) and self._clock() >= self._look_at:
                self._current = self._open_next()
            if self._current is not None:
                self._advance(self._current, limit=_AHEAD if may_send else int(may_probe))
        except OSError as error:
            self._log.report("drain", "cannot re-send the spool %s: %s", self._directory, error)
            self._let_go(look_in_s=_RETRY_S)

    def is_busy(self) -> bool:
        """Returns True while a file is being sent."""
        return self._current is not None

    def due_in_s(self) -> float:
        """Seconds until it looks for a file."""
        return max(0.0, self._look_at - self._clock())

    def hurry(self) -> None:
        """Looks at the directory at the next step."""
        self._look_at = 0.0

    def stop(self) -> None:
        """Releases the file; what is already acknowledged will be sent again, which does no harm.

        In a forked child, too: the parent goes on with the file and keeps its lock.
        """
        self._let_go(look_in_s=_RETRY_S)

    def _open_next(self) -> "_File | None":
        if not self._paths:
            recover(self._directory)
            self._paths = deque(list_sealed(self._directory))
            self._acknowledged = {path: self._acknowledged.get(path, bytearray()) for path in self._paths}
        while self._paths:
            path = self._paths.popleft()
            descriptor = claim(path)
            if descriptor is not None:
                acknowledged = self._acknowledged.setdefault(path, bytearray())
                return _File(path, descriptor, acknowledged, self._counters, self._log)
        self._look_at = self._clock() + _LOOK_EVERY_S
        return None

    def _advance(self, file: "_File", limit: int) -> None:
        with suppress(BufferError):  # librdkafka's queue is full; go on at the next step
            for _ in range(_CHUNKS_PER_STEP):
                file.send_more(self._send, min(limit, file.outstanding + _CHUNK))
                if file.is_read or file.outstanding >= limit:
                    break
                time.sleep(_YIELD_S)
        if file.outstanding or not file.is_read:
            return
        if file.failed:
            self._let_go(look_in_s=_RETRY_S)
        else:
            self._finish(file)

    def _finish(self, file: "_File") -> None:
        if file.damage is None:
            file.path.unlink(missing_ok=True)
        else:
            # What is readable of it has been sent; the file itself is kept under another name.
            quarantine(file.path)
            self._counters.problem("corrupt_spool_file")
            self._log.report("corrupt", "a damaged spool file was set aside: %s", file.damage)
        self._let_go(look_in_s=0.0)

    def _let_go(self, *, look_in_s: float) -> None:
        file, self._current = self._current, None
        if file is not None:
            with suppress(OSError):
                os.close(file.descriptor)
        self._look_at = self._clock() + look_in_s


class _File:
    """A sealed file on its way to Kafka."""

    def __init__(
        self,
        path: Path,
        descriptor: int,
        acknowledged: bytearray,
        counters: Counters,
        log: RateLimitedLogger,
    ) -> None:
        self.path = path
        self.descriptor = descriptor
        self.outstanding = 0
        """Events sent and without a report."""
        self.failed = False
        """Whether an event could not be sent, so that it must be sent again."""
        self.is_read = False
        self.damage: CorruptSpoolFile | None = None
        self._counters = counters
        self._log = log
        self._acknowledged = acknowledged
        self._records = enumerate(record for block in read_blocks(path) for record in block)
        self._held: tuple[int, SpoolRecord] | None = None

    def send_more(self, send: Send, limit: int) -> None:
        """Sends until `limit` events are outstanding or none is left; BufferError means to wait."""
        while self.outstanding < limit and not self.is_read:
            self._held = self._held or self._next()
            if self._held is None:
                self.is_read = True
                return
            place, record = self._held
            try:
                send(record, partial(self._on_delivery, place))
            except KafkaException as error:
                self._held = None
                self._not_sent(place, error.args[0])
                return  # or a file of them would take the interpreter from the service
            self._held = None
            self.outstanding += 1

    def _next(self) -> tuple[int, SpoolRecord] | None:
        try:
            for place, record in self._records:
                if place == len(self._acknowledged):
                    self._acknowledged.append(False)
                if not self._acknowledged[place]:
                    return place, record
        except CorruptSpoolFile as error:
            self.damage = error
        return None

    def _on_delivery(self, place: int, error: KafkaError | None, message: Message) -> None:
        del message
        self.outstanding -= 1
        if error is None:
            self._acknowledged[place] = True
            self._counters.drain(1)
        else:
            self._not_sent(place, error)

    def _not_sent(self, place: int, error: KafkaError) -> None:
        if error.code() not in NEVER_ACCEPTED:
            self.failed = True
            return
        self._acknowledged[place] = True  # by a refusal
        self._counters.problem("spooled_event_rejected")
        self._log.report("kafka_rejected", "Kafka will not take an event, which is dropped: %s", error.str())
