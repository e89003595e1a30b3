"""The prompt registry's life in a server: opened, its events sent, closed."""

from coalmine_registry.registry import Registry
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.settings import Settings
from coalmine_server.workers.deployment_events import deployment_events_worker


class RegistryService:
    """A registry that is open, and the worker that sends its events."""

    def __init__(self, settings: Settings) -> None:
        """Opens the registry.

        Raises:
            CoalmineError: Its database cannot be used.
        """
        self.registry: Registry = open_registry(settings)
        self._worker = deployment_events_worker(settings, self.registry)

    def start(self) -> None:
        """Starts to send events of deployments, and returns."""
        self._worker.start()

    def close(self, timeout_s: float) -> bool:
        """Closes the registry. Returns True if the worker stopped before the deadline."""
        self._worker.ask_to_stop()
        in_time = self._worker.wait_stopped(timeout_s)
        if in_time:
            self.registry.close()
        return in_time
