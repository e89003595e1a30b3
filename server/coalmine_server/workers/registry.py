"""The prompt registry in a server: opened, its events published, closed."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from confluent_kafka import KafkaError, Message, Producer

from coalmine.emitters import SpoolEmitter
from coalmine.stats import Counters
from coalmine_registry.leases import Holder, Lease
from coalmine_registry.records import OutboxEntry
from coalmine_registry.registry import Registry
from coalmine_schemas.codec import ConfluentFraming, Encoder, SingleObjectFraming
from coalmine_schemas.errors import Transient
from coalmine_schemas.events import AlertTransition, Deployment, PromptScore, RolloutTransition
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.kafka_config import producer_config
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.topics import topic_name
from coalmine_server.kafka import kafka_security_config, librdkafka_log, schema_registry
from coalmine_server.services.owned_store import SimulatedTime
from coalmine_server.services.prompt_registry import open_registry, utc_now
from coalmine_server.services.wiring import make_topics
from coalmine_server.settings import Settings
from coalmine_server.workers.leases import EVENTS, lease_worker, released
from coalmine_server.workers.outbox import outbox_worker
from coalmine_server.workers.worker import Worker

LOOK_S: Final = 1.0
"""How often to look for changes that another process made."""
BATCH: Final = 100
DELIVERY_TIMEOUT_S: Final = 20.0


class NotSent(Transient):
    """Some events could not be made safe now."""


class Channel(Protocol):
    """Where events go."""

    def send(self, entries: Sequence[OutboxEntry]) -> list[int]:
        """Makes events safe, in order.

        Returns:
            Ids of those that are, up to the first that is not.

        Raises:
            Transient: None is.
        """
        ...

    def close(self) -> None:
        """Lets go of what it holds."""
        ...


class Outbox(Protocol):
    """Events that wait to be sent: those of the registry, or of alerts."""

    def data_version(self) -> int | None:
        """Returns a number that is another one after every change; None if there is none."""
        ...

    def outbox_pending(self, limit: int) -> list[OutboxEntry]:
        """Returns events that have not been sent yet, oldest first."""
        ...

    def outbox_delivered(self, ids: Sequence[int]) -> None:
        """Forgets events that were sent."""
        ...


class EventPublisher:
    """Implements `Publisher` over an outbox."""

    def __init__(self, outbox: Outbox, channel: Channel) -> None:
        self._outbox = outbox
        self._channel = channel
        self._empty_at: int | None = None
        """Version of the data at which nothing waited."""

    def publish(self) -> int:
        """See `Publisher.publish`."""
        version = self._outbox.data_version()
        if version is not None and version == self._empty_at:
            return 0
        entries = self._outbox.outbox_pending(BATCH)
        if not entries:
            self._empty_at = version
            return 0
        delivered = self._channel.send(entries)
        self._outbox.outbox_delivered(delivered)
        return len(delivered)

    def close(self) -> None:
        """See `Publisher.close`."""
        self._channel.close()


def deployment_events_worker(settings: Settings, registry: Registry) -> Worker:
    """Sends the registry's events, at once after a change that this process made."""
    worker = outbox_worker(
        "deployment-events",
        lambda stop: EventPublisher(registry, open_channel(settings, stop)),
        rest_s=LOOK_S,
    )
    registry.on_change(lambda _environment, _revision: worker.wake())
    return worker


def alert_events_worker(settings: Settings, open_outbox: Callable[[], Outbox]) -> Worker:
    """Sends the events of alerts.

    Args:
        settings: All of them.
        open_outbox: Called on the worker's thread: without its database, everything else goes on.
    """
    return outbox_worker(
        "alert-events",
        lambda stop: EventPublisher(open_outbox(), open_channel(settings, stop)),
        rest_s=LOOK_S,
    )


def score_events_worker(settings: Settings, open_outbox: Callable[[], Outbox]) -> Worker:
    """Sends the scores of scorers and of people.

    Args:
        settings: All of them.
        open_outbox: Called on the worker's thread.
    """
    return outbox_worker(
        "score-events",
        lambda stop: EventPublisher(open_outbox(), open_channel(settings, stop)),
        rest_s=LOOK_S,
    )


def open_channel(settings: Settings, stop: threading.Event) -> Channel:
    """Kafka if it is configured, else the spool."""
    if settings.kafka.bootstrap_servers is None:
        return _Spool(settings)
    return _Kafka(settings, stop)


