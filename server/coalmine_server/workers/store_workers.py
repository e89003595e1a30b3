"""The workers beside the collector, while the store is ours."""

import logging
import threading
import time
from collections.abc import Sequence

from confluent_kafka import Producer

from coalmine.assembly import make_emitter
from coalmine.emitters.base import Emitter
from coalmine.stats import Counters
from coalmine_alerts.events import AlertOutbox
from coalmine_consumers.dead_letters.topic import DeadLetterPublisher, StoreOutbox, publisher_config
from coalmine_consumers.maintenance.housekeeping import Housekeeping
from coalmine_evals.continuous.outbox import ScoreOutbox
from coalmine_schemas.codec import ConfluentFraming, Encoder, SingleObjectFraming
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_server.kafka import kafka_security_config, librdkafka_log, schema_registry
from coalmine_server.services.intake import client_settings
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.settings import Settings
from coalmine_server.workers.alerts import alert_workers, buttons_worker
from coalmine_server.workers.analysis import drift_worker, ping_worker, readouts_worker, rollouts_worker
from coalmine_server.workers.evals import canaries_worker, evals_worker
from coalmine_server.workers.outbox import outbox_worker
from coalmine_server.workers.production import production_workers
from coalmine_server.workers.registry import alert_events_worker, score_events_worker
from coalmine_server.workers.worker import Worker

DEAD_LETTERS_EVERY_S = 5.0
OF_EACH_STORE = frozenset({"housekeeping", "drift", "readouts", "spool-drain"})
"""Workers whose work is nobody else's, whoever holds the lease."""


def store_workers(owned: OwnedStore, housekeeping: Housekeeping) -> Sequence[Worker]:
    """The workers that the settings call for."""
    settings = owned.settings
    workers = [
        _housekeeping_worker(housekeeping),
        drift_worker(owned.drifts, settings.drift.sum_up_every_s),
    ]
    if owned.simulated is None:
        workers.append(readouts_worker(owned.readouts, settings.readout.look_every_s))
        alerts, messages = alert_workers(owned.alerts, settings.alerts.evaluate_every_s)
        rollouts = rollouts_worker(owned.controller, on_decided=alerts.wake)
        events = alert_events_worker(settings, lambda: AlertOutbox(owned.alerts.database))
        workers += (rollouts, alerts, messages, events, evals_worker(owned), canaries_worker(owned))
        if settings.production_file is not None:
            workers += production_workers(owned.evaluations.production)
            workers.append(score_events_worker(settings, lambda: ScoreOutbox(owned.evaluations.database)))
        if (buttons := buttons_worker(owned.alerts, settings.alerts)) is not None:
            workers.append(buttons)
        if settings.rollouts.ping_url is not None:
            workers.append(ping_worker(settings.rollouts.ping_url, rollouts))
    if settings.kafka.bootstrap_servers is not None:
        workers.append(spool_drain_worker(settings))
        workers.append(
            outbox_worker(
                "dead-letter-topic",
                lambda _stop: _dead_letter_publisher(settings, owned),
                rest_s=DEAD_LETTERS_EVERY_S,
            )
        )
    for worker in workers:
        # Each store needs housekeeping and its own sums; the rest is done once, by whoever holds the lease.
        if worker.name not in OF_EACH_STORE:
            worker.only_while(owned.acting)
    return workers


def _housekeeping_worker(housekeeping: Housekeeping) -> Worker:
    def tick(stop: threading.Event) -> float:
        housekeeping.run(stop)
        return 0.0

    return Worker("housekeeping", tick)


def _dead_letter_publisher(settings: Settings, owned: OwnedStore) -> DeadLetterPublisher:
    config = publisher_config(settings.kafka.bootstrap_servers or "", kafka_security_config(settings.kafka))
    registry = schema_registry(settings.schema_)
    prefix = settings.kafka.topic_prefix
    framing = SingleObjectFraming() if registry is None else ConfluentFraming(registry, prefix)
    return DeadLetterPublisher(
        StoreOutbox(owned.store), lambda: Producer(config, logger=librdkafka_log()), Encoder(framing), prefix
    )


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
    client = client_settings(settings, app="coalmine-server")
    return make_emitter(client, Counters(), RateLimitedLogger(_log, every_s=client.log_every_s))
