"""What is known of judges."""

from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result


@result
class JudgeAgreement:
    """How far a judge agrees with people on some answers."""

    labels: int
    """Answers that people labelled and the judge scored."""
    agreement: float | None
    """Mean closeness of both: 1 the same verdict, 0 the two ends of the scale; null without answers."""
    by_chance: float | None
    """The same if the judge had its shares of verdicts and had read nothing."""
    kappa: float | None
    """Cohen's kappa, linearly weighted: agreement beyond chance; null if only one verdict was given."""
    lower: float | None
    """Lower end of its 95 % interval."""
    upper: float | None
    """Upper end of its 95 % interval."""


@result
class SegmentAgreement:
    """The same on the answers of one segment."""

    key: str
    """Name of the segment, e.g. `language`."""
    value: str
    """Its value, e.g. `de`."""
    found: JudgeAgreement
    """Agreement within the segment."""


@result
class Confusion:
    """How often people said one thing, and the judge another."""

    human: str
    """Verdict of people."""
    judge: str
    """Verdict of the judge."""
    count: int
    """Number of answers."""


@result
class Calibration:
    """A judge beside people on the same answers."""

    scorer: str
    """Series of scores: judge, version, rubric and model."""
    found: JudgeAgreement
    """Agreement on all labelled answers."""
    decides: bool
    """True if a gate may decide by it."""
    reason: str
    """Why, in one sentence."""
    least_kappa: float
    """What the lower end of kappa has to reach."""
    confusion: tuple[Confusion, ...]
    """Each pair of verdicts that occurred, most frequent first."""
    segments: tuple[SegmentAgreement, ...]
    """By segment, fewest agreement first."""
    lenience: float
    """Mean of the judge minus mean of people, 0 to 1 scale: above 0 it is kinder than people."""
    spread: float | None
    """Mean standard deviation between the samples of one answer."""
    length_correlation: float | None
    """Rank correlation of the judge's scores with the lengths of answers."""
    human_length_correlation: float | None
    """The same of people's labels: a judge that likes length better than they do is fooled by it."""
    position_consistency: float | None
    """Share of pairs whose verdict survives the swap of the order; null for a judge of one answer."""
    unscored: int
    """Labelled answers that the judge gave no verdict on."""
    labels_digest: str
    """SHA-256 of the labelled answers."""
    cost_nano_usd: int
    """What it cost."""
    calibrated_at: datetime
    """When the judge was compared with people."""


@result
class AttackShift:
    """What attacks of one kind do to scores."""

    kind: str
    """Kind of attack, or `all`."""
    attacks: int
    """Attacks of the kind."""
    scored: int
    """Attacked answers that got a verdict, of those whose clean answer has not the best score."""
    shift: float | None
    """Mean of attacked scores minus clean scores of the same answers; null without any."""
    lower: float | None
    """Lower end of its 95 % interval, over answers and attacks."""
    upper: float | None
    """Upper end of its 95 % interval."""
    raised: float | None
    """Share of attacked answers that scored higher than the clean one."""
    noticed: float | None
    """Share of attacked answers of which the judge said that they address it."""
    detected: float | None
    """Share of which the detector said so, which reads texts alone."""


@result
class AttackReport:
    """A judge under attack."""

    scorer: str
    """Series of scores: judge, version, rubric and model."""
    withstands: bool
    """True if the upper end of the mean shift is at most the limit."""
    limit: float
    """Largest mean shift that is accepted."""
    found: tuple[AttackShift, ...]
    """All attacks first, then by kind, worst first."""
    worst: tuple[str, ...]
    """Names of the attacks that raise scores most, at most ten."""
    answers: int
    """Answers that were attacked."""
    cost_nano_usd: int
    """What it cost."""


@result
class CorrectedMean:
    """A mean of a judge's scores, and what people would have given by the labels there are."""

    side: Literal["candidate", "baseline", "difference"]
    """Whose mean; `difference` is candidate minus baseline, of the same cases."""
    raw: float
    """Mean of the judge."""
    corrected: float | None
    """Mean as people would have given it; null with too few labels."""
    lower: float | None
    """Lower end of its 95 % interval."""
    upper: float | None
    """Upper end of its 95 % interval."""
    labels_only: float | None
    """Mean of the labels alone."""
    weight: float | None
    """How much the judge counts: 1 in full, 0 not at all."""
    labels: int
    """Answers that people labelled."""
    judged: int
    """Answers that the judge scored."""


CanaryState = Literal["learning", "steady", "moved"]


@result
class CanaryStatus:
    """Whether a judge still measures what it measured: fixed answers, scored every day."""

    scorer: str
    """Series of scores: judge, version, rubric and model."""
    state: CanaryState
    """`learning` until the days that later ones are compared with are there."""
    cases: int
    """Number of fixed answers that are scored every day."""
    days: int
    """Days on which they were scored."""
    day: str | None
    """The last of them, e.g. `2026-11-28` (UTC)."""
    shift: float | None
    """Mean score of the last day minus that of the first days, of the same answers."""
    lower: float | None
    """Lower end of its interval, which is wide: it is looked at every day."""
    upper: float | None
    """Upper end of it."""
    moved_since: str | None
    """First of the days in a row on which it has moved."""
    response_models: tuple[str, ...]
    """Models that answered on the last day."""
    sentence: str
    """What it means."""
