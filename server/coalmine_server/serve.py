"""`coalmine serve`: HTTP, ingest and registry, from the first signal of life to the last commit."""

import faulthandler
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import FrameType
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry

from coalmine_consumers import queries
from coalmine_consumers.ad_hoc.folders import remove_abandoned_folders
from coalmine_consumers.sources.kafka_settings import store_instance_id
from coalmine_registry.leases import Holder, Lease
from coalmine_registry.records import ENVIRONMENTS
from coalmine_registry.registry import Registry
from coalmine_schemas.discovery import announce_server, end_start, own_home, withdraw_server
from coalmine_schemas.retry import Stopped
from coalmine_server.api.app import AccessParts, RegistryParts, create_app
from coalmine_server.api.http_server import HttpServer
from coalmine_server.api.hub import DeploymentHub
from coalmine_server.api.routes.events import EventParts
from coalmine_server.api.verifier import FailedLogins, Verifier
from coalmine_server.errors import ExitCode, exit_code_of, waiting_for_space
from coalmine_server.replica import Replica
from coalmine_server.services.alerting import check_alerts
from coalmine_server.services.intake import EventLimits, EventReader, Intake
from coalmine_server.services.intake.links import FeedbackLinks
from coalmine_server.services.owned_store import SimulatedTime
from coalmine_server.services.production import check_production
from coalmine_server.services.prompt_registry import ensure_local_token, when_open
from coalmine_server.services.sign_on import SignOn
from coalmine_server.services.suites import has_suite
from coalmine_server.settings import Settings
from coalmine_server.sockets import allow_many_connections
from coalmine_server.workers.alert_metrics import AlertMetrics
from coalmine_server.workers.ingest import IngestService
from coalmine_server.workers.ingest_metrics import IngestMetrics, process_registry
from coalmine_server.workers.leases import MEASURES, ChangesElsewhere
from coalmine_server.workers.registry import RegistryService
from coalmine_server.workers.served_metrics import ServedMetrics
from coalmine_server.workers.state import NoStore, ServerStores

LOOPBACK = ("127.", "::1", "localhost")

MOST_VERSIONS = 100_000
"""Versions whose traffic is looked at, to say which are unused."""

Part = Literal["all", "collector", "registry"]
"""What a process runs: everything; collector and API over its store; prompt registry and its API."""
Wanted = Literal["all", "collector", "registry", "answers"]
"""The same, or a replica that only answers."""

_log = structlog.stdlib.get_logger("coalmine.serve")


