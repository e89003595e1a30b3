"""What runs beside the collector while the store is ours: housekeeping, looks, drain, dead letters' topic."""

import threading
from collections.abc import Callable, Sequence

import structlog
from coalmine_analytics.drift import Drifts
from coalmine_analytics.readout import Readouts
from coalmine_consumers.dead_letter_topic import DeadLetterPublisher, StoreOutbox, publisher_config
from coalmine_consumers.maintenance.housekeeping import Housekeeping
from coalmine_consumers.store import Store
from coalmine_schemas.codec import ConfluentFraming, Encoder, SingleObjectFraming
from coalmine_schemas.registry_client import SchemaRegistryClient
from confluent_kafka import Producer

from coalmine_server.services.kafka import kafka_security_config
from coalmine_server.settings import Settings
from coalmine_server.workers.drift import keep_hours
from coalmine_server.workers.readouts import watch_experiments
from coalmine_server.workers.spool_drain import drain_spool

AGAIN_AFTER_S = 30.0
"""How long a job that failed rests before it is tried again."""

_log = structlog.stdlib.get_logger("coalmine.jobs")

Work = Callable[[threading.Event], None]
"""Goes on until the event is set."""


class SideJob:
    """A thread of its own. A job that fails is tried again and never ends the collector."""

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins, and returns."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Asks it to end, and returns."""
        self._stop.set()

    def wait_stopped(self, timeout_s: float) -> bool:
        """Waits until it has ended; whether it did in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work(self._stop)
            except Exception:  # noqa: BLE001 - whatever it was, the collector goes on
                _log.exception("a job failed", job=self.name, again_in_s=AGAIN_AFTER_S)
                self._stop.wait(AGAIN_AFTER_S)


def side_jobs(
    settings: Settings, store: Store, housekeeping: Housekeeping, readouts: Readouts, drifts: Drifts
) -> Sequence[SideJob]:
    """The jobs of a server with these settings."""
    every_s = settings.readout.look_every_s
    jobs = [
        SideJob("housekeeping", housekeeping.run),
        SideJob("readouts", lambda stop: watch_experiments(readouts, every_s, stop)),
        SideJob("drift", lambda stop: keep_hours(drifts, settings.drift.sum_up_every_s, stop)),
    ]
    if settings.kafka.bootstrap_servers is not None:
        jobs.append(SideJob("spool-drain", lambda stop: drain_spool(settings, stop)))
        jobs.append(SideJob("dead-letter-topic", lambda stop: _publish_dead_letters(settings, store, stop)))
    return jobs


def _publish_dead_letters(settings: Settings, store: Store, stop: threading.Event) -> None:
    config = publisher_config(settings.kafka.bootstrap_servers or "", kafka_security_config(settings.kafka))
    url = settings.schema_.registry_url
    framing = SingleObjectFraming() if url is None else ConfluentFraming(SchemaRegistryClient(url))
    DeadLetterPublisher(
        StoreOutbox(store), Producer(config), Encoder(framing), settings.kafka.topic_prefix
    ).run(stop)
