"""Sends events to Kafka, and to the spool what Kafka does not accept in time.

A state machine with two states. *Up*: events go to librdkafka, which batches, compresses, retries and keeps
them in order and without duplicates; the spool gets what it could not deliver within the delivery timeout,
and what its own bounded queue has no room for. A delivery that timed out changes to *down*: events go
straight to the spool, where neither a crash nor a long outage can lose them, and one event at a time is
sent as a probe. The first acknowledgement changes back to up, and the drainer re-sends the spool.

Sent at least once: what timed out may have arrived all the same, and so may what is re-sent. Consumers drop
the copies by their identifier.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from coalmine.emitters.drainer import NEVER_ACCEPTED, Drainer, Report
from coalmine.emitters.spool import SpoolEmitter
from coalmine.forks import never_free
from coalmine.framing import KafkaFraming
from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.topics import EVENT_NAMES, topic_name

_PROBE_EVERY_S: Final = 1.0
_REPORTS_EVERY_S: Final = 0.05
_PURGE_RESERVE_S: Final = 0.5
# What `close` keeps of its time to move into the spool what Kafka has not acknowledged by then.


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
        self._config = {**config, "error_cb": self._on_error}
        self._framing = framing
        self._spool = spool
        self._counters = counters
        self._log = log
        self._clock = clock
        self._topics: dict[str, str] = {event: topic_name(event, topic_prefix) for event in EVENT_NAMES}
        self._is_up = True
        self._is_fatal = False
        self._probe_at = 0.0
        self._probes = 0
        self._mark = 0
        self._outstanding: Counter[int] = Counter()
        self._producer = self._new_producer()
        self._retired: list[Producer] = []
        self._drainer = Drainer(spool.directory, send=self._resend, counters=counters, log=log, clock=clock)
        framing.start()

    def submit(self, record: SpoolRecord) -> None:
        """Takes one event."""
        if not self._framing.ready():
            self._spool.submit(record)
        elif self._is_up:
            self._send(record)
        elif self._probes == 0 and self._clock() >= self._probe_at:
            self._probe_at = self._clock() + _PROBE_EVERY_S
            self._send(record)
        else:
            self._spool.submit(record)

    def poll(self) -> None:
        """Serves delivery reports, writes the spool and re-sends it."""
        if self._is_fatal:
            self._renew()
        self._producer.poll(0)
        for retired in self._retired:
            retired.poll(0)
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
            self._producer.poll(0.05)
        self._purge(max(deadline_s, self._clock() + _PURGE_RESERVE_S))
        self._framing.stop()
        self._spool.close(deadline_s)

    def abandon(self) -> None:
        """Drops everything without sending it."""
        # librdkafka's threads do not exist in the child, and freeing the producer would wait for them.
        never_free(self._producer)
        self._drainer.stop()
        self._spool.abandon()

    def _may_probe(self) -> bool:
        return not self._is_up and self._probes == 0 and self._clock() >= self._probe_at

    def _in_flight(self) -> int:
        return self._outstanding.total()

    def _new_producer(self) -> Producer:
        return Producer(self._config, logger=_LibrdkafkaLog(self._log))

    def _send(self, record: SpoolRecord) -> None:
        is_probe = not self._is_up
        sent = _Sent(self._mark, is_probe, record.topic, record.produced_at_us)
        try:
            self._produce(record, partial(self._on_delivery, sent))
        except BufferError:
            # Its queue is full: more events than the broker takes. The spool has the room.
            self._spool.submit(record)
        except KafkaException as error:
            self._not_sent(record, error.args[0])
        else:
            self._outstanding[self._mark] += 1
            self._probes += is_probe

    def _resend(self, record: SpoolRecord, on_delivery: Report) -> None:
        """The drainer's way to Kafka. Raises what `Producer.produce` raises."""
        is_probe = not self._is_up

        def report(error: KafkaError | None, message: Message) -> None:
            self._probes -= is_probe
            if error is None:
                self._came_back()
            elif error.code() not in NEVER_ACCEPTED:
                self._went_away(error)
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
        self._probes -= sent.is_probe
        if error is None:
            self._counters.deliver()
            self._came_back()
            return
        record = SpoolRecord(sent.event, message.key(), message.value() or b"", sent.produced_at_us)
        self._not_sent(record, error)

    def _not_sent(self, record: SpoolRecord, error: KafkaError) -> None:
        if error.code() in NEVER_ACCEPTED:
            self._counters.drop("kafka_rejected")
            self._log.report(
                "kafka_rejected", "Kafka will not take an event, which is dropped: %s", error.str()
            )
            return
        self._went_away(error)
        self._spool.submit(record)

    def _went_away(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            return
        self._is_fatal = self._is_fatal or error.fatal() or error.code() == KafkaError._FATAL
        if self._is_up:
            self._is_up = False
            self._probe_at = self._clock() + _PROBE_EVERY_S
            self._log.report("kafka_down", "Kafka does not accept events, the spool does: %s", error.str())

    def _came_back(self) -> None:
        if not self._is_up:
            self._is_up = True
            self._drainer.hurry()
            self._log.report("kafka_up", "Kafka accepts events again")

    def _on_error(self, error: KafkaError) -> None:
        """Librdkafka's own errors; it recovers by itself unless one is fatal."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._is_fatal = True
        self._log.report("kafka_error", "Kafka: %s", error.str())

    def _renew(self) -> None:
        """Replaces the producer after a fatal error, which an idempotent producer does not survive."""
        self._log.report("kafka_fatal", "the Kafka producer failed fatally and is replaced")
        self._drainer.stop()
        self._purge(self._clock() + _PURGE_RESERVE_S)
        self._is_fatal = False
        # Kept for the reports it may still owe.
        self._retired = [producer for producer in (*self._retired, self._producer) if len(producer)]
        with suppress(KafkaException):
            self._producer = self._new_producer()

    def _purge(self, give_up_at_s: float) -> None:
        """Takes back what Kafka has not acknowledged; the reports put it into the spool."""
        self._producer.purge()
        while len(self._producer) and self._clock() < give_up_at_s:
            self._producer.poll(0.01)


class _Sent(NamedTuple):
    """What is remembered of an event on its way; librdkafka keeps the rest."""

    mark: int
    is_probe: bool
    event: str
    produced_at_us: int


class _LibrdkafkaLog:
    """What librdkafka is given for a logger: passes its lines on at a limited rate."""

    def __init__(self, log: RateLimitedLogger) -> None:
        self._log = log

    def log(self, level: int, template: str, facility: str, name: str, text: str) -> None:
        """Called from `poll`, with librdkafka's facility, e.g. FAIL, as the kind of line."""
        del template, name
        self._log.log(level, f"librdkafka {facility}", "librdkafka %s: %s", facility, text)
