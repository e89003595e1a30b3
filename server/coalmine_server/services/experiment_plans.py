"""Plans of experiments as the prompt registry knows them, below what the settings say.

The registry keeps the split of every allocation epoch, and which arm is the control. Its deployment events
say the same to whoever reads them, but not at once, not while Kafka is away, and of several experiments on
one prompt they tell of one only. So both are used: the registry first, events for what it does not know (a
collector apart from it, a registry made anew).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from coalmine_registry.errors import NotFound
from coalmine_registry.records import ExperimentRecord
from coalmine_schemas.errors import Transient
from coalmine_server.settings import Settings

if TYPE_CHECKING:  # numpy, which a question about measures does not need
    from coalmine_analytics.readout import ExperimentPlans, Plan

AGAIN_S = 30.0
"""How long a registry that did not answer is left alone: asking may take seconds, and readouts wait."""

_log = structlog.stdlib.get_logger("coalmine.readouts")


class ExperimentRegistry(Protocol):
    """What is needed of a registry; `coalmine_registry.registry.Registry` has it."""

    def experiment(self, name: str) -> ExperimentRecord:
        """One experiment with the history of its weights.

        Raises:
            NotFound: There is none.
            Transient: It cannot be said now.
        """
        ...


class RegistryPlans:
    """Implements `ExperimentPlans`; what the settings say of an experiment counts more than the registry.

    While the registry does not answer, what it said last is used: control and past splits never change.

    Args:
        settings: Plans that the settings know.
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
        splits = {
            epoch.allocation_epoch: {arm.variant: arm.weight for arm in epoch.arms} for epoch in record.epochs
        }
        return replace(
            plan,
            control=plan.control or record.arms[-1].variant,
            epoch_weights={**splits, **plan.epoch_weights},
        )

    def _record(self, experiment: str) -> ExperimentRecord | None:
        known = self._known.get(experiment)
        if (known is not None and known.status == "stopped") or self._clock() < self._ask_again_at:
            return known
        try:
            self._known[experiment] = self._registry.experiment(experiment)
        except NotFound:
            self._known.pop(experiment, None)
        except Transient as error:
            self._ask_again_at = self._clock() + AGAIN_S
            _log.warning("plans of experiments are as last known", reason=str(error))
        return self._known.get(experiment)


class RegistryWhenAsked:
    """The registry of a command without a server: opened for each question, and only if there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def experiment(self, name: str) -> ExperimentRecord:
        """See `ExperimentRegistry.experiment`."""
        if self._settings.registry.url is None and not self._settings.registry_file.exists():
            raise NotFound("there is no registry yet: `coalmine serve` makes one")
        # A third of a second for SQLAlchemy, which other commands do not need.
        from coalmine_server.services.prompt_registry import open_registry  # noqa: PLC0415

        with open_registry(self._settings) as registry:
            return registry.experiment(name)
