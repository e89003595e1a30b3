"""The plan by which drift is judged, fixed before looking."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from coalmine_analytics.errors import invalid
from coalmine_analytics.metrics import MetricOverride
from coalmine_consumers.drift import ReferencePolicy


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """Length of the reference, rate of false alarms, and the smallest shift that is reported."""

    reference: ReferencePolicy = field(default_factory=ReferencePolicy)
    """For versions not watched yet; a frozen reference stays as it is."""
    false_alarm_days: float = 365.0
    """Average run length to a false alarm of a version in an environment, over all its metrics together."""
    tolerance: float = 1 / 3
    """A lasting shift of this share of a metric's margin is not drift, in [0, 1)."""
    match_season: bool = True
    """False compares with the overall level at every hour, to demonstrate the effect of matching."""
    overrides: Mapping[str, MetricOverride] = field(default_factory=dict)
    """By metric."""

    def __post_init__(self) -> None:
        if not self.false_alarm_days > 0:
            raise invalid("false_alarm_days", self.false_alarm_days, "give a number of days > 0")
        if not 0 <= self.tolerance < 1:
            raise invalid("tolerance", self.tolerance, "give a share of the margin, at least 0 and below 1")


DEFAULT_DRIFT_PLAN = DriftPlan()
