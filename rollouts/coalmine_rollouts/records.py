"""What rollouts return: frozen values, served by the HTTP API as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from coalmine_registry.roles import Actor
from coalmine_rollouts.plan import Mode, RolloutPlan
from coalmine_schemas.results import result

State = Literal[
    "pending",
    "running",
    "paused",
    "baking",
    "completed",
    "rolled_back",
    "aborted",
    "expired",
    "superseded",
    "cancelled",
]
"""`expired`: time, units or money used up without an answer, which says nothing bad about the version."""

TERMINAL: Final[frozenset[State]] = frozenset(
    ("completed", "rolled_back", "aborted", "expired", "superseded", "cancelled")
)
SERVING: Final[frozenset[State]] = frozenset(("running", "paused", "baking"))
"""States in which its treatment is shown to somebody."""
UNDER_WAY: Final[frozenset[State]] = frozenset(get_args(State)) - TERMINAL

Kind = Literal[
    "create",
    "wait",
    "start",
    "advance",
    "hold",
    "release",
    "restart_clock",
    "pause",
    "resume",
    "approve",
    "evidence",
    "rebase",
    "refuse",
    "bake",
    "complete",
    "roll_back",
    "abort",
    "cancel",
    "expire",
    "supersede",
    "advise",
    "notice",
    "panic",
]

CommandKind = Literal["pause", "resume", "approve", "promote_force", "abort", "cancel", "rebase", "evidence"]


@result
class RolloutHold:
    """A reason for which a rollout does not go on."""

    name: str
    """E.g. `ingest_stale` or `metric_missing:quality`."""
    text: str
    """What is wrong, and what would end it."""
    since: datetime


@result
class Approval:
    """What a person approved."""

    what: str
    """`start`, the weight of a stage such as `25%`, or `complete`."""
    by: str
    """Subject of the token."""
    role: str
    token_id: str
    at: datetime


@result
class Rollout:
    """One version on its way to everybody in one place."""

    id: str
    """Also the name of its experiment."""
    environment: str
    prompt: str
    rule: str | None
    """Null: the default place."""
    treatment: str
    """Version that is rolled out."""
    control: str
    """Version that served the place when it started."""
    plan: RolloutPlan
    plan_digest: str
    template: str | None
    mode: Mode
    state: State
    reasons: tuple[str, ...]
    """Why it is in this state: what a pending one waits for, or why it ended."""
    stage: int
    """Index of the stage; one more than the last while it bakes."""
    holds: tuple[RolloutHold, ...]
    """Why it does not go on; harm is watched and acted upon all the same."""
    row_version: int
    """Grows with every change; pass it with a command, to be refused if something has changed since."""
    revision: int | None
    """Revision of the deployment that it made last."""
    occupies: bool
    """True while it holds its place."""
    started_by: str
    """Subject of the token that asked for it."""
    created_at: datetime
    started_at: datetime | None
    """When its treatment was first shown."""
    ended_at: datetime | None
    retry_of: str | None
    """The rollout that it tries again."""
    replaced_by: str | None
    """The rollout that took its place."""
    approvals: tuple[Approval, ...]
    reason: str | None
    """Given with the start."""

    @property
    def is_terminal(self) -> bool:
        """True if nothing will change any more."""
        return self.state in TERMINAL


@result
class RolloutDecision:
    """One decision, with the numbers on which it stood."""

    rollout: str
    seq: int
    """From 1, without gaps."""
    kind: Kind
    from_state: State | None
    """Null for the first."""
    to_state: State
    from_stage: int | None
    to_stage: int | None
    weights: Mapping[str, float] | None
    """Share by arm from now on; null if it changed nothing that is served."""
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    """Copied in: metrics, limits, segments, counts, holds, as they stood."""
    actor: str
    """A person, or `rollout:<id>` for the controller."""
    at: datetime
    revision: int | None
    """Revision of the deployment that it made; null if it changed nothing that is served."""


@result
class RolloutCommand:
    """What a person asked a rollout to do."""

    id: int
    rollout: str
    kind: CommandKind
    actor: str
    reason: str | None
    asked_at: datetime
    done_at: datetime | None
    """Null until the next tick."""
    answer: str | None
    """What came of it."""


@result
class AppBehind:
    """An application that still serves what it should not."""

    app: str
    client_version: str | None
    resolution: str
    requests: int
    """In the last minutes."""
    last_seen: datetime


@result
class RolloutStatus:
    """Where a rollout stands, and what is missing to go on."""

    id: str
    state: State
    stage: int
    """Index of the stage; one more than the last while it bakes."""
    holds: tuple[RolloutHold, ...]
    """Why it does not go on."""
    sentence: str
    weight_commanded: float
    """Share of the treatment that the registry serves, 0 to 1."""
    weight_observed: float | None
    """Share of the treatment among the requests of the last minutes; null without any."""
    share_of_traffic: float | None
    """Share of the prompt's requests that are in the experiment at all: others are under rules or behind."""
    units: int
    """Units of the treatment so far."""
    control_units: int
    seen_s: float
    """Time with traffic that the stage has had."""
    min_time_s: float
    """Time with traffic that the stage needs."""
    commanded_at: datetime | None
    """When what is served was last changed."""
    effective_at: datetime | None
    """When the last application followed; null while some have not."""
    behind: tuple[AppBehind, ...]
    """Those that have not."""
    rollout: Rollout
    """All that is stored of it."""
    patterns: tuple[str, ...]
    """Segments in which the treatment is or may be worse, the surest first."""
    at: datetime
    """When this was read."""


@result
class AsShipped:
    """What a version was like when its rollout completed: kept for ever."""

    rollout: str
    prompt: str
    version: str
    environment: str
    figures: Mapping[str, Any]
    """By metric: value, interval, units."""
    at: datetime


@result
class Decided:
    """A decision and the rollout after it."""

    rollout: Rollout
    decision: RolloutDecision


@dataclass(frozen=True, slots=True)
class Command:
    """A command that waits to be carried out."""

    id: int
    kind: CommandKind
    actor: Actor
    reason: str | None
    arguments: Mapping[str, Any]
    seen_row_version: int | None
