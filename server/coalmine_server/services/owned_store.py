"""The store that this process owns, with what answers questions about it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from coalmine_consumers.store import Store
from coalmine_server.services.rebuild import RebuildTask
from coalmine_server.settings import Settings

if TYPE_CHECKING:  # they import numpy, which questions about measures do not need
    from coalmine_analytics.drift import Drifts
    from coalmine_analytics.readout import Plan, Readouts
    from coalmine_consumers.collector.health import CollectorHealth
    from coalmine_server.services.experiment_plans import ExperimentRegistry


class Ingest(Protocol):
    """What services need to know of the collector, where one runs."""

    @property
    def waiting_for(self) -> str | None:
        """What keeps the collector from its source."""
        ...

    def health(self) -> "CollectorHealth | None":
        """Collector status, once there is a collector."""
        ...


@dataclass(frozen=True)
class OwnedStore:
    """A store, and the looks, drift detectors and rebuild of this process."""

    store: Store
    settings: Settings
    experiments: "ExperimentRegistry | None" = None
    """Knows how experiments were planned."""
    ingest: Ingest | None = None
    """The collector; None where a command asks without a server."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the store became ours."""
    rebuild: RebuildTask = field(default_factory=RebuildTask)

    @cached_property
    def readouts(self) -> "Readouts":
        """The looks of this process at experiments."""
        from coalmine_server.services.readouts import make_readouts  # noqa: PLC0415

        return make_readouts(self.store, self.settings.readout, self.experiments)

    @cached_property
    def drifts(self) -> "Drifts":
        """The drift detectors of this process."""
        from coalmine_server.services.drift import make_drifts  # noqa: PLC0415

        return make_drifts(self.store, self.settings)

    @cached_property
    def plan(self) -> "Plan":
        """The plan for versions that are not in an experiment."""
        from coalmine_server.services.readouts import plans_of  # noqa: PLC0415

        return plans_of(self.settings.readout).default
