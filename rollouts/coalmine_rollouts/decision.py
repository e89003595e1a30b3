"""A decision before it is carried out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coalmine_rollouts.inputs import Held, Row
from coalmine_rollouts.records import Command, Kind, State
from coalmine_schemas.quantities import seconds

Act = Literal["nothing", "start", "set_weight", "stop", "keep", "go_back"]
"""What happens to what is served. `stop` returns to the control and `keep` serves the treatment to everybody,
ending the experiment; `go_back` moves a place on which no experiment stands any more back to the control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a rollout does next, and why."""

    kind: Kind
    to_state: State
    to_stage: int
    reasons: tuple[str, ...]
    act: Act = "nothing"
    weight: float | None = None
    """Of the treatment from now on, if the act changes it."""
    held: Mapping[str, Held] | None = None
    """The holds from now on; None: as before."""
    restart_clock: bool = False
    command: Command | None = None
    """The command that it carries out."""
    answer: str | None = None
    """To who gave the command."""
    approved: str | None = None
    """What a person has approved with it."""
    told: str | None = None
    """Notice or advice that is not to be repeated."""
    rebase_to: str | None = None
    """The version that is the control from now on."""
    effective_at: datetime | None = None
    """When the last application had followed."""


def stays(row: Row, kind: Kind, *reasons: str) -> Decision:
    """Returns a decision that changes neither state nor stage."""
    return Decision(kind=kind, to_state=row.rollout.state, to_stage=row.rollout.stage, reasons=reasons)


def is_alone(row: Row) -> bool:
    """Returns True if its treatment is served to everybody, without an experiment."""
    rollout = row.rollout
    return rollout.state in ("baking", "paused") and rollout.plan.weight(rollout.stage) >= 1.0


def to_everybody(row: Row, reason: str) -> Decision:
    """Returns the step after the last stage: everybody, or all but the holdback, gets the treatment."""
    plan = row.rollout.plan
    stage, holdback = plan.last + 1, plan.bake.holdback
    if seconds(plan.bake.time) == 0:
        return Decision(
            kind="complete",
            to_state="completed",
            to_stage=stage,
            reasons=(reason,),
            act="nothing" if is_alone(row) else "keep",
            weight=1.0,
            held={},
        )
    return Decision(
        kind="bake",
        to_state="baking",
        to_stage=stage,
        reasons=(reason,) if holdback else (reason, "without a control: only what comes late can show harm"),
        act="set_weight" if holdback else "keep",
        weight=1.0 - holdback,
        restart_clock=True,
        held={},
    )


def ended(row: Row, kind: Kind, state: State, *reasons: str) -> Decision:
    """Returns the end of a rollout, which takes its treatment away unless somebody else has done so."""
    act: Act = "go_back" if is_alone(row) else "stop"
    changes = state != "superseded"
    return Decision(
        kind=kind,
        to_state=state,
        to_stage=row.rollout.stage,
        reasons=reasons,
        act=act if changes else "nothing",
        weight=0.0 if changes else None,
        held={},
    )