class Server:
    """One server: `start`, then `stop`. Used by `coalmine serve` and by the demonstration."""

    def __init__(
        self, settings: Settings, part: Part = "all", *, simulated: SimulatedTime | None = None
    ) -> None:
        """Binds the port; nothing else has begun.

        Args:
            settings: All of them.
            part: What to run.
            simulated: Time of a simulation, whose driver has rollouts decided about.

        Raises:
            AddressInUse: The port is taken.
            ConfigurationError: Sign-on lacks what it needs.
        """
        self._settings = settings
        self._part = part
        self._simulated = simulated
        self._secret = secrets.token_hex(32)
        self._sign_on = SignOn.of(settings.oidc)
        self._http = HttpServer(settings.server.host, settings.server.port)
        self.ingest = IngestService(settings, on_owned=self._announce, simulated=simulated)
        self.stores = ServerStores(self.ingest)
        self._events = EventParts(
            EventReader(
                environment=settings.environment,
                capture_text=settings.capture_text,
                ranges=settings.readout.ranges,
            ),
            EventLimits(settings.events.per_minute),
            Intake.of(settings),
            FeedbackLinks.of(settings.events),
        )
        self._metrics = process_registry()
        if part != "registry":
            self._metrics.register(IngestMetrics(self.ingest))
            self._metrics.register(ServedMetrics(self.ingest))
            self._metrics.register(AlertMetrics(self.ingest))
        self._registry: RegistryService | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._http.url

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""
        return self._metrics

    def start(self, stop: threading.Event | None = None) -> None:
        """Starts to answer and to ingest, and returns. While the disk is full it waits and says so.

        Args:
            stop: Ends the waiting.

        Raises:
            CoalmineError: The registry's database cannot be used, or others may write the home.
            Stopped: `stop` was set while it waited.
        """
        settings = self._settings
        if not own_home(settings.home):
            _log.warning("others can look into the home: give it a directory of its own", home=settings.home)
        # Tokens live in it, whatever part this is.
        self._registry = when_open(lambda: waiting_for_space(self._open_registry), stop)
        self._registry.registry.ask_readouts(self._arms_to_promote)
        self._registry.registry.ask_suites(partial(has_suite, settings))
        verifier = Verifier(self._registry.registry.tokens)
        self._changes = ChangesElsewhere(self._registry.registry)
        self._changes.worker.start()
        self._hub = DeploymentHub(self._registry.registry, ENVIRONMENTS, on_revoked=verifier.forget)
        access = AccessParts(
            self._registry.registry,
            verifier,
            FailedLogins(settings.server.failed_logins_per_minute),
            self._sign_on,
        )
        app = create_app(
            access,
            self._metrics,
            NoStore(self._registry.registry) if self._part == "registry" else self.stores,
            with_measures=self._part != "registry",
            prompts=None
            if self._part == "collector"
            else RegistryParts(
                self._registry.registry,
                self._hub,
                self._last_used,
                self.ingest.wake_rollouts,
                settings.rollouts.most_at_once,
            ),
            query_threads=settings.server.query_threads,
            secret=self._secret,
            events=self._events,
            changes_elsewhere=lambda: self._changes.seen,
        )
        allow_many_connections(settings.server.max_connections)
        self._http.start(app, settings.server)
        if self._part != "registry":
            self.ingest.start(self._registry.registry, self._lease_of_measures(self._registry.registry))
        if self._part != "collector":
            self._registry.start()
            # Of two servers, the one that owns the store is announced, and stays so when the standby stops.
            announce_server(settings.home, self.url, "registry", self._secret, replace=False)
        end_start(settings.home)
        _log.info("listening", url=self.url, part=self._part)
        if not settings.server.host.startswith(LOOPBACK):
            _log.warning("reachable from other machines, without TLS: put a proxy with TLS before it")

    def wait_ended(self, timeout_s: float) -> bool:
        """Waits until it has ended by itself. Returns True if it has."""
        return self.ingest.wait_ended(timeout_s)

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if it was not told to stop."""
        return self.ingest.failure

    @property
    def lingering(self) -> list[str]:
        """Workers that did not end when asked."""
        return self.ingest.lingering

    def stop(self) -> bool:
        """Commits what was read, answers open requests, closes the store.

        Returns True if it stopped before the deadline.
        """
        deadline = time.monotonic() + self._settings.server.shutdown_timeout_s
        withdraw_server(self._settings.home)
        in_time = self._part == "registry" or self.ingest.stop(_until(deadline))
        withdraw_server(self._settings.home)  # it may have taken over meanwhile
        if self._registry is not None:
            self._hub.release()
            self._changes.worker.ask_to_stop()
        in_time = self._http.stop(_until(deadline)) and in_time
        in_time = self._events.intake.stop(_until(deadline)) and in_time
        if in_time and self._registry is not None:
            in_time = self._changes.worker.wait_stopped(_until(deadline))
        if in_time and self._registry is not None:
            in_time = self._registry.close(_until(deadline))
        if in_time and not self.ingest.lingering:
            self.ingest.close()
        return in_time

    def _open_registry(self) -> RegistryService:
        service = RegistryService(self._settings, self._simulated)
        try:
            ensure_local_token(
                self._settings.home, service.registry.tokens, shared=self._settings.registry.url is not None
            )
        except BaseException:
            service.registry.close()
            raise
        return service

    def _lease_of_measures(self, registry: Registry) -> Lease | None:
        """None where the registry is in a file of the home: who has the store has the measures."""
        if self._settings.registry.url is None:
            return None
        store = self._settings.store_dir
        # Where it is, too: the lock of a store says nothing about a copy of it.
        home = f"{store_instance_id(store)} at {socket.gethostname()}:{store.resolve()}"
        return Lease(registry, MEASURES, Holder(home, self._settings.server.advertised_url or self.url))

    def _last_used(self) -> Mapping[tuple[str, str], datetime] | None:
        """When each (prompt, version) was last called; None while the traffic is not known here."""
        owned = self.ingest.owned
        if owned is None:
            return None
        rows = queries.versions(owned.store.reader(), limit=MOST_VERSIONS).items
        return {(row.prompt, row.version): row.last_event_time for row in rows if row.last_event_time}

    def _arms_to_promote(self, experiment: str) -> list[str] | None:
        """The arms that the readout of an experiment says to promote; None while there is no store here."""
        owned = self.ingest.owned
        if owned is None:
            return None
        from coalmine_server.services.experiment_plans import arms_to_promote  # noqa: PLC0415 - numpy

        return arms_to_promote(owned.readouts, experiment)

    def _announce(self) -> None:
        announce_server(self._settings.home, self.url, "store", self._secret)
        if self._part == "all":
            announce_server(self._settings.home, self.url, "registry", self._secret)


def serve_until_signal(
    settings: Settings, part: Wanted = "all", *, on_started: Callable[[Server | Replica], None]
) -> ExitCode:
    """Runs a server until SIGTERM, SIGINT or a failure. A second signal ends the process at once.

    Args:
        settings: All of them.
        part: What to run.
        on_started: Told once it listens.
    """
    # `kill -USR1` writes where every thread is to standard error: the first question when something hangs.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if part not in ("registry", "answers"):
        check_alerts(settings)
        check_production(settings)
    for folder in remove_abandoned_folders():
        _log.info("removed what a killed process left of a statement", folder=str(folder))
    server: Server | Replica = Replica(settings) if part == "answers" else Server(settings, part)
    told_to_stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if told_to_stop.is_set():
            os._exit(128 + number)
        told_to_stop.set()

    handlers = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        try:
            server.start(told_to_stop)
        except Stopped:
            return ExitCode.OK
        on_started(server)
        while not (told_to_stop.wait(0.5) or server.wait_ended(0)):
            pass
        _log.info("stopping", signal=told_to_stop.is_set())
        in_time = server.stop()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if not in_time:
        _log.error("not stopped in time; what was not committed is read again at the next start")
        # Threads that do not end would keep the interpreter. Nothing is lost: positions are in the store.
        os._exit(ExitCode.CHECK_FAILED)
    _log.info("stopped")
    if server.lingering and server.failure is None:
        # Everything is committed; what they were at is done again at the next start.
        _log.warning("left jobs behind", jobs=server.lingering)
        os._exit(ExitCode.OK)
    failure = server.failure
    return ExitCode.OK if failure is None else exit_code_of(failure)


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
