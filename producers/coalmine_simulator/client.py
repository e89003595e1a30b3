"""What playing needs of a client. `coalmine.Coalmine` has it; so has the recorder here, for dry runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore

__all__ = ["Client", "ClientFactory", "ClientStats", "RecordingClient", "total_stats"]


class ClientStats(Protocol):
    """A client's own counts; `coalmine.Stats` has them."""

    @property
    def produced(self) -> int:
        """Events given to the client."""

    @property
    def delivered(self) -> int:
        """Events that Kafka acknowledged."""

    @property
    def spooled(self) -> int:
        """Events written to the spool."""

    @property
    def queued(self) -> int:
        """Events still in memory."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Events lost, by reason."""


class Client(Protocol):
    """Takes finished events with their own times. Made with `on_full="wait"`, it loses none of them."""

    def emit_request(self, event: PromptRequest, /) -> object:
        """Queue a finished call."""

    def emit_feedback(self, event: PromptFeedback, /) -> object:
        """Queue feedback."""

    def emit_score(self, event: PromptScore, /) -> object:
        """Queue a score."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is delivered or spooled; False if it took longer."""

    def stats(self) -> ClientStats:
        """Counts so far."""


ClientFactory: TypeAlias = Callable[[str, str], Client]
"""Makes the client of a service from its app and environment; called once for each."""


@dataclass(frozen=True, slots=True)
class SentStats:
    """Counts of one or several clients."""

    produced: int = 0
    delivered: int = 0
    spooled: int = 0
    queued: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


def total_stats(clients: Mapping[object, Client] | list[Client]) -> SentStats:
    """The counts of several clients together."""
    found = [client.stats() for client in (clients.values() if isinstance(clients, Mapping) else clients)]
    dropped: dict[str, int] = {}
    for stats in found:
        for reason, events in stats.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + events
    return SentStats(
        produced=sum(stats.produced for stats in found),
        delivered=sum(stats.delivered for stats in found),
        spooled=sum(stats.spooled for stats in found),
        queued=sum(stats.queued for stats in found),
        dropped=dropped,
    )


class RecordingClient:
    """Keeps every event in memory and sends nothing."""

    def __init__(self) -> None:
        self.requests: list[PromptRequest] = []
        self.feedback: list[PromptFeedback] = []
        self.scores: list[PromptScore] = []

    def emit_request(self, event: PromptRequest, /) -> None:
        """Keep a call."""
        self.requests.append(event)

    def emit_feedback(self, event: PromptFeedback, /) -> None:
        """Keep feedback."""
        self.feedback.append(event)

    def emit_score(self, event: PromptScore, /) -> None:
        """Keep a score."""
        self.scores.append(event)

    def flush(self, timeout_s: float) -> bool:
        """There is nothing to wait for."""
        return timeout_s >= 0

    def stats(self) -> SentStats:
        """Everything counts as delivered."""
        events = len(self.requests) + len(self.feedback) + len(self.scores)
        return SentStats(produced=events, delivered=events)
