"""The collector's life in a server: wait for the store as a standby, take it over, run, stop."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.collector.health import CollectorHealth
from coalmine_consumers.collector.standby import wait_for_lock
from coalmine_consumers.maintenance.housekeeping import Housekeeping, HousekeepingHealth
from coalmine_consumers.store import Store
from coalmine_registry.errors import LeaseLost
from coalmine_registry.leases import Lease
from coalmine_registry.registry import Registry
from coalmine_schemas.discovery import find_server
from coalmine_schemas.errors import Transient
from coalmine_schemas.retry import RetryPolicy, Stopped, retry
from coalmine_server.errors import waiting_for_space
from coalmine_server.services.owned_store import OwnedStore, SimulatedTime
from coalmine_server.services.store_settings import store_settings
from coalmine_server.services.wiring import (
    collector_settings,
    decoding,
    maintenance_policy,
    make_source,
    pricer,
)
from coalmine_server.settings import Settings
from coalmine_server.workers.leases import LOOK_S, MEASURES, lease_worker, released, whom_to_ask
from coalmine_server.workers.store_workers import store_workers
from coalmine_server.workers.worker import Worker, WorkerHealth

Phase = Literal["starting", "standby", "running", "stopping", "failed"]

WATCH_EVERY_S = 0.5
"""How often the collector's threads are looked at."""

WORKER_TIMEOUT_S = 5.0
"""How long a worker may take to end."""

_log = structlog.stdlib.get_logger("coalmine.ingest")


@dataclass(frozen=True, slots=True)
class Situation:
    """Where in its life it is."""

    phase: Phase
    reason: str | None = None


