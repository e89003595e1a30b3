"""`coalmine serve answers`: answers from snapshots of a store that another process owns."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from coalmine_registry.records import ENVIRONMENTS
from coalmine_registry.registry import Registry
from coalmine_schemas.discovery import own_home
from coalmine_server.api.app import AccessParts, RegistryParts, create_app
from coalmine_server.api.http_server import HttpServer
from coalmine_server.api.hub import DeploymentHub
from coalmine_server.api.verifier import FailedLogins, Verifier
from coalmine_server.services.prompt_registry import open_registry, when_open
from coalmine_server.services.sign_on import SignOn
from coalmine_server.settings import Settings
from coalmine_server.sockets import allow_many_connections
from coalmine_server.workers.ingest_metrics import process_registry
from coalmine_server.workers.leases import ChangesElsewhere
from coalmine_server.workers.snapshots import SnapshotStores, snapshots_worker
from coalmine_server.workers.worker import Worker

CLOSE_S: Final = 5.0
"""How long a renewal at hand may take at the end."""

_log = structlog.stdlib.get_logger("coalmine.replica")


class Replica:
    """A replica of answers: `start`, then `stop`. It changes nothing but its own snapshots."""

    failure: Final = None
    """It never ends by itself."""
    lingering: Final[list[str]] = []

    def __init__(self, settings: Settings) -> None:
        """Binds the port; nothing else has begun.

        Raises:
            AddressInUse: The port is taken.
            ConfigurationError: Sign-on lacks what it needs.
        """
        self._settings = settings
        self._sign_on = SignOn.of(settings.oidc)
        self._http = HttpServer(settings.server.host, settings.server.port)
        self._registry: Registry | None = None
        self._stores: SnapshotStores | None = None
        self._worker: Worker | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._http.url

    def start(self, stop: threading.Event | None = None) -> None:
        """Starts to answer, and returns. While the registry's database is away it waits and says so.

        Args:
            stop: Ends the waiting.

        Raises:
            CoalmineError: The registry's database cannot be used, or others may write the home.
            Stopped: `stop` was set while it waited.
        """
        settings = self._settings
        own_home(settings.home)
        registry = self._registry = when_open(lambda: open_registry(settings, reads_only=True), stop)
        stores = self._stores = SnapshotStores(settings, registry)
        verifier = Verifier(registry.tokens)
        changes = self._changes = ChangesElsewhere(registry)
        changes.worker.start()
        self._hub = DeploymentHub(registry, ENVIRONMENTS, on_revoked=verifier.forget)
        app = create_app(
            AccessParts(
                registry, verifier, FailedLogins(settings.server.failed_logins_per_minute), self._sign_on
            ),
            process_registry(),
            stores,
            prompts=RegistryParts(registry, self._hub, _last_used_unknown),
            query_threads=settings.server.query_threads,
            replica=(stores, stores.writer),
            changes_elsewhere=lambda: changes.seen + stores.taken,
        )
        stores.adopt()
        allow_many_connections(settings.server.max_connections)
        self._http.start(app, settings.server)
        self._worker = snapshots_worker(stores, settings.answers.renew_every_s)
        self._worker.start()
        _log.info("listening", url=self.url, part="answers")

    def wait_ended(self, _timeout_s: float) -> bool:
        """Returns False: it ends when it is told to."""
        return False

    def stop(self) -> bool:
        """Answers open requests. Returns True if it stopped before the deadline."""
        deadline = time.monotonic() + self._settings.server.shutdown_timeout_s
        if self._worker is not None:
            self._worker.ask_to_stop()
            self._changes.worker.ask_to_stop()
            self._hub.release()
        in_time = self._http.stop(max(0.0, deadline - time.monotonic()))
        if self._worker is not None:
            in_time = self._worker.wait_stopped(CLOSE_S) and in_time
            in_time = self._changes.worker.wait_stopped(CLOSE_S) and in_time
        if in_time and self._stores is not None and self._registry is not None:
            self._stores.close()
            self._registry.close()
        return in_time


def _last_used_unknown() -> Mapping[tuple[str, str], datetime] | None:
    """Who asks which versions are unused is told what the registry knows."""
    return None
