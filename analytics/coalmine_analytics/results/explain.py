"""Explanation of a change."""

from datetime import datetime
from typing import Literal

from coalmine_analytics.results.verdicts import MovedVerdict
from coalmine_schemas.results import result

PartName = Literal[
    "prompt", "model mix", "traffic mix", "versions served", "within versions", "version and model"
]
"""The first three sum to the change, or the third and the last where no model served both versions.
The fourth and fifth sum to `prompt` where two times are compared."""


@result
class ExplainedSide:
    """One side of a change."""

    name: str
    """A version, or "before" and "after"."""
    since: datetime
    """Time of the first request."""
    until: datetime
    """Time of the last request."""
    requests: int
    units: int
    """Distinct users, or whatever the units are."""
    value: float
    """Value of the metric on this side."""


@result
class ChangePart:
    """One part of a change, in the metric's unit."""

    part: PartName
    contribution: float
    lower: float | None
    """Lower end of its confidence sequence; null where too little is known."""
    upper: float | None
    clear: bool
    """True if the interval excludes 0."""
    words: str
    """What the part is, as a sentence."""


@result
class Contribution:
    """What one value brought to one part; those of one part and dimension sum to the part."""

    part: PartName
    dimension: str
    """`segments`, `model` or `version`."""
    value: str
    contribution: float
    a_share: float | None
    """Share of the metric's denominator on that side, 0 to 1; null for several values together."""
    b_share: float | None
    a_value: float | None
    """Value of the metric there; null where the side has none."""
    b_value: float | None


@result
class MovedValue:
    """How the metric changed for the requests with one value of a segment, model, app or version."""

    dimension: str
    value: str
    """Empty for requests without it."""
    verdict: MovedVerdict
    words: str
    """The verdict as a sentence."""
    a_requests: int
    """Requests with a value of the metric."""
    b_requests: int
    a_value: float | None
    b_value: float | None
    effect: float | None
    """Value of the metric on side b minus side a."""
    standard_error: float | None
    lower: float | None
    """Lower end of the confidence sequence of this value by itself."""
    upper: float | None
    adjusted_p: float | None
    """Against no change, Holm-adjusted over all values looked at: `moved` at most at alpha."""


@result
class RegressionFeature:
    """How the metric goes along with one feature of requests, other features equal."""

    feature: str
    words: str
    """The association as a sentence."""
    coefficient: float
    """Change of the metric for twice as much, or against the most common value."""
    lower: float
    """Lower end of an interval that holds at one look, unlike the other intervals."""
    upper: float
    standard_error: float
    """Standard error of the coefficient, clustered by unit."""
    standardised: float
    """Standard deviations of the metric for one standard deviation of the feature."""
    p: float
    adjusted_p: float
    """p-value, Holm-adjusted over all features."""
    clear: bool
    """True if the adjusted p is at most alpha."""


@result
class FeatureRegression:
    """The metric on features of requests: associations, not causes."""

    features: tuple[RegressionFeature, ...]
    """Empty where there is too little data."""
    words: tuple[str, ...]
    """What was fitted to what, and what it does not say."""
    left_out: tuple[str, ...]
    """Features that are not in it, and the reasons."""
    requests: int
    """Requests it was fitted to."""
    of_requests: int
    """Requests with a value of the metric."""
    units: int
    """Clusters of the standard errors."""
    r_squared: float | None


@result
class Explanation:
    """Why a metric differs between two versions, or two times, of a prompt."""

    prompt: str
    environment: str | None
    metric: str
    unit: str
    headline: str
    """The explanation in one sentence."""
    warnings: tuple[str, ...]
    alpha: float
    """For every interval and correction."""
    a: ExplainedSide
    b: ExplainedSide
    change: float
    """Value of the metric on side b minus side a."""
    lower: float | None
    """Lower end of its confidence sequence; null where too little is known."""
    upper: float | None
    clear: bool
    """True if the interval of the change excludes 0."""
    parts: tuple[ChangePart, ...]
    """Prompt, model mix and traffic mix: they sum to the change."""
    parts_of_prompt: tuple[ChangePart, ...]
    """Where two times are compared: versions served and within versions, which sum to the prompt's part."""
    contributions: tuple[Contribution, ...]
    traffic: tuple[str, ...]
    """Segments whose mix is the mix of traffic."""
    not_told_apart: tuple[str, ...]
    """Segments that the mix of traffic does not tell apart, and the reasons."""
    coverage: float
    """Share of the metric's denominator in cells that both sides have, 0 to 1; the rest counts as mix."""
    moved: tuple[MovedValue, ...]
    """Surest moves first."""
    left_out: tuple[str, ...]
    """Values that were not looked at, and the reasons."""
    regression: FeatureRegression
