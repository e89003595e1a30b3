"""Groups of a prompt's requests beside each other: versions, models, environments, values of a segment."""

from datetime import datetime
from typing import Literal

from coalmine_analytics.results.verdicts import Direction, Role
from coalmine_schemas.results import result

Dimension = Literal["version", "model", "environment", "app", "segment"]


@result
class BreakdownGroup:
    """One group."""

    name: str
    """Empty: requests without the segment. By two dimensions: both values, e.g. `1.1.0 / gpt-4o`."""
    requests: int
    units: int
    """Distinct users, or whatever the units are."""
    first_event_time: datetime
    last_event_time: datetime


@result
class BreakdownValue:
    """A metric of one group."""

    group: str
    units: int
    """Units with a value, at most those of the group; groups of units where there are many."""
    value: float | None
    lower: float | None
    """Lower end of its confidence sequence; null where too little is known."""
    upper: float | None
    not_told_apart_from: tuple[str, ...]
    """Groups from which it may differ by chance alone: the interval of the difference, which holds for all
    pairs of groups together, includes 0."""


@result
class BreakdownMetric:
    """One metric of every group."""

    metric: str
    unit: str
    direction: Direction
    """Which way is better."""
    role: Role
    """What depends on it in an experiment."""
    best: tuple[str, ...]
    """The best group and those that cannot be told apart from it; empty where no direction is declared."""
    words: str
    """What can be said of the order, as a sentence."""
    values: tuple[BreakdownValue, ...]
    """The best first; where no direction is declared, the largest."""


@result
class Breakdown:
    """A prompt's requests by a dimension, with intervals. Not randomised."""

    prompt: str
    by: Dimension
    and_by: Dimension | None
    """The second dimension, where groups are pairs of values; null otherwise."""
    segment: str | None
    """Key of the segment, where it is by one."""
    alpha: float
    """Chance that any interval of a difference is ever wrong; that of one interval of a value likewise."""
    counted_share: float
    """Share of the units whose requests were counted, 0 to 1: of very many requests, a sample."""
    left_out: int
    """Groups with fewer requests that are not here."""
    groups: tuple[BreakdownGroup, ...]
    """Those with the most requests first."""
    metrics: tuple[BreakdownMetric, ...]
    segments: tuple[str, ...]
    """Segments by which the same requests can be broken down."""
