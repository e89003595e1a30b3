"""The store that this process owns, with what answers questions about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, Protocol

from coalmine_consumers.store import Store
from coalmine_server.errors import Unavailable
from coalmine_server.late_logs import configure_now
from coalmine_server.services.rebuild import RebuildTask
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_analytics.drift import Drifts
    from coalmine_analytics.readout import Plan, Readouts
    from coalmine_consumers.collector.health import CollectorHealth
    from coalmine_registry.operations.transaction import Transaction
    from coalmine_registry.registry import Registry
    from coalmine_rollouts.controller import Controller
    from coalmine_server.services.alerting import Alerting
    from coalmine_server.services.evals import Evaluations
    from coalmine_server.services.experiment_plans import ExperimentRegistry
    from coalmine_server.services.snapshots import Snapshots


Phase = Literal["starting", "standby", "stopping", "failed"]

RETRY_AFTER_S = 1


class NotReady(Unavailable):
    """The store cannot answer now.

    Args:
        phase: Why: the process is starting, waits as a standby, is stopping, or has failed.
        reason: More about it, for people.
        at_work: Whether it gets ready by itself, and waits for nobody else.
    """

    def __init__(self, phase: Phase, reason: str, *, at_work: bool = False) -> None:
        super().__init__(reason)
        self.phase = phase
        self.reason = reason
        self.at_work = at_work
        self.retry_after_s = None if phase == "failed" else RETRY_AFTER_S
        """Seconds after which asking again may help."""

    def __reduce__(self) -> tuple[object, tuple[Phase, str]]:
        return (partial(type(self), at_work=self.at_work), (self.phase, self.reason))


class Ingest(Protocol):
    """What services need to know of the collector, where one runs."""

    @property
    def waiting_for(self) -> str | None:
        """What keeps the collector from its source."""
        ...

    def health(self) -> "CollectorHealth | None":
        """Collector status, once there is a collector."""
        ...

    def rollout_tick_age_s(self) -> float | None:
        """Seconds since rollouts were last decided about; None where nobody does."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedTime:
    """Time that stands still until a simulation moves it on: its driver takes looks and decides."""

    clock: Callable[[], datetime]
    step_s: float
    """Simulated seconds between two decisions, at most."""


@dataclass(frozen=True)
class OwnedStore:
    """A store, and the looks, drift detectors and rebuild of this process."""

    store: Store
    settings: Settings
    experiments: "ExperimentRegistry | None" = None
    """Knows how experiments were planned."""
    registry: "Registry | None" = None
    """The prompt registry; None where a command asks without a server."""
    ingest: Ingest | None = None
    """The collector; None where a command asks without a server."""
    simulated: SimulatedTime | None = None
    """None: the machine's time."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the store became ours."""
    acting: Callable[[], bool] = lambda: True
    """False while another server may do what must be done once: decide, tell, publish, evaluate."""
    fence: "Callable[[Transaction], None]" = lambda _: None
    """Raises, in a transaction of the registry, if another server does so by now."""
    as_of: Callable[[], datetime | None] = lambda: None
    """For a replica: everything committed until then is in its snapshot; None: it is the store itself."""
    rebuild: RebuildTask = field(default_factory=RebuildTask)

    def clock(self) -> datetime:
        """The time: simulated, or the machine's."""
        return datetime.now(UTC) if self.simulated is None else self.simulated.clock()

    @cached_property
    def snapshots(self) -> "Snapshots":
        """The snapshots that replicas of answers are given."""
        from coalmine_server.services.snapshots import FOLDER, Snapshots  # noqa: PLC0415

        return Snapshots(self.settings.home / FOLDER)

    @cached_property
    def readouts(self) -> "Readouts":
        """The looks of this process at experiments."""
        from coalmine_server.services.experiment_plans import make_readouts  # noqa: PLC0415

        clock = None if self.simulated is None else self.simulated.clock
        return make_readouts(self.store, self.settings.readout, self.experiments, clock)

    @cached_property
    def drifts(self) -> "Drifts":
        """The drift detectors of this process."""
        from coalmine_server.services.drift import make_drifts  # noqa: PLC0415

        return make_drifts(self.store, self.settings)

    @cached_property
    def controller(self) -> "Controller":
        """Decides about rollouts.

        Raises:
            Unavailable: This process has no registry.
        """
        from coalmine_rollouts.controller import Controller  # noqa: PLC0415 - imports SQLAlchemy

        controller = partial(
            Controller,
            self.known_registry,
            self.store,
            self.readouts,
            source_lag_s=self.source_lag_s,
            missing_scores=self.missing_scores,
            fence=self.fence,
        )
        if self.simulated is None:
            return controller()
        return controller(clock=self.simulated.clock, longest_gap_s=self.simulated.step_s)

    @cached_property
    def alerts(self) -> "Alerting":
        """The alerts of this process."""
        from coalmine_server.services.alerting import Alerting  # noqa: PLC0415 - imports SQLAlchemy

        configure_now()  # they log by structlog
        return Alerting(self)

    @cached_property
    def evaluations(self) -> "Evaluations":
        """The evaluations of this process."""
        from coalmine_server.services.evals import Evaluations  # noqa: PLC0415 - imports SQLAlchemy

        configure_now()  # they log by structlog
        return Evaluations(self)

    def missing_scores(self, environment: str, prompt: str) -> Mapping[str, str]:
        """Returns why scores of a prompt fail to come, by metric."""
        if self.settings.production_file is None:
            return {}
        return self.evaluations.production.missing_scores(environment, prompt)

    def close_databases(self) -> None:
        """Closes the databases of alerts and of evaluations, if they were opened."""
        for name in ("alerts", "evaluations"):
            if name in self.__dict__:
                self.__dict__[name].close()

    @property
    def known_registry(self) -> "Registry":
        """The prompt registry.

        Raises:
            Unavailable: This process has none.
        """
        if self.registry is None:
            raise Unavailable(f"no server runs in {self.settings.home}", "start one with `coalmine serve`")
        return self.registry

    def source_lag_s(self) -> float | None:
        """Seconds since everything that waits was committed; None if that is not known."""
        health = None if self.ingest is None else self.ingest.health()
        if health is None:
            return None
        if not health.lag.messages and health.state != "waiting":
            return 0.0
        return (datetime.now(UTC) - (health.last_commit_at or self.since)).total_seconds()

    @cached_property
    def plan(self) -> "Plan":
        """The plan for versions that are not in an experiment."""
        from coalmine_server.services.plan_metrics import plans_of  # noqa: PLC0415

        return plans_of(self.settings.readout).default
