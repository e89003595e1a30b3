"""Rows and inputs of rollouts for tests of decisions: everything is fine unless a test says otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_analytics.results.readout import (
    AlphaBudget,
    ArmReadout,
    LimitReadout,
    MetricEvidence,
    MetricReadout,
    Readout,
    Scales,
    SegmentReadout,
    SrmReadout,
)
from coalmine_registry.roles import Actor, Role
from coalmine_rollouts.inputs import CONTROL, TREATMENT, ArmTraffic, Held, Inputs, Place, Row, Traffic
from coalmine_rollouts.plan import RolloutPlan, read_plan
from coalmine_rollouts.records import AppBehind, Command, CommandKind, Rollout, RolloutHold
from coalmine_rollouts.stage_clock import StageClock

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ID = "ro-refund-1.1.0-1"
BOB = Actor("bob", Role.APPROVER, "token-bob")
CLEO = Actor("cleo", Role.APPROVER, "token-cleo")
STEPS = {
    "stages": [
        {"weight": "5%", "min_time": "1h", "min_units": 100},
        {"weight": "25%", "min_time": "1h", "min_units": 300},
        {"weight": "50%", "min_time": "1h", "min_units": 500, "gate": "not_worse"},
    ],
    "bake": {"time": "24h", "holdback": "0%"},
    "metrics": {},
}


def plan_of(**changes: Any) -> RolloutPlan:
    """A plan of three stages."""
    return read_plan({**STEPS, **changes})


PLAN = plan_of()
WITH_HOLDBACK = plan_of(bake={"time": "24h", "holdback": "5%"})


def a_row(
    state: str = "running",
    stage: int = 0,
    *,
    plan: RolloutPlan = PLAN,
    full: bool = True,
    held: Mapping[str, str] | None = None,
    stored: bool = True,
    **changes: Any,
) -> Row:
    """A rollout.

    Args:
        state: Its state.
        stage: Its stage.
        plan: Its plan.
        full: True if the stage has had its time.
        held: Its holds.
        stored: True if these holds were there before this tick.
        changes: Of the rollout, or of the row.
    """
    holds = {name: Held(text=text, since=NOW - timedelta(hours=1)) for name, text in (held or {}).items()}
    of_row = {
        name: changes.pop(name) for name in ("told", "known", "start_at", "effective_at") if name in changes
    }
    began = NOW - timedelta(hours=30)
    rollout = Rollout(
        **{
            "id": ID,
            "environment": "prod",
            "prompt": "refund",
            "rule": None,
            "treatment": "1.1.0",
            "control": "1.0.0",
            "plan": plan,
            "plan_digest": plan.digest(),
            "template": None,
            "mode": plan.mode,
            "state": state,
            "reasons": (),
            "stage": stage,
            "holds": tuple(RolloutHold(name, each.text, each.since) for name, each in holds.items())
            if stored
            else (),
            "row_version": 7,
            "revision": 3,
            "occupies": True,
            "started_by": "bob",
            "created_at": began,
            "started_at": None if state == "pending" else began,
            "ended_at": None,
            "retry_of": None,
            "replaced_by": None,
            "approvals": (),
            "reason": None,
            **changes,
        }
    )
    seen_s = plan.min_time_s(stage) if full else 0.0
    clock = StageClock(
        began_at=began,
        observed_at=began,
        seen_s=seen_s,
        watched_s=seen_s,
        counted_to=NOW - timedelta(minutes=5),
        ticked_at=NOW - timedelta(seconds=5),
    )
    return Row(rollout=rollout, clock=clock, held=holds, commanded_at=began, **of_row)


def a_place(row: Row, **changes: Any) -> Place:
    """What the rollout itself has made its place serve."""
    rollout = row.rollout
    weight = rollout.plan.weight(rollout.stage)
    place = Place(revision=3, version=None, experiment=rollout.id, weight=weight, epoch=1, changed_by="dana")
    if rollout.state == "pending":
        place = Place(revision=3, version=rollout.control)
    elif weight >= 1.0:
        place = Place(revision=3, version=rollout.treatment)
    return replace(place, changed_at=NOW - timedelta(minutes=3), **changes)


def metric(name: str = "quality", **changes: Any) -> MetricReadout:
    """A metric that is proven not to be worse."""
    known: dict[str, Any] = {
        "metric": name,
        "unit": "",
        "direction": "higher",
        "role": "must_prove",
        "required": True,
        "goal": False,
        "units": 5_000,
        "control_units": 50_000,
        "verdict": "not worse",
        "words": "worse by less than 3%, if at all",
        "shown": None,
        "control_value": 0.8,
        "value": 0.8,
        "effect": 0.0,
        "lower": -0.01,
        "upper": 0.01,
        "relative_effect": 0.0,
        "relative_lower": -0.01,
        "relative_upper": 0.01,
        "standard_error": 0.004,
        "degrees_of_freedom": 200.0,
        "log_e": -1.0,
        "evidence": MetricEvidence(difference=0.9, harm=0.9, acceptable=0.01, better=0.8),
        "adjusted_p": 0.9,
        "units_needed": 0,
        "scales": Scales(mde=0.02, margin=0.024, tolerance=0.008),
        "hypothesis": "",
        "raw_control_value": None,
        "raw_value": None,
        "clipped_share": None,
    }
    return MetricReadout(**{**known, **changes})


def limit(**changes: Any) -> LimitReadout:
    """A limit that is kept."""
    known: dict[str, Any] = {
        "name": "error_rate",
        "limit": 0.2,
        "bad_units": 1,
        "units": 200,
        "control_bad_units": 10,
        "control_units": 2_000,
        "log_e": -3.0,
        "broken": False,
    }
    return LimitReadout(**{**known, **changes})


def segment(**changes: Any) -> SegmentReadout:
    """A metric that is not harmed in a segment."""
    known: dict[str, Any] = {
        "key": "language",
        "value": "de",
        "metric": "quality",
        "units": 300,
        "control_units": 3_000,
        "effect": -0.01,
        "lower": -0.02,
        "upper": 0.0,
        "relative_lower": -0.03,
        "relative_upper": 0.0,
        "p": 0.9,
        "adjusted_p": 0.9,
        "harmed": False,
    }
    return SegmentReadout(**{**known, **changes})


def a_readout(
    decision: str = "promote",
    *,
    units: int = 5_000,
    control_units: int = 50_000,
    srm: bool = False,
    words: str | None = None,
    **arm: Any,
) -> Readout:
    """A look at the experiment."""
    said = words or {"promote": "promote: nothing is worse", "rollback": "roll back: worse in quality"}.get(
        decision, "hold: undecided in quality"
    )
    known: dict[str, Any] = {
        "arm": TREATMENT,
        "units": units,
        "requests": 3 * units,
        "decision": decision,
        "words": said,
        "decided_at": None,
        "units_needed": None,
        "acceptable_p": None,
        "metrics": (metric(),),
        "limits": (limit(),),
        "segments": (),
        "cache_saving": None,
        "heavy_units": (),
    }
    return Readout(
        experiment=ID,
        taken_at=NOW,
        first_at=NOW - timedelta(hours=30),
        through_ingest_id=90,
        alpha=0.05,
        budget=AlphaBudget(0.04, 0.009, 0.001),
        control=CONTROL,
        control_units=control_units,
        control_requests=3 * control_units,
        control_cache_saving=None,
        epochs=(1,),
        final=False,
        no_control_since=None,
        begun_anew=None,
        epoch_since=NOW - timedelta(hours=30),
        borders=(),
        srm=SrmReadout(0.5, 0.0, srm, "units arrive as planned" if not srm else "more in treatment"),
        arms=(ArmReadout(**{**known, **arm}),),
    )


def an_arm(**changes: Any) -> ArmTraffic:
    """An arm with traffic."""
    known = ArmTraffic(
        last_at=NOW - timedelta(seconds=2),
        requests=500,
        errors=5,
        latency_ms=400_000.0,
        models={"gpt-4o-mini": 500},
        models_before={"gpt-4o-mini": 3_000},
    )
    return replace(known, **changes)


def a_traffic(**changes: Any) -> Traffic:
    """Applications that all follow."""
    known = Traffic(
        watermark=NOW - timedelta(seconds=1),
        treatment=an_arm(requests=100, errors=1, latency_ms=80_000.0, models={"gpt-4o-mini": 100}),
        control=an_arm(),
        assigned=600,
        on_epoch=600,
    )
    return replace(known, **changes)


BEHIND = AppBehind("billing", "0.3.1", "cached", 40, NOW - timedelta(seconds=10))


def the_inputs(row: Row, **changes: Any) -> Inputs:
    """What a tick has read while everything is fine."""
    known: dict[str, Any] = {
        "now": NOW,
        "place": a_place(row),
        "readout": a_readout(),
        "traffic": a_traffic(),
    }
    return Inputs(**{**known, **changes})


def a_command(kind: CommandKind, **changes: Any) -> Command:
    """A command of Bob's."""
    known: dict[str, Any] = {
        "id": 1,
        "kind": kind,
        "actor": BOB,
        "reason": "because",
        "arguments": {},
        "seen_row_version": None,
    }
    return Command(**{**known, **changes})
