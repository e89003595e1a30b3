"""What is said about a change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

PartName = Literal["prompt", "model mix", "traffic mix", "versions served", "within versions"]
"""The first three sum to the change; the last two sum to `prompt` where two times are compared."""

MovedVerdict = Literal["moved", "no clear move", "not enough data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSide:
    """One side of a change."""

    name: str
    """A version, or "before" and "after"."""
    since: datetime
    """First request."""
    until: datetime
    """Last request."""
    requests: int
    units: int
    value: float
    """Of the metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the change, in the metric's unit."""

    part: PartName
    contribution: float
    lower: float | None
    """Lower end of its confidence sequence; None where too little is known."""
    upper: float | None
    clear: bool
    """Whether the interval excludes 0."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one value brought to one part."""

    part: PartName
    dimension: str
    """`segments`, `model` or `version`."""
    value: str
    contribution: float
    """Those of one part and dimension sum to the part."""
    a_share: float | None
    """Of the metric's denominator on that side, 0 to 1; None for several values together."""
    b_share: float | None
    a_value: float | None
    """Of the metric, there; None where the side has none."""
    b_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedValue:
    """How the metric changed for the requests with one value."""

    dimension: str
    value: str
    verdict: MovedVerdict
    words: str
    a_requests: int
    """With a value of the metric."""
    b_requests: int
    a_value: float | None
    b_value: float | None
    effect: float | None
    """b minus a."""
    standard_error: float | None
    lower: float | None
    """Of the confidence sequence of this value by itself."""
    upper: float | None
    adjusted_p: float | None
    """Against no change, Holm-adjusted over all values looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """How the metric goes along with one feature of requests, other features equal."""

    feature: str
    words: str
    coefficient: float
    """Change of the metric for twice as much, or against the reference."""
    lower: float
    """95 % interval at this one look, unlike everything else."""
    upper: float
    standard_error: float
    standardised: float
    """Standard deviations of the metric for one standard deviation of the feature."""
    p: float
    adjusted_p: float
    """Holm-adjusted over all features."""
    clear: bool
    """Whether the adjusted p is at most alpha."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """The metric on features of requests."""

    features: tuple[Feature, ...]
    """Empty where there is too little data."""
    words: tuple[str, ...]
    """What was fitted to what, and what it does not say."""
    left_out: tuple[str, ...]
    """Features that are not in it, and why."""
    requests: int
    """Rows it was fitted to."""
    of_requests: int
    """Requests with a value of the metric."""
    units: int
    """Clusters of the standard errors."""
    r_squared: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a metric differs between two versions, or two times, of a prompt."""

    prompt: str
    environment: str | None
    metric: str
    unit: str
    headline: str
    warnings: tuple[str, ...]
    alpha: float
    a: ExplainedSide
    b: ExplainedSide
    change: float
    """b minus a."""
    lower: float | None
    upper: float | None
    clear: bool
    """Whether the interval of the change excludes 0."""
    parts: tuple[Part, ...]
    """They sum to the change."""
    parts_of_prompt: tuple[Part, ...]
    """Where two times are compared: they sum to the part of the prompt."""
    contributions: tuple[Contribution, ...]
    traffic: tuple[str, ...]
    """Segments whose mix is the mix of traffic."""
    not_told_apart: tuple[str, ...]
    """Segments that the mix of traffic does not tell apart, and why."""
    coverage: float
    """Share of the metric's denominator in cells that both sides have, 0 to 1."""
    moved: tuple[MovedValue, ...]
    """Those that moved most surely first."""
    left_out: tuple[str, ...]
    """Values that were not looked at, and why."""
    regression: Regression
