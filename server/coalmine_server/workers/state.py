"""The store of a server, from the point of view of the API."""

from coalmine_registry.registry import Registry
from coalmine_server.errors import NotFound
from coalmine_server.services.owned_store import NotReady, OwnedStore
from coalmine_server.workers.ingest import IngestService
from coalmine_server.workers.leases import whom_to_ask

ROLLOUTS_OVERDUE_S = 60.0
"""They are decided about every five seconds."""
ALERTS_OVERDUE_S = 600.0
"""They are evaluated every `alerts.evaluate_every_s`, five minutes at most."""


class ServerStores:
    """Implements `coalmine_server.api.app.Stores` over an ingest service."""

    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest

    def why_not_ready(self) -> NotReady | None:
        """None if the store is ours and the collector has once reached its source.

        A broker that goes away later does not make it less ready: questions can be answered.
        """
        situation = self._ingest.situation
        match situation.phase:
            case "starting":
                return self._starting("opening the store")
            case "standby":
                return NotReady("standby", situation.reason or "")
            case "stopping":
                return NotReady("stopping", "shutting down")
            case "failed":
                return NotReady("failed", situation.reason or "see the log")
            case "running" if self._ingest.health() is None:
                return self._starting("opening the source")
            case "running":
                return None

    def why_degraded(self) -> str | None:
        """Says so if nobody decides about rollouts, or evaluates alerts: traffic goes on, but unwatched."""
        age_s = self._ingest.rollout_tick_age_s()
        if age_s is not None and age_s > ROLLOUTS_OVERDUE_S:
            return f"rollouts were last decided about {age_s:.0f} s ago: see the log for the worker rollouts"
        age_s = self._ingest.alerts_tick_age_s()
        if age_s is not None and age_s > ALERTS_OVERDUE_S:
            return f"alerts were last evaluated {age_s:.0f} s ago: see the log for the worker alerts"
        return None

    def _starting(self, work: str) -> NotReady:
        waiting_for = self._ingest.waiting_for
        return NotReady("starting", waiting_for or work, at_work=waiting_for is None)

    def owned_store(self) -> OwnedStore:
        """The store, while it is ours; also while stopping, until it is closed."""
        owned = self._ingest.owned
        if owned is None:
            raise self.why_not_ready() or NotReady("stopping", "shutting down")
        return owned


class NoStore:
    """Implements `coalmine_server.api.app.Stores` where only the prompt registry runs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def why_not_ready(self) -> None:
        """It is ready once it listens: its database was opened before."""
        return

    def why_degraded(self) -> None:
        """Nothing runs here beside the API."""
        return

    def owned_store(self) -> OwnedStore:
        """There is no store here."""
        url = whom_to_ask(self._registry)
        raise NotFound(
            "this server runs only the prompt registry and has no measures",
            None if url is None else f"ask the server at {url}",
        )
