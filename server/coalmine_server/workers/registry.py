"""The prompt registry's life in a server: opened, its events sent, closed."""

from coalmine_registry.registry import Registry
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.settings import Settings
from coalmine_server.workers.outbox import OutboxWorker
from coalmine_server.workers.side_jobs import SideJob


class RegistryService:
    """A registry that is open, and the worker that sends its events."""

    def __init__(self, settings: Settings) -> None:
        """Opens the registry.

        Raises:
            CoalmineError: Its database cannot be used.
        """
        self.registry: Registry = open_registry(settings)
        self._outbox = OutboxWorker(settings, self.registry)
        self._job = SideJob("outbox", self._outbox.run)

    def start(self) -> None:
        """Begins to send events of deployments, and returns."""
        self._job.start()

    def close(self, timeout_s: float) -> bool:
        """Closes the registry. Returns True if the worker stopped before the deadline."""
        self._job.ask_to_stop()
        self._outbox.wake()
        in_time = self._job.wait_stopped(timeout_s)
        if in_time:
            self.registry.close()
        return in_time
