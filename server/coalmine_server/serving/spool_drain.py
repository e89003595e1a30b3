"""Sends what producers on this machine left in the spool to Kafka, where Kafka is the source.

A producer drains its own spool. One that ended while the broker was away cannot; the server then does.
"""

import logging
import threading
import time

from coalmine.assembly import make_works
from coalmine.limited_log import LimitedLog
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_server.serving.kafka_client import kafka_security_config
from coalmine_server.settings import Settings

CLOSE_TIMEOUT_S = 2.0
SHORTEST_REST_S, LONGEST_REST_S = 0.02, 1.0

_log = logging.getLogger("coalmine.drain")


class SpoolDrain:
    """The emitter of a client that produces nothing itself. Without Kafka it does nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look for spool files."""
        if self._settings.kafka.bootstrap_servers is not None:
            self._thread = threading.Thread(target=self._run, name="spool-drain", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends; what is not sent stays in the spool."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        kafka = self._settings.kafka
        client = ClientSettings(
            app="coalmine-server",
            spool_dir=self._settings.spool_dir,
            kafka_bootstrap_servers=kafka.bootstrap_servers,
            kafka_config=kafka_security_config(kafka),
            schema_registry_url=self._settings.schema_.registry_url,
            topic_prefix=kafka.topic_prefix,
        )
        emitter = make_works(client, Counters(), LimitedLog(_log, every_s=client.log_every_s)).emitter
        while not self._stop.is_set():
            emitter.poll()
            self._stop.wait(min(LONGEST_REST_S, max(SHORTEST_REST_S, emitter.due_in_s())))
        emitter.close(time.monotonic() + CLOSE_TIMEOUT_S)
