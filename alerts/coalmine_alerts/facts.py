"""What rules judge: everything that was read for one evaluation, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from coalmine_alerts.results.delivery import ChannelHealth
from coalmine_analytics.results.comparison import Comparison
from coalmine_analytics.results.drift import VersionDrift
from coalmine_analytics.results.explain import Explanation
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.results import GapRow
from coalmine_evals.results.judges import CanaryStatus
from coalmine_rollouts.records import SERVING, AppBehind, Rollout, RolloutDecision

Source = Literal[
    "access",
    "apps",
    "budgets",
    "changes",
    "channels",
    "comparisons",
    "drift",
    "evaluations",
    "experiments",
    "feedback",
    "ingest",
    "judges",
    "limits",
    "models",
    "rollouts",
    "runs",
    "spend",
    "traffic",
]
"""What is read from one place: each by itself, so that one that fails leaves the others readable."""

DEFAULT_LIMITS: Final[Mapping[str, float]] = MappingProxyType({"error_rate": 0.2})
"""Absolute limits of versions that everybody gets, as a rollout has them."""


class Place(NamedTuple):
    """A prompt in an environment."""

    environment: str
    prompt: str


class VersionPlace(NamedTuple):
    """A version of a prompt in an environment."""

    environment: str
    prompt: str
    version: str

    @property
    def place(self) -> Place:
        """The prompt, whatever its version."""
        return Place(self.environment, self.prompt)

    def labels(self) -> dict[str, str]:
        """As labels of a finding."""
        return self._asdict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What only the running process knows."""

    waiting_for: str | None = None
    """What keeps the collector from its source."""
    lag_messages: int | None = None
    lag_s: float | None = None
    """Age of what waits to be read; None: unknown."""
    rollouts_tick_age_s: float | None = None
    """Since rollouts were last decided about; None: nobody here decides about them."""
    disk_free: float | None = None
    """Share of the store's disk that is free, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """How ingest stands."""

    last_commit_at: datetime | None = None
    newest_event_at: datetime | None = None
    """Start of the newest request; later than now is cut to now."""
    expected_since: float | None = None
    """Requests that came at least, on each of the days before, in the time for which now none has; None where
    too few days are known."""
    consumed_lately: int = 0
    """Messages of the last ten minutes."""
    dead_lately: int = 0
    """Those of them that could not be decoded."""
    feedback: int = 0
    """Feedback of the last day whose request is known."""
    unattributed: int = 0
    """Feedback of the last day that has waited for its request for more than an hour."""
    gaps: Sequence[GapRow] = ()
    """Losses of the last day, newest first."""
    health: Health = field(default_factory=Health)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A version that had requests in the last days."""

    key: VersionPlace
    first_at: datetime
    """Of its first request that is known of."""
    last_at: datetime
    requests: int
    """In the last days."""
    lately: int
    """In the last hour."""
    share: float
    """Of the prompt's requests there in the last hour that had any, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredBy:
    """A model that answered for a version in the last hour."""

    key: VersionPlace
    model: str
    requests: int
    first_at: datetime
    """Of its first answer in the last days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTraffic:
    """Requests of an application in the last ten minutes."""

    environment: str
    app: str
    requests: int
    without_registry: int
    """Those whose prompt came from its fallback or its disk."""
    prompts: Sequence[str]
    """Whose prompts those were."""
    earliest: bool
    """True if it had requests without the registry in the first minutes of the ten, too."""


@dataclass(frozen=True, slots=True)
class LimitWatch:
    """Bad units of a version, against an absolute limit, in the last hour."""

    key: VersionPlace
    limit_name: str
    limit: float
    bad_units: float
    """Each counts with the share of its requests that are bad."""
    units: int
    log_e: float
    """Natural logarithm of the e-value against "no more than the limit"."""
    hit: int
    """Groups of units that had something bad."""
    bad_lately: int
    """Bad requests of the last minutes."""
    requests_lately: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPair:
    """A version that everybody gets, compared with the one before it."""

    key: VersionPlace
    before: str
    since: datetime
    """When it took over."""
    comparison: Comparison
    tolerances: Mapping[str, float]
    """By metric, in its unit: a worsening up to this size is accepted."""
    worse_if: Mapping[str, Literal["higher", "lower", "same"]]
    """By metric, which way is worse; metrics that nothing depends on are left out."""
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    """By metric."""


