"""The metric catalogue as it is listed."""

from typing import Literal

from coalmine_analytics.results.verdicts import Direction, Role
from coalmine_schemas.results import result

Kind = Literal["mean", "rate", "ratio"]
"""A mean of values, a share of events (0 to 1), or a ratio of two counts."""


@result
class MetricRow:
    """One metric of the catalogue."""

    metric: str
    kind: Kind
    """A mean of values, a share of events, or a ratio of two counts."""
    unit: str
    """Unit of its values, such as `share` or `USD`; empty if it has none."""
    direction: Direction
    """Which way is better."""
    role: Role
    """What depends on it: `must_prove`, `must_not_harm`, `signal` or, if nothing does, `shown`."""
    margin: str
    """A worsening of this size is not acceptable; `relative` to control, else in the metric's unit."""
    tolerance: str
    """A worsening up to this size is accepted, likewise."""
    mde: str
    """Minimum detectable effect, likewise; `auto`: the margin, or 0.2 standard deviations."""
    built_in: bool
    """True if it comes with Coalmine; so are other names in requests' metrics, scores and late outcomes."""
    description: str
