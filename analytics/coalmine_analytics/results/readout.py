"""What a readout says. Unknown is None, which is never the same as 0, nor as p = 1."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coalmine_analytics.metrics import Direction

Decision = Literal["rollback", "promote", "hold"]
"""`rollback` and `promote` stand once made; a rollback also overrules a promotion."""

Verdict = Literal[
    "not enough data", "worse", "not worse", "better", "undecided", "no difference shown", "higher", "lower"
]
"""About one metric. `undecided` is an answer: neither harm nor its absence is shown yet."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Running p-values: the least chance, over all looks so far, of seeing such evidence by luck alone."""

    difference: float | None = None
    """Against no effect, two-sided."""
    harm: float | None = None
    """Against being worse by no more than the tolerance."""
    acceptable: float | None = None
    """Against being worse by the margin or more."""
    better: float | None = None
    """Against being no better."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Sizes of changes in the metric's unit, fixed at the first look that had enough data."""

    mde: float
    margin: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReadout:
    """One metric of one arm against control."""

    metric: str
    unit: str
    direction: Direction
    guardrail: bool
    goal: bool
    verdict: Verdict
    words: str
    """The verdict as a sentence."""
    control_value: float | None
    """Of all epochs that count, weighted as the effect is."""
    value: float | None
    effect: float | None
    """Value minus control_value, metric's unit."""
    lower: float | None
    """Lower end of the confidence sequence now; None while nothing is excluded."""
    upper: float | None
    relative_effect: float | None
    """Effect over control_value."""
    relative_lower: float | None
    relative_upper: float | None
    standard_error: float | None
    degrees_of_freedom: float | None
    log_e: float | None
    """Natural logarithm of the e-value against no effect, now."""
    evidence: Evidence
    adjusted_p: float | None
    """Holm-adjusted: of harm for a guardrail that is no goal, of being better for a goal."""
    units_needed: int | None
    """Further units, both arms together, until it is decided if things go on; None: never, or unknown."""
    scales: Scales | None
    hypothesis: str
    raw_control_value: float | None
    """Without the cap, where there is one."""
    raw_value: float | None
    clipped_share: float | None
    """Values beyond the cap, in both arms together, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReadout:
    """One arm against control."""

    arm: str
    units: int
    requests: int
    decision: Decision
    words: str
    """Why, as a sentence."""
    units_needed: int | None
    """Further units until every guardrail (and a goal, if there is one) is decided, if things go on."""
    acceptable_p: float | None
    """Of the least proven guardrail, Holm-adjusted over arms; None while one has too little data."""
    metrics: tuple[MetricReadout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SrmReadout:
    """Whether units arrive in the arms as planned."""

    p: float | None
    """Running p-value; None where the planned split is unknown."""
    log_e: float | None
    mismatch: bool
    """It blocks every promotion, for good."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """An experiment at one look."""

    experiment: str
    taken_at: datetime
    through_ingest_id: int
    """It counts all batches through this one."""
    alpha: float
    control: str
    control_units: int
    control_requests: int
    epochs: tuple[int, ...]
    srm: SrmReadout
    arms: tuple[ArmReadout, ...]
