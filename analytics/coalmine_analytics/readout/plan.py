"""The plan of an experiment, fixed before it begins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from coalmine_analytics.errors import check_alpha, invalid
from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.results.readout import AlphaBudget
from coalmine_consumers.experiments import ExperimentSums

Weights = Mapping[str, float]
"""Planned share of units by arm, in any scale."""


_NO_EPOCH = 0
"""Of requests that name none."""
_BUDGET = (0.8, 0.18, 0.02)
"""Shares of a rollback's alpha: metrics over all units, declared segments, absolute limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an experiment is judged. Fix it before looking at its data."""

    control: str | None = None
    """The arm the others are compared with; None: the arm named "control", else the last that a deployment
    names, else the last by name."""
    alpha: float = 0.05
    """Chance of ever erring, for each kind of decision."""
    goals: frozenset[str] = frozenset()
    """Metrics of which at least one must be better for a promotion; empty: not being worse is enough."""
    stopped_at: datetime | None = None
    """Since then its weights no longer apply: what it says is settled once nothing comes any more."""
    min_units: int = 600
    """Units that an arm must have before a promotion, and before it is settled what can be proven."""
    overrides: Mapping[str, MetricOverride] = field(default_factory=dict)
    """By metric."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Shares of bad units, by rate: an arm with more is rolled back, unless control has more, too."""
    segments: frozenset[str] = frozenset()
    """Keys of declared segments that it is judged by; empty: all that are declared."""
    weights: Weights | None = None
    """Planned split in every epoch that `epoch_weights` does not name; None: unknown."""
    epoch_weights: Mapping[int, Weights] = field(default_factory=dict)
    """Planned split by allocation epoch."""
    is_whole: bool = False
    """True: `epoch_weights` names every epoch and arm there is: what names others is a mistake."""

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.min_units < 1:
            raise invalid("min_units", self.min_units, "give a number of units of at least 1")
        for name, limit in self.limits.items():
            if not 0.0 < limit < 1.0:
                raise invalid(f"limit of {name}", limit, "give a share between 0 and 1, such as 0.2")

    @property
    def budget(self) -> AlphaBudget:
        """How the alpha of a rollback is divided."""
        return AlphaBudget(*(self.alpha * share for share in _BUDGET))

    def control_of(self, arms: Sequence[str]) -> str:
        """The control among an experiment's arms.

        Raises:
            InvalidParameter: The plan names one that has no requests.
        """
        if self.control is not None:
            if self.control not in arms:
                raise invalid("control", self.control, f"arms with requests are {', '.join(arms) or 'none'}")
            return self.control
        return "control" if "control" in arms else sorted(arms)[-1]

    def with_deployed(self, epoch_weights: Mapping[int, Weights]) -> "Plan":
        """Return the plan completed with the deployed split; what the plan itself says takes precedence.

        Args:
            epoch_weights: Split by allocation epoch; arms in the order of the deployment, control last.
        """
        control = self.control
        if control is None and epoch_weights:
            arms = list(epoch_weights[max(epoch_weights)])
            control = "control" if "control" in arms else arms[-1]
        return replace(self, control=control, epoch_weights={**epoch_weights, **self.epoch_weights})

    def weights_of(self, epoch: int) -> Weights | None:
        """The planned split of an epoch, if it is known."""
        return self.epoch_weights.get(epoch, self.weights)

    def no_control_since(self, control: str, epochs: Iterable[int]) -> int | None:
        """The epoch from which on control gets no units; None if it gets some, or the split is unknown."""
        found = None
        for epoch in sorted({*epochs, *self.epoch_weights}, reverse=True):
            weights = self.weights_of(epoch)
            if weights is None or weights.get(control, 0.0) > 0:
                break
            found = epoch
        return found

    def part_of(self, sums: ExperimentSums) -> ExperimentSums:
        """The sums without epochs and arms that the experiment never had: a slip is no broken split."""
        if not self.is_whole:
            return sums
        arms = {arm for weights in self.epoch_weights.values() for arm in weights}
        return sums.only({_NO_EPOCH, *self.epoch_weights}, arms)

    def arms_of(self, epochs: Iterable[int]) -> frozenset[str]:
        """Arms that were to get units in these epochs, and control wherever a split names it."""
        return frozenset(
            arm
            for epoch in epochs
            for arm, weight in (self.weights_of(epoch) or {}).items()
            if weight > 0 or arm == self.control
        )


DEFAULT_PLAN = Plan()


class ExperimentPlans(Protocol):
    """A source of experiment plans, such as the settings or a registry."""

    def plan_of(self, experiment: str) -> Plan:
        """Return the plan of an experiment, or a default plan."""
        ...


@dataclass(frozen=True, slots=True)
class FixedPlans:
    """A fixed set of plans; implements `ExperimentPlans`."""

    default: Plan = DEFAULT_PLAN
    by_experiment: Mapping[str, Plan] = field(default_factory=dict)

    def plan_of(self, experiment: str) -> Plan:
        """See `ExperimentPlans.plan_of`."""
        return self.by_experiment.get(experiment, self.default)
