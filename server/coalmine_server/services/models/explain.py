"""What is said of a change. Null means not known."""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer

PartName = Literal["prompt", "model mix", "traffic mix", "versions served", "within versions"]


class ExplainedSide(Answer):
    """One side of a change."""

    name: str
    """A version, or "before" and "after"."""
    since: datetime
    """First request."""
    until: datetime
    """Last request."""
    requests: int
    units: int
    """Different users, or whatever units are."""
    value: float
    """Of the metric."""


class ChangePart(Answer):
    """One part of a change, in the metric's unit."""

    part: PartName
    contribution: float
    lower: float | None
    """Lower end of its confidence sequence; None where too little is known."""
    upper: float | None
    clear: bool
    """Whether the interval excludes 0."""
    words: str


class Contribution(Answer):
    """What one value brought to one part; those of one part and dimension sum to the part."""

    part: PartName
    dimension: str
    """`segments`, `model` or `version`."""
    value: str
    contribution: float
    a_share: float | None
    """Of the metric's denominator on that side, 0 to 1; None for several values together."""
    b_share: float | None
    a_value: float | None
    """Of the metric, there; None where the side has none."""
    b_value: float | None


class MovedValue(Answer):
    """How the metric changed for the requests with one value of a segment, model, app or version."""

    dimension: str
    value: str
    """Empty for requests without it."""
    verdict: Literal["moved", "no difference shown", "not enough data"]
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
    """Against no change, Holm-adjusted over all values looked at: `moved` at most at alpha."""


class RegressionFeature(Answer):
    """How the metric goes along with one feature of requests, other features equal."""

    feature: str
    words: str
    coefficient: float
    """Change of the metric for twice as much, or against the most common value."""
    lower: float
    """Of an interval that holds at one look, unlike the other intervals."""
    upper: float
    standard_error: float
    """Clustered by unit."""
    standardised: float
    """Standard deviations of the metric for one standard deviation of the feature."""
    p: float
    adjusted_p: float
    """Holm-adjusted over all features."""
    clear: bool
    """Whether the adjusted p is at most alpha."""


class FeatureRegression(Answer):
    """The metric on features of requests: associations, not causes."""

    features: list[RegressionFeature]
    """Empty where there is too little data."""
    words: list[str]
    """What was fitted to what, and what it does not say."""
    left_out: list[str]
    """Features that are not in it, and why."""
    requests: int
    """Requests it was fitted to."""
    of_requests: int
    """Requests with a value of the metric."""
    units: int
    """Clusters of the standard errors."""
    r_squared: float | None


class Explanation(Answer):
    """Why a metric differs between two versions, or two times, of a prompt."""

    prompt: str
    environment: str | None
    metric: str
    unit: str
    headline: str
    """All of it in a sentence."""
    warnings: list[str]
    alpha: float
    a: ExplainedSide
    b: ExplainedSide
    change: float
    """b minus a."""
    lower: float | None
    """Lower end of its confidence sequence; None where too little is known."""
    upper: float | None
    clear: bool
    """Whether the interval of the change excludes 0."""
    parts: list[ChangePart]
    """Prompt, model mix and traffic mix: they sum to the change."""
    parts_of_prompt: list[ChangePart]
    """Where two times are compared: versions served and within versions, which sum to the prompt's part."""
    contributions: list[Contribution]
    traffic: list[str]
    """Segments whose mix is the mix of traffic."""
    not_told_apart: list[str]
    """Segments that the mix of traffic does not tell apart, and why."""
    coverage: float
    """Share of the metric's denominator in cells that both sides have, 0 to 1; the rest counts as mix."""
    moved: list[MovedValue]
    """Those that moved most surely first."""
    left_out: list[str]
    """Values that were not looked at, and why."""
    regression: FeatureRegression