@dataclass(frozen=True, slots=True)
class Course:
    """A metric over time, at most 20 points."""

    step_h: int
    points: Sequence[tuple[datetime, float | None]]
    """Begin of each step, and its value; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRating:
    """A thumb down, a lowest rating or a correction."""

    at: datetime
    request_id: str
    environment: str
    prompt: str
    version: str
    model: str
    question: str | None
    answer: str | None
    comment: str | None
    correction: str | None
    segments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Thumbs in some hours that end now, and at the same hours of the days before."""

    hours: int
    down: int
    rated: int
    requests: int
    usual: Sequence[tuple[int, int, int]] = ()
    """Thumbs down, thumbs and requests of each day before that had requests in those hours."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Thumbs for a prompt."""

    place: Place
    stretches: Sequence[Stretch]
    """The last hour, and longer ones."""
    bad: Sequence[BadRating] = ()
    """Of the last minutes, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSpend:
    """What an application spent in the last full hour, and in the same hour of the days before."""

    environment: str
    app: str
    hour: datetime
    usd: float | None
    """None: nothing was called, or no cost is known."""
    usual_usd: Sequence[float] = ()
    """Of each day before that had requests in that hour."""
    prompts: Sequence[tuple[str, float]] = ()
    """What it spent most on, in US dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What was spent on a prompt by an application on a day; today's is what has come so far."""

    day: datetime
    environment: str
    prompt: str
    app: str
    usd: float | None
    """None: of no call is the cost known."""
    unpriced: int = 0
    """Calls whose cost is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFacts:
    """A rollout that lives, or ended lately."""

    rollout: Rollout
    decisions: Sequence[RolloutDecision]
    """Of the last day, oldest first."""
    behind: Sequence[AppBehind] = ()
    """Who serves its treatment though it was taken back: in the last five minutes."""
    asked_behind: bool = False
    """False: nobody has looked for them."""
    diff: Sequence[str] = ()
    """What its version changes, as lines that begin with `+`, `-` or a space."""
    author: str | None = None
    """Who registered its version."""
    waits_for: str | None = None
    """What a person has to do for it to go on, in words."""
    paused_at: datetime | None = None
    """When it was paused last."""

    @property
    def is_out(self) -> bool:
        """True while its treatment is shown to somebody."""
        return self.rollout.state in SERVING

    @property
    def takes_back(self) -> bool:
        """True while the rollout takes its treatment back if that is worse: it may, and has a control."""
        rollout, plan = self.rollout, self.rollout.plan
        may = rollout.mode == "act" and (rollout.state != "baking" or plan.bake.rollback)
        return self.is_out and may and plan.weight(rollout.stage) < 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of what an environment serves, made by a person."""

    id: int
    """Of its entry in the audit log."""
    at: datetime
    environment: str
    prompt: str
    action: str
    actor: str
    reason: str | None
    before: str | None
    """What was served by default, in words."""
    after: str | None
    diff: Sequence[str] = ()
    """Of the texts, if another version is served by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """A change of who may do what."""

    id: int
    """Of its entry in the audit log."""
    at: datetime
    action: str
    actor: str
    environment: str | None
    what: str
    """What it is about, without any secret."""
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What checked runs of evals say about a version."""

    key: VersionPlace
    runs: int
    """Runs that passed."""
    models: frozenset[str]
    """Models that their summaries name, or that runs have shown to be safe; empty: none is known."""
    unsafe: frozenset[str] = frozenset()
    """Models on which a run has shown harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A new version that was run on its suite and did not pass, or could not be run."""

    prompt: str
    version: str
    author: str | None
    suite: str
    harm: bool
    """True if harm was shown; False if the run is not valid."""
    said: str | None
    run: str | None
    job: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read for one evaluation. Sources that were not asked for are empty."""

    now: datetime
    read: frozenset[Source] = frozenset()
    """What was asked for, and could be read."""
    failed: Mapping[Source, str] = field(default_factory=dict)
    """What could not be read, and why."""
    ingest: Ingest = field(default_factory=Ingest)
    served: Sequence[Served] = ()
    answered: Sequence[AnsweredBy] = ()
    apps: Sequence[AppTraffic] = ()
    limits: Sequence[LimitWatch] = ()
    drifts: Sequence[VersionDrift] = ()
    explanations: Mapping[tuple[VersionPlace, str], Explanation] = field(default_factory=dict)
    """Of drifted metrics, by version and metric."""
    courses: Mapping[tuple[VersionPlace, str], Course] = field(default_factory=dict)
    """Of drifted metrics, likewise."""
    pairs: Sequence[VersionPair] = ()
    ratings: Sequence[Ratings] = ()
    hours: Sequence[HourSpend] = ()
    days: Sequence[DaySpend] = ()
    """Of this month and the one before."""
    rollouts: Sequence[RolloutFacts] = ()
    changes: Sequence[Change] = ()
    """Of the last day, oldest first."""
    access: Sequence[AccessChange] = ()
    """Of the last day, oldest first."""
    evaluations: Sequence[Evaluation] = ()
    rejected: Sequence[Rejected] = ()
    """Of the last day, oldest first."""
    judges: Sequence[CanaryStatus] = ()
    channels: Sequence[ChannelHealth] = ()
    readouts: Sequence[tuple[Place, Readout]] = ()
    """The last look at each experiment that runs."""

    def served_at(self) -> dict[Place, list[Served]]:
        """Returns the versions that had requests, by prompt and environment."""
        found: dict[Place, list[Served]] = {}
        for each in self.served:
            found.setdefault(each.key.place, []).append(each)
        return found

    def rollout_out(self, place: Place | None = None) -> RolloutFacts | None:
        """Returns a rollout whose treatment is shown to somebody; None if there is none."""
        return next(
            (
                each
                for each in self.rollouts
                if each.is_out and (place is None or place == (each.rollout.environment, each.rollout.prompt))
            ),
            None,
        )
