"""Plans of experiments, from the prompt registry; settings fill in what it leaves open.

The registry knows the weights of every allocation epoch and which arm is the control. Its deployment events
carry the same, but late, and not while Kafka is down. So both are used: the registry first, events for what
it does not know (a collector that runs apart, a new registry).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from coalmine_consumers.store import Store
from coalmine_registry.errors import NotFound
from coalmine_schemas.errors import Transient
from coalmine_server.settings import Settings
from coalmine_server.settings.readout import ReadoutSettings

if TYPE_CHECKING:  # numpy and the registry's records, which a question about measures does not need
    from coalmine_analytics.readout import ExperimentPlans, Plan, Readouts
    from coalmine_registry.records import ExperimentRecord

AGAIN_S = 30.0
"""Seconds before asking a registry again that did not respond: readouts wait for the answer."""

_log = logging.getLogger("coalmine.readouts")


class ExperimentRegistry(Protocol):
    """The part of a registry that is used; implemented by `coalmine_registry.registry.Registry`."""

    def experiment(self, name: str) -> "ExperimentRecord":
        """Returns one experiment with the history of its weights.

        Raises:
            NotFound: The experiment does not exist.
            Transient: The registry does not respond now.
        """
        ...


class RegistryPlans:
    """Implements `ExperimentPlans`; what the registry says takes precedence over the settings.

    While the registry does not respond, its last answer is used: control and past weights never change.

    Args:
        settings: Plans from the settings.
        registry: The registry.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: "ExperimentPlans",
        registry: ExperimentRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._known: dict[str, ExperimentRecord] = {}
        self._ask_again_at = float("-inf")

    def plan_of(self, experiment: str) -> "Plan":
        """See `ExperimentPlans.plan_of`."""
        plan = self._settings.plan_of(experiment)
        record = self._record(experiment)
        if record is None:
            return plan
        from coalmine_server.services.plan_metrics import plan_with  # noqa: PLC0415 - numpy

        plan = plan_with(record.plan, plan)
        splits = {
            epoch.allocation_epoch: {arm.variant: arm.weight for arm in epoch.arms} for epoch in record.epochs
        }
        return replace(
            plan,
            control=record.arms[-1].variant,
            epoch_weights={**plan.epoch_weights, **splits},
            is_whole=True,
            stopped_at=record.stopped_at,
        )

    def _record(self, experiment: str) -> "ExperimentRecord | None":
        known = self._known.get(experiment)
        if (known is not None and known.status == "stopped") or self._clock() < self._ask_again_at:
            return known
        try:
            self._known[experiment] = self._registry.experiment(experiment)
        except NotFound:
            self._known.pop(experiment, None)
        except Transient as error:
            self._ask_again_at = self._clock() + AGAIN_S
            _log.warning(
                "the registry does not respond; using the last known plans of experiments",
                extra={"reason": str(error)},
            )
        return self._known.get(experiment)


def arms_to_promote(readouts: "Readouts", experiment: str) -> list[str]:
    """Returns the arms of an experiment that its latest look says to promote."""
    readout = readouts.current(experiment, max_age=timedelta.max)
    return [] if readout is None else [arm.arm for arm in readout.arms if arm.decision == "promote"]


class RegistryWhenAsked:
    """The registry of a command without a server: opened for each question, if it exists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def experiment(self, name: str) -> "ExperimentRecord":
        """See `ExperimentRegistry.experiment`."""
        if self._settings.registry.url is None and not self._settings.registry_file.exists():
            raise NotFound("no registry yet: `coalmine serve` creates it")
        # SQLAlchemy takes a third of a second, and other commands do not need it.
        from coalmine_server.services.prompt_registry import open_registry  # noqa: PLC0415

        with open_registry(self._settings) as registry:
            return registry.experiment(name)


def make_readouts(
    store: Store,
    settings: ReadoutSettings,
    registry: ExperimentRegistry | None = None,
    clock: Callable[[], datetime] | None = None,
) -> "Readouts":
    """Readouts of a store, judged as the settings say, and as the registry planned where they say nothing."""
    from coalmine_analytics.readout import Readouts  # noqa: PLC0415 - numpy
    from coalmine_server.services.plan_metrics import plans_of  # noqa: PLC0415

    plans = plans_of(settings)
    known = plans if registry is None else RegistryPlans(plans, registry)
    return Readouts(store, known) if clock is None else Readouts(store, known, clock=clock)
