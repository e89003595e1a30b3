"""What is said of experiments: readouts, the path people saw, and the metrics there are.

Null means not known, which is never the same as 0, nor as p = 1: too little data is a verdict of its own.
"""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer

Direction = Literal["higher", "lower", "same", "unknown"]
"""Which way is better. `same`: any change is bad. `unknown`: nobody said, so it is shown and never judged."""

Decision = Literal["rollback", "promote", "hold"]
"""`rollback` and `promote` stand once made; a rollback also overrules a promotion."""

Verdict = Literal[
    "not enough data", "worse", "not worse", "better", "undecided", "no difference shown", "higher", "lower"
]
"""About one metric. `undecided` is an answer: neither harm nor its absence is shown yet."""


class Evidence(Answer):
    """Running p-values: the least chance, over all looks so far, of seeing such evidence by luck alone."""

    difference: float | None = None
    """Against no effect, two-sided."""
    harm: float | None = None
    """Against being worse by no more than the tolerance."""
    acceptable: float | None = None
    """Against being worse by the margin or more."""
    better: float | None = None
    """Against being no better."""


class Scales(Answer):
    """Sizes of changes in the metric's unit, fixed at the first look that had enough data."""

    mde: float
    margin: float
    tolerance: float


class MetricReadout(Answer):
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


class ArmReadout(Answer):
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
    metrics: list[MetricReadout]


class SrmReadout(Answer):
    """Whether units arrive in the arms as planned."""

    p: float | None
    """Running p-value; None where the planned split is unknown."""
    log_e: float | None
    mismatch: bool
    """It blocks every promotion, for good."""
    words: str


class Readout(Answer):
    """An experiment at one look."""

    experiment: str
    taken_at: datetime
    through_ingest_id: int
    """It counts all batches through this one."""
    alpha: float
    control: str
    control_units: int
    control_requests: int
    epochs: list[int]
    srm: SrmReadout
    arms: list[ArmReadout]


class ReadoutPath(Answer):
    """What people saw of an experiment: its looks, oldest first."""

    experiment: str
    items: list[Readout]


class ExperimentRow(Answer):
    """One experiment, as its requests tell of it."""

    experiment: str
    requests: int
    """Requests in all arms and epochs."""
    epochs: list[int]
    """Allocation epochs, ascending; 0 stands for requests that do not say."""
    arms: list[str]
    """Arms that had requests."""


class Experiments(Answer):
    """Experiments that had requests, by name."""

    items: list[ExperimentRow]


class MetricRow(Answer):
    """One metric of the catalogue."""

    metric: str
    kind: Literal["mean", "rate", "ratio"]
    """A mean of values, a share of events, or a ratio of two counts."""
    unit: str
    direction: Direction
    guardrail: bool
    """Whether harm rolls back, and a promotion needs proof that there is none."""
    margin: str
    """A worsening that would not be accepted; `relative` to control, else in the metric's unit."""
    tolerance: str
    """A worsening that is still accepted, likewise."""
    mde: str
    """Minimum detectable effect, likewise; `auto`: the margin, or 0.2 standard deviations."""
    built_in: bool
    """Whether Coalmine brings it; every other name in requests' metrics and in scores is one, too."""
    description: str


class Metrics(Answer):
    """The catalogue: what comes with Coalmine, and what the data of experiments have."""

    items: list[MetricRow]


SeemingVerdict = Literal[
    "not enough data", "seems better", "seems worse", "seems higher", "seems lower", "no difference shown"
]
"""Never stronger than `seems`: nothing was randomised."""


class ComparedVersion(Answer):
    """When one of two versions ran."""

    requests: int
    units: int
    """Different users, or whatever units are."""
    first_event_time: datetime
    last_event_time: datetime


class ComparedMetric(Answer):
    """One metric of version b against version a."""

    metric: str
    unit: str
    verdict: SeemingVerdict
    words: str
    a_value: float | None
    """As it was, in a's own mix."""
    b_value: float | None
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
    relative_upper: float | None


class Comparison(Answer):
    """Two versions of a prompt."""

    randomised: bool
    """Always false: see `warnings`."""
    warnings: list[str]
    a: ComparedVersion
    b: ComparedVersion
    overlap: float
    """Hours with requests of both, of the hours with requests of either, 0 to 1."""
    experiments: list[str]
    """Experiments both were arms of: their readouts say more than this."""
    adjusted_for: list[str]
    """`model`, and segments."""
    coverage: float
    """Requests in mixes that both versions have, 0 to 1; the others cannot be compared."""
    metrics: list[ComparedMetric]
