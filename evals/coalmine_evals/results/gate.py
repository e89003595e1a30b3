"""What the gate says about a candidate beside a baseline."""

from typing import Literal

from coalmine_schemas.results import result

Outcome = Literal["pass", "fail", "undecided", "invalid"]
"""`fail`: harm was shown. `undecided`: too few cases to say. `invalid`: too much could not be scored."""


@result
class GateRow:
    """One metric, of all cases or of those of one capability, candidate minus baseline on the same cases."""

    metric: str
    """Name of the metric, as the suite has it."""
    capability: str | None
    """Capability whose cases these are; null for all cases."""
    outcome: Outcome
    """What follows from it."""
    decides: bool
    """False if it is shown only: an advisory metric, or a capability with too few cases.

    Capabilities, and whether answers could be scored (`METRIC: scored`), decide by harm only: a pass needs no
    proof of them.
    """
    reason: str
    """Why, in one sentence."""
    margin: float
    """How much worse the candidate may be, in the unit of the metric."""
    cases: int
    """Cases that have a score on both sides."""
    clusters: int
    """Clusters of these cases."""
    better: int
    """Cases of which the candidate's score is higher."""
    worse: int
    """Cases of which it is lower."""
    baseline: float | None
    """Mean of the baseline on these cases; null without any."""
    candidate: float | None
    """Mean of the candidate on these cases; null without any."""
    difference: float | None
    """Candidate minus baseline."""
    lower: float | None
    """Lower end of the two-sided 90 % interval: each end is a one-sided bound at 5 %."""
    upper: float | None
    """Upper end of the same."""
    method: Literal["t", "tango", "bootstrap-t", "rule of three"] | None
    """How the interval was made; null without a case that has a score on both sides."""
    p_harm: float | None
    """p-value of "not worse", after Holm over metrics and capabilities; small values show harm."""
    p_differs: float | None
    """Two-sided p-value of "no difference" by itself: McNemar's exact one for right or wrong answers."""
    spread: float | None
    """Standard deviation of the differences of cases; larger where clusters make cases worth less."""
    flicker: float | None
    """Share of that variance which lies within cases, from repeats; null without repeats."""
    smallest_drop: float | None
    """Smallest drop that the gate sees with a power of 80 %."""
    cases_needed: int | None
    """Cases that it takes to see a drop as large as the margin with a power of 80 %."""
    unscored_baseline: float
    """Share of answers of the baseline without a score."""
    unscored_candidate: float
    """The same of the candidate."""


@result
class CaseDifference:
    """One case on both sides."""

    case: str
    """Id of the case."""
    metric: str
    """Name of the metric."""
    baseline: float | None
    """Mean over repeats; null if it has no score."""
    candidate: float | None
    """The same of the candidate."""
    flicker: float | None
    """Standard deviation over repeats, of the side where it is larger; null without repeats."""


@result
class GateReport:
    """The answer of the gate."""

    outcome: Outcome
    """What follows from all rows that decide and from the cases that must pass."""
    sentence: str
    """The answer in one sentence."""
    power: tuple[str, ...]
    """For each metric what the gate could have seen, in words."""
    rows: tuple[GateRow, ...]
    """Metrics of all cases first, then by capability."""
    must_pass_failures: tuple[CaseDifference, ...]
    """Cases that have to be right, and were not in every repeat of the candidate."""
    worst: tuple[CaseDifference, ...]
    """Cases that became worst, at most 20."""
    flaky: tuple[CaseDifference, ...]
    """Cases that differ most between repeats, at most 10."""
    warnings: tuple[str, ...]
    """What to know before believing it: an old baseline, leaked cases, a judge that is advisory."""
