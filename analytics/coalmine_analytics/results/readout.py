"""Readout of an experiment."""

from datetime import datetime

from coalmine_analytics.results.verdicts import Decision, Direction, Role, Verdict
from coalmine_schemas.results import result


@result
class MetricEvidence:
    """Running p-values: the least chance, over all looks so far, of seeing such evidence by luck alone."""

    difference: float | None = None
    """Against no effect, two-sided."""
    harm: float | None = None
    """Against being worse by no more than the tolerance."""
    acceptable: float | None = None
    """Against being worse by the margin or more."""
    better: float | None = None
    """Against being no better."""


@result
class Scales:
    """Sizes of changes in the metric's unit."""

    mde: float
    """Minimum detectable effect: where the test is sharpest; fixed at the first look that had enough data."""
    margin: float
    """A worsening of this size is not acceptable; a relative one at control's value now."""
    tolerance: float
    """A worsening up to this size is accepted, likewise."""


@result
class Shown:
    """When a verdict was reached; later looks do not take it back."""

    at: datetime
    """Time of the first look with this verdict."""
    units: int
    """Units of the arm then."""
    effect: float | None
    """Effect then, metric's unit."""
    lower: float | None
    """Lower end of its confidence sequence then."""
    upper: float | None
    """Upper end, likewise."""
    agrees: bool
    """True if the estimate of now still bears the verdict out."""


@result
class MetricReadout:
    """One metric of one arm against control."""

    metric: str
    unit: str
    direction: Direction
    """Which way is better."""
    role: Role
    """What depends on it: harm of `must_prove` and `must_not_harm` rolls the arm back, a promotion needs
    proof that what is `must_prove` is not harmed, harm of a `signal` holds; nothing if it is `shown`."""
    required: bool
    """True if a promotion needs proof that it is not harmed: `must_prove`, and with values when the arm had
    the plan's minimum of units."""
    goal: bool
    """True if a promotion needs this metric, or another goal, to be better."""
    units: int
    """Units of the arm, in the latest epoch, with a value that counts: a late one is old enough."""
    control_units: int
    """Those of control."""
    verdict: Verdict
    words: str
    """The verdict as a sentence."""
    shown: Shown | None
    """When a verdict that stands was reached; null for others."""
    control_value: float | None
    """Value in control over all epochs that count, weighted as the effect is."""
    value: float | None
    """Value in the arm, likewise."""
    effect: float | None
    """Value minus control_value, metric's unit."""
    lower: float | None
    """Lower end of the confidence sequence now; null while nothing is excluded."""
    upper: float | None
    """Upper end, likewise."""
    relative_effect: float | None
    """Effect as a share of the size of control's value: below 0 where the effect is."""
    relative_lower: float | None
    relative_upper: float | None
    standard_error: float | None
    degrees_of_freedom: float | None
    log_e: float | None
    """Natural logarithm of the e-value against no effect, now."""
    evidence: MetricEvidence
    adjusted_p: float | None
    """Holm-adjusted: of harm, or of being better for a goal and for what is better."""
    units_needed: int | None
    """Further units, both arms together, until it is decided if things go on; null: never, or unknown."""
    scales: Scales | None
    """Null until the first look that has enough data."""
    hypothesis: str
    """What its tests are about; evidence is carried on only while this stays the same."""
    raw_control_value: float | None
    """Without the cap, where there is one."""
    raw_value: float | None
    clipped_share: float | None
    """Share of values beyond the cap, both arms together, 0 to 1."""


@result
class LimitReadout:
    """An absolute limit on the share of bad units, which needs no comparison to roll an arm back."""

    name: str
    limit: float
    """The share that is allowed, 0 to 1."""
    bad_units: int
    """Each unit counts once: with the share of its requests that are bad, added up."""
    units: int
    """Units with a value."""
    control_bad_units: int
    control_units: int
    log_e: float | None
    """Natural logarithm of the e-value against "no more than the limit", now."""
    broken: bool
    """True rolls the arm back; false as long as control is above the limit, too."""


@result
class HeavyUnitReadout:
    """A unit behind a tenth or more of an arm's requests."""

    unit_id: str
    requests: int
    share: float
    """Of the arm's requests, 0 to 1."""


