"""The prompt registry's life in a server: opened, served, its events sent, closed."""

from collections.abc import Mapping
from datetime import datetime

from coalmine_registry.records import ENVIRONMENTS
from coalmine_server.api.app import RegistryParts
from coalmine_server.api.hub import DeploymentHub
from coalmine_server.services.local import LocalAnswers
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.services.questions import Page, Selection
from coalmine_server.settings import Settings
from coalmine_server.workers.ingest import IngestService
from coalmine_server.workers.outbox import OutboxWorker
from coalmine_server.workers.side_jobs import SideJob

MOST_VERSIONS = 100_000
"""Versions whose traffic is looked at; nobody has as many."""


class RegistryService:
    """A registry that is open."""

    def __init__(self, settings: Settings, ingest: IngestService) -> None:
        """Opens the registry.

        Args:
            settings: All of them.
            ingest: Knows the traffic, while it owns the store.

        Raises:
            CoalmineError: Its database cannot be used.
        """
        self._settings = settings
        self._ingest = ingest
        self.registry = open_registry(settings)
        self._hub = DeploymentHub(self.registry, ENVIRONMENTS)
        self._outbox = OutboxWorker(settings, self.registry)
        self._job = SideJob("outbox", self._outbox.run)

    @property
    def parts(self) -> RegistryParts:
        """What the routes work with."""
        return RegistryParts(self.registry, self._hub, self._last_used)

    def start(self) -> None:
        """Begins to send events of deployments, and returns."""
        self._job.start()

    def let_go(self) -> None:
        """Answers all clients that wait for a change, because the server stops."""
        self._hub.release()

    def close(self, timeout_s: float) -> bool:
        """Ends; nobody asks any more. Whether in time."""
        self._job.ask_to_stop()
        self._outbox.wake()
        in_time = self._job.wait_stopped(timeout_s)
        if in_time:
            self.registry.close()
        return in_time

    def _last_used(self) -> Mapping[tuple[str, str], datetime] | None:
        owned = self._ingest.owned
        if owned is None:
            return None
        answers = LocalAnswers(owned.store, self._settings, owned.since)
        items = answers.versions(Selection(), Page(limit=MOST_VERSIONS)).items
        return {
            (item.prompt, item.version): item.last_event_time
            for item in items
            if item.last_event_time is not None
        }
