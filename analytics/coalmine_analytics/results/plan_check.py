"""Will a plan ever end? A forecast from the prompt's own traffic, before an experiment starts."""

from datetime import datetime

from coalmine_analytics.results.verdicts import Role
from coalmine_schemas.results import result


@result
class CheckedMetric:
    """One metric in one stage."""

    metric: str
    unit: str
    role: Role
    value: float | None
    """Its value in the traffic of late; null if it has none."""
    hours_to_accept: float | None
    """Hours of the last stage until an equal version is shown not to be worse, in half of the runs; null: not
    within the longest time, or not needed."""
    smallest_harm: float | None
    """Worsening, in the metric's unit, that nine of ten runs find by the end of the stage; null: none."""
    words: str
    """What it means, as a sentence."""


@result
class CheckedStage:
    """One stage of a plan."""

    weight: float
    """Share of units in the treatment, 0 to 1."""
    min_time_h: float
    min_units: int
    hours: float | None
    """How long it lasts; null: beyond the longest time."""
    units: int
    """Units of the treatment by its end."""
    hours_to_min_units: float | None
    """Hours until there are the units that the stage, and any result, needs; of the last one those that a
    promotion needs, too. Null: not within the longest time."""
    metrics: tuple[CheckedMetric, ...]


@result
class PlanCheck:
    """A forecast for one prompt."""

    prompt: str
    environment: str
    since: datetime
    """First request that the forecast rests on."""
    until: datetime
    requests: int
    units: int
    ends: bool
    """True if an equal version is promoted within the longest time, in half of the runs."""
    hours: float | None
    """Hours until then; null: not within the longest time."""
    longest_h: float
    words: str
    """The answer as a sentence, with what to change if it is no."""
    first_weight: float | None
    """Smallest first stage with which it would end; null: it ends, or none helps."""
    stages: tuple[CheckedStage, ...]