@result
class SegmentReadout:
    """One metric of one arm against control, in one declared segment."""

    key: str
    """Of the segment."""
    value: str
    """Likewise; `(other)` stands for those that came once there were 20."""
    metric: str
    units: int
    """Units of the arm in the segment, estimated from its requests and groups of units."""
    control_units: int
    """Units of control in the segment, likewise."""
    effect: float | None
    """Value minus that of control, metric's unit."""
    lower: float | None
    """Lower end of its confidence sequence."""
    upper: float | None
    """Upper end, likewise."""
    relative_lower: float | None
    """Lower end divided by the value of control."""
    relative_upper: float | None
    p: float
    """Running p-value of harm: against being worse by no more than the tolerance."""
    adjusted_p: float
    """Holm-adjusted, over all segments, metrics and arms with enough units."""
    harmed: bool
    """True if harm is shown, with the alpha budget of segments; later looks do not take it back."""


@result
class ArmReadout:
    """One arm against control."""

    arm: str
    units: int
    """Different units: one that was served in several allocation epochs counts once."""
    requests: int
    decision: Decision
    words: str
    """The reason for the decision, as a sentence."""
    decided_at: datetime | None
    """Time of the first look with this decision; null for `hold`."""
    units_needed: int | None
    """Further units until all that must be proven (and any goal) is decided, if things go on."""
    acceptable_p: float | None
    """The largest of what must be proven, Holm-adjusted over arms; null while one has too little data."""
    metrics: tuple[MetricReadout, ...]
    limits: tuple[LimitReadout, ...]
    """Those of the plan, in its order."""
    segments: tuple[SegmentReadout, ...]
    """Metrics that act, in each declared segment in which both arms have enough units."""
    cache_saving: float | None
    """Share of the cost at full prices that the provider's cache saved, 0 to 1; null where it is unknown."""
    heavy_units: tuple[HeavyUnitReadout, ...]
    """Units with a tenth or more of the requests; harm never rests on one of them."""


@result
class SrmReadout:
    """Sample-ratio check: do units arrive in the arms as planned?"""

    p: float | None
    """Running p-value; null where the planned split is unknown."""
    log_e: float | None
    """Natural logarithm of the e-value against the planned split, now."""
    mismatch: bool
    """A mismatch blocks every promotion, for good."""
    words: str
    """The finding as a sentence."""


@result
class AlphaBudget:
    """Chances of ever rolling a good version back, by what does it; they add up to alpha."""

    overall: float
    """Metrics over all units."""
    segments: float
    """Metrics in declared segments."""
    limits: float
    """Absolute limits on rates and costs."""


@result
class BegunAnew:
    """A person had the evidence begin anew: nothing from before this counts."""

    number: int
    """How often so far; the k-th time decides with alpha / (k (k + 1))."""
    at: datetime
    by: str
    reason: str


@result
class Readout:
    """An experiment at one look."""

    experiment: str
    taken_at: datetime
    first_at: datetime
    """Time of the first look."""
    through_ingest_id: int
    """The last batch that is counted: it, and all before it."""
    alpha: float
    """Chance of ever erring, for each kind of decision."""
    budget: AlphaBudget
    """How a rollback's alpha is divided."""
    control: str
    control_units: int
    """Different units, likewise."""
    control_requests: int
    control_cache_saving: float | None
    """As in the arms."""
    epochs: tuple[int, ...]
    """Allocation epochs that had requests, ascending."""
    epoch_since: datetime
    """Time of the first look at the last of them."""
    borders: tuple[datetime, ...]
    """Times of looks within epochs from which on harm is looked for anew, oldest first."""
    final: bool
    """True if this is the last look: the experiment was stopped, and nothing comes or counts later."""
    no_control_since: int | None
    """The allocation epoch from which on control gets no units: nothing can be compared since."""
    begun_anew: BegunAnew | None
    """The last time; null if evidence counts from the beginning."""
    srm: SrmReadout
    arms: tuple[ArmReadout, ...]
    stopped: bool = False
    """True if the experiment was stopped: reactions to its last calls may still count."""
    left_out_requests: int = 0
    """Requests that name an arm or allocation epoch that the experiment never had: they count nowhere."""

    @property
    def requests(self) -> int:
        """Requests of all arms."""
        return self.control_requests + sum(arm.requests for arm in self.arms)

    def arm(self, name: str | None) -> ArmReadout | None:
        """One arm, the first if it is not named; None if it had no requests."""
        return next((each for each in self.arms if name in (None, each.arm)), None)


@result
class ReadoutPath:
    """The stored looks of an experiment, oldest first."""

    experiment: str
    items: tuple[Readout, ...]