class IngestService:
    """Runs a collector on the store of one home directory, on threads of its own."""

    def __init__(
        self, settings: Settings, *, on_owned: Callable[[], None], simulated: SimulatedTime | None = None
    ) -> None:
        """Prepares.

        Args:
            settings: All of them.
            on_owned: Called once, when the store is ours.
            simulated: Time of a simulation, whose driver has rollouts decided about.
        """
        self._simulated = simulated
        self._settings = settings
        self._on_owned = on_owned
        self._retry = RetryPolicy(max_s=settings.ingest.retry_max_s)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._situation = Situation("starting")
        self._owned: OwnedStore | None = None
        self._registry: Registry | None = None
        self._lease: Lease | None = None
        self._collector: Collector | None = None
        self._housekeeping: Housekeeping | None = None
        self._waiting_for: str | None = None
        self._failure: BaseException | None = None
        self._stop_timeout_s = settings.server.shutdown_timeout_s
        self._clean = True
        self._lingering: list[str] = []
        self._workers: Sequence[Worker] = ()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self, registry: Registry, lease: Lease | None = None) -> None:
        """Begins, and returns.

        Args:
            registry: Knows how experiments were planned, and has the rollouts.
            lease: Who holds it has the measures of the registry; None where only this home uses it.
        """
        self._registry, self._lease = registry, lease
        self._thread.start()

    @property
    def situation(self) -> Situation:
        """Where it is now."""
        return self._situation

    @property
    def owned(self) -> OwnedStore | None:
        """The store, while it is ours."""
        return self._owned

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if it was not told to stop."""
        return self._failure

    @property
    def waiting_for(self) -> str | None:
        """What keeps the collector from its source at the moment, if anything."""
        return self._waiting_for

    def health(self) -> CollectorHealth | None:
        """How the collector is, once there is one."""
        collector = self._collector
        return None if collector is None else collector.health()

    @property
    def lingering(self) -> list[str]:
        """Workers that did not end when asked. Nothing is lost by leaving them behind."""
        return self._lingering

    def housekeeping(self) -> HousekeepingHealth | None:
        """How housekeeping is, once it has begun."""
        return None if self._housekeeping is None else self._housekeeping.health()

    def workers(self) -> Mapping[str, WorkerHealth]:
        """Status of the workers beside the collector, by name."""
        return {worker.name: worker.health() for worker in self._workers}

    def rollout_tick_age_s(self) -> float | None:
        """Seconds since rollouts were last decided about without a failure; None where nobody does."""
        return self._tick_age_s("rollouts")

    def alerts_tick_age_s(self) -> float | None:
        """Seconds since alerts were last evaluated without a failure; None where nobody does."""
        return self._tick_age_s("alerts")

    def _tick_age_s(self, name: str) -> float | None:
        worker = self._worker(name)
        return None if worker is None else time.monotonic() - worker.health().since

    def wake_rollouts(self) -> None:
        """Has rollouts decided about now. Any thread may call it."""
        worker = self._worker("rollouts")
        if worker is not None:
            worker.wake()

    def _worker(self, name: str) -> Worker | None:
        return next((worker for worker in self._workers if worker.name == name), None)

    def wait_ended(self, timeout_s: float) -> bool:
        """Waits until it has ended by itself. Returns True if it has."""
        return self._ended.wait(timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Finishes and commits the batch at hand; the store stays open for questions.

        Returns True if it stopped before the deadline.
        """
        if self._situation.phase != "failed":
            self._situation = Situation("stopping")
        self._stop_timeout_s = timeout_s
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._clean

    def close(self) -> None:
        """Closes the store, for a standby to take over. Call it after `stop`."""
        if self._owned is not None:
            owned, self._owned = self._owned, None
            owned.close_databases()
            owned.store.close()

    def _run(self) -> None:
        try:
            self._live()
        except Stopped:
            pass
        except LeaseLost as error:
            _log.warning("another server has taken over", reason=str(error))
            self._failure = error
            self._situation = Situation("failed", str(error))
        except BaseException as error:  # noqa: BLE001 - a panic in a native library is no Exception
            _log.exception("ingest failed")
            self._failure = error
            self._situation = Situation("failed", f"{type(error).__name__}: {error}")
        finally:
            self._ended.set()

    def _live(self) -> None:
        directory = self._settings.store_dir
        limits = store_settings(self._settings.store, self._settings.readout)
        store = retry(
            lambda: wait_for_lock(
                lambda: waiting_for_space(lambda: Store.open(directory, limits)),
                self._stop,
                on_wait=self._stand_by,
            ),
            self._retry,
            self._stop,
            self._store_fails,
        )
        self._waiting_for = None
        if store is None:
            return
        lease = self._lease
        owned = OwnedStore(
            store, self._settings, self._registry, self._registry, self, simulated=self._simulated
        )
        if lease is not None:
            owned = replace(owned, acting=lambda: lease.acting, fence=lease.check)
            try:
                ours = self._wait_for_lease(lease)
            except BaseException:
                store.close()
                raise
            if not ours:
                store.close()
                return
        with self._kept(lease):
            self._own(owned)

    def _wait_for_lease(self, lease: Lease) -> bool:
        """Waits until the measures of the registry are ours. Returns False if it is to stop."""
        while not self._stop.is_set():
            if retry(lease.hold, self._retry, self._stop, self._store_fails):
                self._waiting_for = None
                return True
            assert self._registry is not None
            url = whom_to_ask(self._registry)
            where = "another server" if url is None else f"the server at {url}"
            if self._situation.phase == "starting":
                _log.warning("standby: another server has the measures", server=url)
            if not self._stop.is_set():
                reason = (
                    f"{where} has the measures of this registry: ask it; this one takes over when it ends"
                )
                self._situation = Situation("standby", reason)
            self._stop.wait(LOOK_S)
        return False

    @contextmanager
    def _kept(self, lease: Lease | None) -> Iterator[None]:
        """Renews the lease during the block, and lets it go after it."""
        if lease is None:
            yield
            return
        keeper = lease_worker(MEASURES, lease)
        keeper.start()
        try:
            yield
        finally:
            keeper.ask_to_stop()
            if keeper.wait_stopped(WORKER_TIMEOUT_S) and self._clean and not self._lingering:
                released(lease)

    def _own(self, owned: OwnedStore) -> None:
        self._owned = owned
        if not self._stop.is_set():
            self._situation = Situation("running")
        self._on_owned()
        _log.info("owns the store", directory=str(owned.store.directory))
        self._collect(owned)

    def _stand_by(self, pid: int | None) -> None:
        if self._stop.is_set():
            return
        owner = "another process" if pid is None else f"process {pid}"
        found = find_server(self._settings.home, "store")
        where = "" if found is None or found.pid != pid else f", at {found.url}"
        reason = f"{owner}{where} owns the store; this one takes over when it ends"
        self._situation = Situation("standby", reason)

    def _collect(self, owned: OwnedStore) -> None:
        source = retry(
            lambda: make_source(self._settings, owned.store),
            self._retry,
            self._stop,
            self._source_fails,
        )
        self._waiting_for = None
        with decoding(self._settings) as decoder:
            settings = collector_settings(self._settings.ingest)
            collector = Collector(
                source, owned.store, decoder, pricer=pricer(self._settings), settings=settings
            )
            self._run_collector(owned, collector)

    def _run_collector(self, owned: OwnedStore, collector: Collector) -> None:
        policy = maintenance_policy(self._settings.store, self._settings.retention)
        self._housekeeping = Housekeeping(owned.store, policy)
        workers = self._workers = store_workers(owned, self._housekeeping)
        collector.start()
        for worker in workers:
            worker.start()
        self._collector = collector
        try:
            committed = 0
            while not self._stop.wait(WATCH_EVERY_S):
                if collector.wait(0):
                    break
                self._check_lease()
                if (batches := collector.health().batches) != committed:
                    committed = batches
                    self.wake_rollouts()
        finally:
            for worker in workers:
                worker.ask_to_stop()
            self._clean = collector.stop(self._stop_timeout_s)
            self._lingering = [each.name for each in workers if not each.wait_stopped(WORKER_TIMEOUT_S)]

    def _check_lease(self) -> None:
        """Ends it once another server has taken over: started again, it is a standby.

        Raises:
            LeaseLost: It has.
        """
        if self._lease is not None and (taken := self._lease.lost_to) is not None:
            where = "another server" if taken.url is None else f"the server at {taken.url}"
            raise LeaseLost(f"{where} has taken over the measures of this registry")

    def _store_fails(self, error: Transient, pause_s: float) -> None:
        self._waiting_for = str(error)
        _log.warning("the store cannot be opened", reason=str(error), again_in_s=round(pause_s, 1))

    def _source_fails(self, error: Transient, pause_s: float) -> None:
        self._waiting_for = str(error)
        _log.warning("the source does not answer", reason=str(error), again_in_s=round(pause_s, 1))
