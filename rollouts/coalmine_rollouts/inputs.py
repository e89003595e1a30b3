"""What a tick has read before anything is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coalmine_analytics.results.readout import ArmReadout, Readout
from coalmine_rollouts.records import AppBehind, Command, Rollout
from coalmine_rollouts.stage_clock import StageClock

TREATMENT = "treatment"
CONTROL = "control"
"""Arms of a rollout's experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold, and since when its reason is gone."""

    text: str
    since: datetime
    clear_since: datetime | None = None
    clear_ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A rollout as it is stored, with what only the controller needs."""

    rollout: Rollout
    clock: StageClock
    held: Mapping[str, Held] = field(default_factory=dict)
    commanded_at: datetime | None = None
    """When it last changed what is served."""
    effective_at: datetime | None = None
    """When the last application had followed the end."""
    told: tuple[str, ...] = ()
    """Notices and advice that were given already."""
    known: bool = False
    """True if the treatment served everybody there lately, when the rollout was asked for."""
    start_at: datetime | None = None
    """Not to begin before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a place serves now."""

    revision: int
    """Of the deployment."""
    version: str | None
    """None while an experiment stands there, or the rule is gone."""
    experiment: str | None = None
    weight: float | None = None
    """Share of the treatment, if an experiment stands there."""
    epoch: int | None = None
    """Its allocation epoch."""
    changed_by: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTraffic:
    """Requests of one arm in the last minutes."""

    last_at: datetime | None = None
    requests: int = 0
    errors: int = 0
    latency_ms: float = 0.0
    """Sum."""
    models: Mapping[str, int] = field(default_factory=dict)
    """Requests by the model that answered."""
    models_before: Mapping[str, int] = field(default_factory=dict)
    """The same of the hour before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The prompt's traffic at this hour, over the last two weeks."""

    requests_per_h: float
    error_share: float
    latency_ms: float
    """Mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the applications do, from the store."""

    watermark: datetime | None = None
    """Newest event of all; later than now is cut to now."""
    treatment: ArmTraffic = field(default_factory=ArmTraffic)
    control: ArmTraffic = field(default_factory=ArmTraffic)
    buckets: tuple[datetime, ...] = ()
    """Begins of complete buckets in which both arms had requests."""
    assigned: int = 0
    """Requests of the last minutes that carry the experiment."""
    on_epoch: int = 0
    """Those of them that carry the current epoch."""
    others: int = 0
    """Requests for the prompt, in the same minutes, outside the experiment."""
    behind: tuple[AppBehind, ...] = ()
    """Who serves an older epoch, or a version that is not served any more."""
    pinned: tuple[AppBehind, ...] = ()
    """Who asks for the treatment by name: the registry cannot change that."""
    treated_at: datetime | None = None
    """Last request on the treatment that was not pinned."""
    usual: Usual | None = None
    missing_metrics: Mapping[str, str] = field(default_factory=dict)
    """Metrics without new values, with why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a decision stands on."""

    now: datetime
    place: Place | None
    """None: nothing is served, or it could not be told."""
    readout: Readout | None = None
    traffic: Traffic = field(default_factory=Traffic)
    source_lag_s: float | None = None
    """How old the oldest event is that waits to be read; None: unknown."""
    frozen: str | None = None
    """Who froze the place, why and until when."""
    commands: tuple[Command, ...] = ()
    """Oldest first."""
    refusals: tuple[str, ...] = ()
    """Why the registry refused the last step, if that is not long ago."""
    queued_behind: str | None = None
    """The rollout that holds the place, if it is another one."""
    unfinished: tuple[str, ...] = ()
    """Rollouts of the plan's `after` that are not completed."""
    treatment_gone: str | None = None
    """Why a waiting rollout is not needed or possible any more."""
    same_model: bool = True
    """True if both versions ask for the same model."""
    error: str | None = None
    """What the last tick failed with."""
    longest_gap_s: float = 60.0

    @property
    def arm(self) -> ArmReadout | None:
        """The treatment in the readout."""
        if self.readout is None:
            return None
        return next((arm for arm in self.readout.arms if arm.arm == TREATMENT), None)


def is_by_hand(row: Row, place: Place) -> bool:
    """Returns True if somebody has given the treatment another share than the plan does in this stage."""
    rollout = row.rollout
    if rollout.mode == "advise" or place.weight is None or place.experiment != rollout.id:
        return False
    return abs(place.weight - rollout.plan.weight(rollout.stage)) > 1e-9
