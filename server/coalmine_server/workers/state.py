"""What the HTTP API may do at the moment, from where the ingest service stands."""

from coalmine_consumers.store.reader import Reader
from coalmine_server.api.problems import FAILED, NOT_FOUND, STANDBY, STARTING, STOPPING, ProblemError
from coalmine_server.services.local import LocalAnswers
from coalmine_server.services.questions import Answers
from coalmine_server.services.rebuild import RebuildTask
from coalmine_server.settings import Settings
from coalmine_server.workers.ingest import IngestService, Owned

RETRY_AFTER_S = 1


class ServerState:
    """Implements `coalmine_server.api.app.Serving` over an ingest service."""

    def __init__(self, settings: Settings, ingest: IngestService) -> None:
        self._settings = settings
        self._ingest = ingest
        self._rebuild = RebuildTask()

    def why_not_ready(self) -> ProblemError | None:
        """None if the store is ours and the collector has once reached its source.

        A broker that goes away later does not make it less ready: questions can be answered.
        """
        situation = self._ingest.situation
        match situation.phase:
            case "starting":
                return ProblemError(STARTING, "opening the store", retry_after_s=RETRY_AFTER_S)
            case "standby":
                return ProblemError(STANDBY, situation.reason or "", retry_after_s=RETRY_AFTER_S)
            case "stopping":
                return ProblemError(STOPPING, "asked to stop", retry_after_s=RETRY_AFTER_S)
            case "failed":
                return ProblemError(FAILED, situation.reason or "see the log")
            case "running" if self._ingest.health() is None:
                reason = self._ingest.waiting_for or "opening the source"
                return ProblemError(STARTING, reason, retry_after_s=RETRY_AFTER_S)
            case "running":
                return None

    def answers(self) -> Answers:
        """The store, while it is ours; also while stopping, until it is let go."""
        owned = self._owned()
        return LocalAnswers(
            owned.store,
            self._settings,
            owned.since,
            self._ingest,
            self._rebuild,
            owned.readouts,
            owned.drifts,
        )

    def reader(self) -> Reader:
        """The store, while it is ours."""
        return self._owned().store.reader()

    def _owned(self) -> Owned:
        owned = self._ingest.owned
        if owned is None:
            raise self.why_not_ready() or ProblemError(STOPPING, "asked to stop")
        return owned


class RegistryOnly:
    """Implements `coalmine_server.api.app.Serving` where only the prompt registry runs."""

    def why_not_ready(self) -> ProblemError | None:
        """It is ready once it listens: its database was opened before."""
        return None

    def answers(self) -> Answers:
        """Nobody answers questions about measures here."""
        raise ProblemError(NOT_FOUND, "this server runs the prompt registry alone and has no measures")

    def reader(self) -> Reader:
        """Nor is there a store."""
        raise ProblemError(NOT_FOUND, "this server runs the prompt registry alone and has no store")
