"""Sends events to Kafka, and to the spool what Kafka does not accept in time.

A state machine with two states. *Up*: events go to librdkafka, which batches, compresses, retries and keeps
them in order and without duplicates; the spool gets what its own bounded queue has no room for. When Kafka
acknowledges nothing for about a second, or a delivery times out, the state changes to *down*: what is not
acknowledged and all new events go to the spool, where neither a crash nor a long outage can lose them, and
one event at a time is sent as a probe. The first acknowledgement changes back to up, and the drainer
re-sends the spool.

Sent at least once: what was not acknowledged may have arrived all the same, and so may what is re-sent.
Consumers drop the copies by their identifier.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from coalmine.emitters.drainer import NEVER_ACCEPTED, TOO_LARGE, Drainer, Report
from coalmine.emitters.silence import Silence
from coalmine.emitters.spool import SpoolEmitter
from coalmine.forks import never_free
from coalmine.framing import KafkaFraming
from coalmine.stats import Counters
from coalmine_schemas.kafka_errors import LastError, LibrdkafkaLog
from coalmine_schemas.kafka_watchdog import Watchdog
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.topics import EVENT_NAMES, topic_name

_PROBE_EVERY_S: Final = 1.0
_REPORTS_EVERY_S: Final = 0.05
_PURGE_RESERVE_S: Final = 0.5
# What `close` keeps of its time to move into the spool what Kafka has not acknowledged by then.
_BATCH_BYTES: Final = 1_000_000  # librdkafka's own
_SMALLER: Final = 8
_PURGED: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)


class KafkaEmitter:
    """Kafka first, the spool when Kafka is not there.

    Args:
        config: librdkafka's settings, from `coalmine_schemas.kafka_config`.
        topic_prefix: Prefix of the topics.
        framing: What the topics carry; while it is not ready, events go to the spool.
        spool: Catches what Kafka does not accept.
        counters: Counts deliveries and losses.
        log: Reports when Kafka becomes unavailable and available again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        topic_prefix: str,
        framing: KafkaFraming,
        spool: SpoolEmitter,
        counters: Counters,
        log: RateLimitedLogger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = {"batch.size": _BATCH_BYTES, **config, "error_cb": self._on_error}
        self._framing = framing
        self._spool = spool
        self._counters = counters
        self._log = log
        self._clock = clock
        self._topics: dict[str, str] = {event: topic_name(event, topic_prefix) for event in EVENT_NAMES}
        self._is_up = True
        self._is_fatal = False
        self._too_large = 0
        """Bytes of the largest event in the batches that the broker found too large."""
        self._silence = Silence(clock)
        self._watchdog = Watchdog(config["bootstrap.servers"], clock=clock)
        self._last_error = LastError()
        self._probe_at = 0.0
        self._probes = 0
        self._mark = 0
        self._outstanding: Counter[int] = Counter()
        self._producer = self._new_producer(self._config)
        self._retired: list[Producer] = []
        self._drainer = Drainer(spool.directory, send=self._resend, counters=counters, log=log, clock=clock)
        framing.start()

    def submit(self, record: SpoolRecord) -> None:
        """Takes one event."""
        if not self._framing.ready():
            self._spool.submit(record)
        elif self._is_up:
            self._send(record)
        else:
            self._spool.submit(record)
            if self._may_probe():
                self._probe(record)

    def poll(self) -> None:
        """Serves delivery reports, writes the spool and re-sends it."""
        self._serve(0)
        self._watch()
        self._spool.poll()
        if self._framing.ready():
            self._drainer.step(may_send=self._is_up, may_probe=self._may_probe())

    def due_in_s(self) -> float:
        """Seconds until `poll` has something to do if no event comes."""
        if self._is_up and self._drainer.is_busy():
            return 0.0
        if self._in_flight() or len(self._producer):
            return _REPORTS_EVERY_S
        return min(self._spool.due_in_s(), max(_REPORTS_EVERY_S, self._drainer.due_in_s()))

    def mark(self) -> int:
        """A mark after all events taken so far."""
        mark, self._mark = self._mark, self._mark + 1
        return mark

    def settled(self, mark: int) -> bool:
        """Returns True if all events before the mark are acknowledged or in a file."""
        return not self._spool.is_waiting() and all(open_mark > mark for open_mark in self._outstanding)

    def seal(self) -> None:
        """Finishes the open spool file."""
        self._spool.seal()

    def close(self, deadline_s: float) -> None:
        """Waits for acknowledgements, then moves the rest to the spool, all before the deadline."""
        self._drainer.stop()
        wait_until = deadline_s - _PURGE_RESERVE_S
        while self._in_flight() and self._clock() < wait_until:
            self._serve(0.05)
        self._purge(max(deadline_s, self._clock() + _PURGE_RESERVE_S))
        self._framing.stop()
        self._spool.close(deadline_s)

    def abandon(self) -> None:
        """Drops everything without sending it."""
        # librdkafka's threads do not exist in the child, and freeing the producer would wait for them.
        for producer in (self._producer, *self._retired):
            never_free(producer)
        self._drainer.stop()
        self._spool.abandon()

    def _may_probe(self) -> bool:
        return not self._is_up and self._probes == 0 and self._clock() >= self._probe_at

    def _in_flight(self) -> int:
        return self._outstanding.total()

    def _new_producer(self, config: Mapping[str, Any]) -> Producer:
        return Producer(dict(config), logger=LibrdkafkaLog(self._log))

    def _watch(self) -> None:
        if self._is_fatal:
            self._renew("failed fatally")
        elif self._too_large:
            self._renew("sent batches larger than a topic takes")
        elif self._is_up and self._silence.lasts_too_long(waiting=self._in_flight() > 0):
            self._go_down(f"nothing is acknowledged: {self._last_error.reason or 'no answer'}")
            self._producer.purge(blocking=False)  # the reports put it into the spool
        elif len(self._producer) and not self._is_up and self._watchdog.is_dead():
            self._renew("does not connect to a broker that takes connections")

    def _send(self, record: SpoolRecord) -> None:
        sent = _Sent(self._mark, record.topic, record.produced_at_us, self._batch_bytes())
        try:
            self._produce(record, partial(self._on_delivery, sent))
        except BufferError:
            # Its queue is full: more events than the broker takes. The spool has the room.
            self._spool.submit(record)
        except KafkaException as error:
            self._not_sent(record, error.args[0])
        else:
            self._outstanding[self._mark] += 1

    def _probe(self, record: SpoolRecord) -> None:
        """Sends a copy of an event that the spool has: whatever becomes of it, nothing is lost."""
        self._probe_at = self._clock() + _PROBE_EVERY_S
        with suppress(BufferError, KafkaException):
            self._resend(record, lambda _error, _message: None)

    def _resend(self, record: SpoolRecord, on_delivery: Report) -> None:
        """The drainer's way to Kafka. Raises what `Producer.produce` raises."""
        is_probe, batch_bytes = not self._is_up, self._batch_bytes()

        def report(error: KafkaError | None, message: Message) -> None:
            self._probes -= is_probe
            error = error and self._of_the_event(error, message, batch_bytes)
            if error is None:
                self._heard()
            elif error.code() not in NEVER_ACCEPTED:
                self._went_away(error, str(message.topic()))
            on_delivery(error, message)

        self._produce(record, report)
        self._probes += is_probe

    def _produce(self, record: SpoolRecord, on_delivery: Report) -> None:
        topic = self._topics.get(record.topic)
        if topic is None:
            raise KafkaException(KafkaError(KafkaError.INVALID_RECORD, "no such event"))
        value = self._framing.reframe(record.value)
        self._producer.produce(topic, value=value, key=record.key, on_delivery=on_delivery)

    def _on_delivery(self, sent: "_Sent", error: KafkaError | None, message: Message) -> None:
        self._outstanding[sent.mark] -= 1
        if not self._outstanding[sent.mark]:
            del self._outstanding[sent.mark]
        if error is None:
            self._counters.deliver()
            self._heard()
            return
        record = SpoolRecord(sent.event, message.key(), message.value() or b"", sent.produced_at_us)
        self._not_sent(record, self._of_the_event(error, message, sent.batch_bytes))

    def _batch_bytes(self) -> int:
        return int(self._config["batch.size"])

    def _of_the_event(self, error: KafkaError, message: Message, batch_bytes: int) -> KafkaError:
        """The error of one event in a batch: no fault of its own where a batch of several is too large.

        Librdkafka does not split such a batch. Its successor makes smaller ones, until the event that is too
        large is alone. A report may come after that: what counts is how large batches were when it was sent.
        """
        size = len(message)
        if error.code() not in TOO_LARGE or size >= batch_bytes:
            return error
        if batch_bytes == self._batch_bytes():
            self._too_large = max(self._too_large, size)
        return KafkaError(KafkaError._INVALID_DIFFERENT_RECORD, f"its batch, {error.str()}")

    def _not_sent(self, record: SpoolRecord, error: KafkaError) -> None:
        if error.code() in NEVER_ACCEPTED:
            self._counters.drop("kafka_rejected")
            self._log.report(
                "kafka_rejected", "Kafka will not take an event, which is dropped: %s", error.str()
            )
            return
        self._went_away(error, self._topics.get(record.topic, record.topic))
        self._spool.submit(record)

    def _went_away(self, error: KafkaError, topic: str) -> None:
        if error.code() in _PURGED:
            return
        self._is_fatal = self._is_fatal or error.fatal() or error.code() == KafkaError._FATAL
        self._go_down(f"{error.str()} (topic {topic})")

    def _go_down(self, reason: str) -> None:
        if self._is_up:
            self._is_up = False
            self._probe_at = self._clock() + _PROBE_EVERY_S
            self._log.report("kafka_down", "Kafka does not accept events, the spool does: %s", reason)

    def _heard(self) -> None:
        self._silence.broken()
        self._watchdog.heard()
        self._last_error.over()
        if not self._is_up:
            self._is_up = True
            self._drainer.hurry()
            self._log.report("kafka_up", "Kafka accepts events again")

    def _on_error(self, error: KafkaError) -> None:
        """Librdkafka's own errors; it recovers by itself unless one is fatal."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._is_fatal = True
        self._last_error.note(error)
        self._log.report(f"kafka_error {error.name()}", "Kafka: %s", error.str())

    def _renew(self, reason: str) -> None:
        """Replaces the producer, which will not send any more; what it holds goes to the spool."""
        self._log.report("kafka_renewed", "the Kafka producer %s and is replaced", reason)
        self._go_down(reason)
        self._drainer.stop()
        self._purge(self._clock() + _PURGE_RESERVE_S)
        self._is_fatal = False
        config = self._config
        if self._too_large:
            config = {**config, "batch.size": max(self._too_large, self._batch_bytes() // _SMALLER)}
            self._too_large = 0
        with suppress(KafkaException):
            new = self._new_producer(config)
            # Kept for the reports it may still owe.
            self._retired.append(self._producer)
            self._producer, self._config = new, config
        done = [producer for producer in self._retired if not len(producer)]
        self._retired = [producer for producer in self._retired if len(producer)]
        if done:
            # Freeing one waits for its threads, and those may wait for a name to be resolved.
            threading.Thread(target=done.clear, name="coalmine-kafka-free", daemon=True).start()

    def _purge(self, give_up_at_s: float) -> None:
        """Takes back what Kafka has not acknowledged; the reports put it into the spool."""
        producers = (self._producer, *self._retired)
        for each in producers:
            each.purge()
        while any(map(len, producers)) and self._clock() < give_up_at_s:
            self._serve(0.01)

    def _serve(self, wait_s: float) -> None:
        """Serves delivery reports, of those, too, that were replaced."""
        self._producer.poll(wait_s)
        for retired in self._retired:
            retired.poll(0)


class _Sent(NamedTuple):
    """What is remembered of an event on its way; librdkafka keeps the rest."""

    mark: int
    event: str
    produced_at_us: int
    batch_bytes: int
