"""Two versions of a prompt beside each other, without randomisation."""

from datetime import datetime

from coalmine_analytics.results.verdicts import SeemingVerdict
from coalmine_schemas.results import result


@result
class ComparedVersion:
    """When one of two versions ran."""

    requests: int
    units: int
    """Distinct users, or whatever the units are."""
    first_event_time: datetime
    last_event_time: datetime


@result
class ComparedMetric:
    """One metric of version b against version a."""

    metric: str
    unit: str
    verdict: SeemingVerdict
    words: str
    """The verdict as a sentence."""
    a_value: float | None
    """As it was, in a's own mix."""
    b_value: float | None
    """As it was, in b's own mix."""
    difference: float | None
    """b minus a, as they were."""
    adjusted_a_value: float | None
    """As it would be in the mix of both together."""
    adjusted_b_value: float | None
    adjusted_difference: float | None
    lower: float | None
    """Lower end of the adjusted difference's confidence sequence."""
    upper: float | None
    relative_lower: float | None
    """Lower end of the adjusted difference relative to a, 0.1 for 10 %."""
    relative_upper: float | None


@result
class Comparison:
    """Two versions of a prompt."""

    randomised: bool
    """True if both were arms of an experiment, whose requests alone are compared; else see `warnings`."""
    warnings: tuple[str, ...]
    a: ComparedVersion
    b: ComparedVersion
    overlap: float
    """Hours with requests of both, of the hours with requests of either, 0 to 1."""
    experiments: tuple[str, ...]
    """The experiment whose requests are compared; empty if none had both as arms."""
    adjusted_for: tuple[str, ...]
    """`model`, segments, and `time` if they ran at the same time."""
    coverage: float
    """Share of requests in mixes that both versions have, 0 to 1; the others cannot be compared."""
    metrics: tuple[ComparedMetric, ...]
