"""Sends what producers on this machine left in the spool to Kafka, where Kafka is the source.

A producer drains its own spool. One that ended while the broker was away cannot; the server then does.
"""

import logging
import threading
import time

from coalmine.assembly import make_parts
from coalmine.emitters.base import Emitter
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_server.kafka import kafka_security_config
from coalmine_server.settings import Settings
from coalmine_server.workers.worker import Worker

CLOSE_TIMEOUT_S = 2.0
SHORTEST_REST_S, LONGEST_REST_S = 0.02, 1.0

_log = logging.getLogger("coalmine.drain")


def spool_drain_worker(settings: Settings) -> Worker:
    """Sends the spool until stopped; what is not sent by then remains there.

    It is the emitter of a client that produces nothing itself.
    """
    emitter: Emitter | None = None

    def tick(_stop: threading.Event) -> float:
        nonlocal emitter
        if emitter is None:
            emitter = _emitter(settings)
        emitter.poll()
        return min(LONGEST_REST_S, max(SHORTEST_REST_S, emitter.due_in_s()))

    def close() -> None:
        if emitter is not None:
            emitter.close(time.monotonic() + CLOSE_TIMEOUT_S)

    return Worker("spool-drain", tick, close=close)


def _emitter(settings: Settings) -> Emitter:
    client = ClientSettings(
        app="coalmine-server",
        spool_dir=settings.spool_dir,
        kafka_bootstrap_servers=settings.kafka.bootstrap_servers,
        kafka_config=kafka_security_config(settings.kafka),
        schema_registry_url=settings.schema_.registry_url,
        topic_prefix=settings.kafka.topic_prefix,
    )
    return make_parts(client, Counters(), RateLimitedLogger(_log, every_s=client.log_every_s)).emitter