class _Spool:
    def __init__(self, settings: Settings) -> None:
        log = RateLimitedLogger(logging.getLogger("coalmine.registry.outbox"), every_s=60.0)
        self._encoder = Encoder(SingleObjectFraming())
        self._emitter = SpoolEmitter(
            settings.spool_dir, max_bytes=None, max_pending=BATCH, counters=Counters(), log=log
        )
        self._waiting: set[int] = set()

    def send(self, entries: Sequence[OutboxEntry]) -> list[int]:
        for entry in entries:
            # Nobody reads transitions from a spool; who wants them there has the registry itself.
            if entry.id in self._waiting or not isinstance(entry.event, Deployment | PromptScore):
                continue
            value = self._encoder.encode(entry.name, entry.event.to_record())
            produced_at_us = int(entry.event.event_time.timestamp() * 1_000_000)
            self._emitter.submit(SpoolRecord(entry.name, _key(entry.event), value, produced_at_us))
            self._waiting.add(entry.id)
        self._emitter.poll()
        if self._emitter.is_waiting():
            raise NotSent("the spool cannot be written")
        self._emitter.seal()
        self._waiting.clear()
        return [entry.id for entry in entries]

    def close(self) -> None:
        self._emitter.close(time.monotonic() + 1.0)


class _Kafka:
    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._has_topics = False
        self._schemas = schema_registry(settings.schema_)
        self._encoder = Encoder(
            SingleObjectFraming()
            if self._schemas is None
            else ConfluentFraming(self._schemas, settings.kafka.topic_prefix)
        )
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        config = producer_config(
            self._settings.kafka.bootstrap_servers or "",
            client_id="coalmine-registry",
            delivery_timeout_s=DELIVERY_TIMEOUT_S,
            max_message_bytes=1_000_000,
            extra=kafka_security_config(self._settings.kafka),
        )
        return Producer(config, logger=librdkafka_log())

    def send(self, entries: Sequence[OutboxEntry]) -> list[int]:
        if not self._has_topics:
            make_topics(self._settings.kafka)
            self._has_topics = True
        delivered: set[int] = set()
        failures: dict[int, str] = {}

        def report(error: KafkaError | None, number: int) -> None:
            if error is None:
                delivered.add(number)
            else:
                failures[number] = error.str()

        for entry in entries:

            def on_delivery(error: KafkaError | None, _message: Message, number: int = entry.id) -> None:
                report(error, number)

            value = self._encoder.encode(entry.name, entry.event.to_record())
            topic = topic_name(entry.name, self._settings.kafka.topic_prefix)
            self._producer.produce(topic, value, _key(entry.event), on_delivery=on_delivery)
        while len(delivered) + len(failures) < len(entries) and not self._stop.is_set():
            self._producer.poll(0.1)
        safe: list[int] = []
        for entry in entries:
            if entry.id not in delivered:
                break
            safe.append(entry.id)
        if not safe:
            # It may be dead (`coalmine_schemas.kafka_watchdog`); the next attempt has a new one.
            self._producer = self._new_producer()
            raise NotSent(next(iter(failures.values()), "asked to stop"))
        return safe

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(1.0)
        if self._schemas is not None:
            self._schemas.close()


def _key(event: Deployment | RolloutTransition | AlertTransition | PromptScore) -> bytes:
    if isinstance(event, PromptScore):
        return event.request_id.encode()
    if isinstance(event, AlertTransition):
        return event.fingerprint.encode()
    if isinstance(event, RolloutTransition):
        return event.rollout.encode()
    return f"{event.environment}/{event.prompt}".encode()


class RegistryService:
    """A registry that is open, and the worker that sends its events."""

    def __init__(self, settings: Settings, simulated: SimulatedTime | None = None) -> None:
        """Opens the registry.

        Raises:
            CoalmineError: Its database cannot be used.
        """
        clock = utc_now if simulated is None else simulated.clock
        self.registry: Registry = open_registry(settings, clock=clock)
        self._worker = deployment_events_worker(settings, self.registry)
        self._lease: Lease | None = None
        self._keeper: Worker | None = None
        if settings.registry.url is not None:
            # Two that send at the same time could end with the older of two changes.
            lease = self._lease = Lease(self.registry, EVENTS, Holder(str(uuid7()), None))
            self._worker.only_while(lambda: lease.acting)
            self._keeper = lease_worker(EVENTS, lease, on_taken=self._worker.wake)

    def start(self) -> None:
        """Starts to send events of deployments, and returns."""
        if self._keeper is not None:
            self._keeper.start()
        self._worker.start()

    def close(self, timeout_s: float) -> bool:
        """Closes the registry. Returns True if the worker stopped before the deadline."""
        self._worker.ask_to_stop()
        in_time = self._worker.wait_stopped(timeout_s)
        if self._keeper is not None and self._lease is not None:
            self._keeper.ask_to_stop()
            in_time = self._keeper.wait_stopped(timeout_s) and in_time
            if in_time:
                released(self._lease)
        if in_time:
            self.registry.close()
        return in_time
