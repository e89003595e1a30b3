"""What the API says of a rollout, made of the values that the server serves."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from coalmine_analytics.results.readout import (
    AlphaBudget,
    ArmReadout,
    LimitReadout,
    MetricEvidence,
    MetricReadout,
    Readout,
    ReadoutPath,
    Scales,
    SegmentReadout,
    SrmReadout,
)
from coalmine_analytics.results.verdicts import Direction, Role, Verdict
from coalmine_registry.experiment_plan import DEFAULT
from coalmine_registry.records import AllocationEpoch, ExperimentRecord
from coalmine_rollouts.plan import read_plan
from coalmine_rollouts.records import Rollout, RolloutDecision, RolloutHold, RolloutStatus
from coalmine_schemas.prompts import Arm
from coalmine_schemas.results import Page

BEGAN: Final = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
NAME: Final = "ro-support-refund-1.3.0-1"
_ANYTHING: Final = TypeAdapter[Any](Any)
_METRICS: Final[tuple[tuple[str, str, Direction, Role, float, float, float], ...]] = (
    # name, unit, direction, role, value of control, true effect, standard deviation
    ("quality", "", "higher", "must_prove", 0.80, 0.012, 0.2),
    ("error_rate", "share", "lower", "must_prove", 0.02, 0.002, 0.14),
    ("cost_per_request", "USD", "lower", "must_not_harm", 0.0031, -0.0006, 0.002),
    ("latency_ms", "ms", "lower", "must_prove", 1240.0, 60.0, 700.0),
    ("thumbs_up_rate", "share", "higher", "must_not_harm", 0.71, 0.0, 0.45),
    ("output_tokens", "tokens", "unknown", "shown", 212.0, -31.0, 80.0),
)


def dumped(value: object) -> Any:
    """A value as the API writes it."""
    return _ANYTHING.dump_python(value, mode="json")


def a_rollout(**changes: Any) -> Rollout:
    """A rollout in its second stage."""
    plan = read_plan("canary-standard")
    rest: dict[str, Any] = {
        "id": NAME,
        "environment": "prod",
        "prompt": "support-refund",
        "rule": None,
        "treatment": "1.3.0",
        "control": "1.2.0",
        "plan": plan,
        "plan_digest": plan.digest(),
        "template": "canary-standard",
        "mode": "act",
        "state": "running",
        "reasons": (),
        "stage": 1,
        "holds": (),
        "row_version": 7,
        "revision": 4,
        "occupies": True,
        "started_by": "dana",
        "created_at": BEGAN - timedelta(minutes=5),
        "started_at": BEGAN,
        "ended_at": None,
        "retry_of": None,
        "replaced_by": None,
        "approvals": (),
        "reason": None,
    }
    return Rollout(**{**rest, **changes})


def a_hold() -> RolloutHold:
    return RolloutHold("ingest_stale", "nothing was stored for 6 min; it goes on with ingest", BEGAN)


def a_status(rollout: Rollout, **changes: Any) -> RolloutStatus:
    """Where it stands."""
    rest: dict[str, Any] = {
        "id": rollout.id,
        "state": rollout.state,
        "stage": rollout.stage,
        "holds": rollout.holds,
        "sentence": "50%, 1,180 of 600 units, about 900 more units would settle quality; then everybody",
        "weight_commanded": 0.5,
        "weight_observed": 0.489,
        "share_of_traffic": 0.97,
        "units": 1_180,
        "control_units": 2_430,
        "seen_s": 5_400.0,
        "min_time_s": 7_200.0,
        "commanded_at": BEGAN + timedelta(hours=2),
        "effective_at": BEGAN + timedelta(hours=2, seconds=9),
        "behind": (),
        "rollout": rollout,
        "patterns": ("latency_ms may be worse by 310 where tier is enterprise (p 0.03, 141 units)",),
        "at": BEGAN + timedelta(hours=4),
    }
    return RolloutStatus(**{**rest, **changes})


def a_look(at: datetime, units: int, control_units: int, epochs: tuple[int, ...] = (1,)) -> Readout:
    """A look with so many units: intervals shrink as the root of them."""
    metrics = tuple(_metric(place, units, control_units, *each) for place, each in enumerate(_METRICS))
    segment = SegmentReadout(
        "tier", "enterprise", "latency_ms", 141, 260, 310.0, -20.0, 640.0, -0.02, 0.5, 0.002, 0.03, False
    )
    limit = LimitReadout("error_rate", 0.2, 26, units, 48, control_units, -3.0, False)
    arm = ArmReadout(
        arm="treatment",
        units=units,
        requests=3 * units,
        decision="hold",
        words="hold: quality and latency_ms are not yet shown to be not worse",
        decided_at=None,
        units_needed=900,
        acceptable_p=0.2,
        metrics=metrics,
        limits=(limit,),
        segments=(segment,),
        cache_saving=None,
        heavy_units=(),
    )
    return Readout(
        experiment=NAME,
        taken_at=at,
        first_at=BEGAN,
        through_ingest_id=units,
        alpha=0.05,
        budget=AlphaBudget(0.04, 0.009, 0.001),
        control="control",
        control_units=control_units,
        control_requests=3 * control_units,
        control_cache_saving=None,
        epochs=epochs,
        epoch_since=BEGAN,
        borders=(),
        final=False,
        no_control_since=None,
        begun_anew=None,
        srm=SrmReadout(0.6, -0.4, False, "no deviation from the planned proportions shown"),
        arms=(arm,),
    )


def _metric(
    place: int,
    units: int,
    control_units: int,
    metric: str,
    unit: str,
    direction: Direction,
    role: Role,
    control: float,
    true: float,
    sd: float,
) -> MetricReadout:
    n = units * control_units / (units + control_units)
    half = sd * math.sqrt(7.0 / n)
    effect = true + 0.4 * half * math.sin(n / 40.0 + place)
    known = units >= 30
    verdict: Verdict = "not enough data" if not known else "undecided"
    if known and role == "shown":
        verdict = "no difference shown"
    if known and metric == "cost_per_request" and effect + half < 0:
        verdict = "better"
    margin = 0.03 * control if unit != "share" else 0.02
    return MetricReadout(
        metric=metric,
        unit=unit,
        direction=direction,
        role=role,
        required=role == "must_prove",
        goal=False,
        units=units,
        control_units=control_units,
        verdict=verdict,
        words="neither harm nor its absence is shown yet" if known else "each arm needs 30 units first",
        shown=None,
        control_value=control,
        value=control + effect if known else None,
        effect=effect if known else None,
        lower=effect - half if known else None,
        upper=effect + half if known else None,
        relative_effect=effect / control if known else None,
        relative_lower=(effect - half) / control if known else None,
        relative_upper=(effect + half) / control if known else None,
        standard_error=half / 3 if known else None,
        degrees_of_freedom=n,
        log_e=0.1,
        evidence=MetricEvidence(0.5, 0.4, 0.2, 0.3),
        adjusted_p=0.6,
        units_needed=None if role == "shown" else 900,
        scales=Scales(mde=margin, margin=margin, tolerance=margin / 3) if known else None,
        hypothesis="as the catalogue has it",
        raw_control_value=None,
        raw_value=None,
        clipped_share=None,
    )


def looks(count: int = 60) -> list[Readout]:
    """Looks over four hours, in two epochs."""
    found = []
    for place in range(count):
        at = BEGAN + timedelta(hours=4) * ((place + 1) / count)
        share = (place + 1) / count
        later = place >= count // 2
        units = int(8 + 230 * share if not later else 240 + 1_880 * (share - 0.5))
        found.append(a_look(at, units, int(60 + 2_370 * share), (1, 2) if later else (1,)))
    return found


def decisions() -> list[RolloutDecision]:
    """Its start, and its second stage on the numbers of a look."""
    evidence = {"look": {"metrics": [_evidence(each) for each in a_look(BEGAN, 240, 1_200).arms[0].metrics]}}
    controller = f"rollout:{NAME}"
    return [
        _decision(1, "create", None, "pending", None, (), {}, "dana", -timedelta(minutes=5)),
        _decision(
            2, "start", "pending", "running", 0.1, ("nothing is missing",), {}, controller, timedelta()
        ),
        _decision(
            3, "advance", "running", "running", 0.5, ("no harm",), evidence, controller, timedelta(hours=2)
        ),
    ]


def _decision(
    seq: int,
    kind: Any,
    before: Any,
    after: Any,
    weight: float | None,
    reasons: tuple[str, ...],
    evidence: Mapping[str, Any],
    actor: str,
    later: timedelta,
) -> RolloutDecision:
    weights = None if weight is None else {"treatment": weight, "control": 1 - weight}
    at, revision = BEGAN + later, None if weight is None else seq
    return RolloutDecision(
        NAME, seq, kind, before, after, None, 0, weights, reasons, evidence, actor, at, revision
    )


def _evidence(metric: MetricReadout) -> dict[str, Any]:
    names = ("metric", "unit", "role", "verdict", "units", "control_units", "effect", "lower", "upper")
    return {
        **{name: getattr(metric, name) for name in names},
        "harm_p": metric.evidence.harm,
        "acceptable_p": metric.evidence.acceptable,
    }


def an_experiment() -> ExperimentRecord:
    """The experiment of the rollout."""

    def arms(share: float) -> tuple[Arm, ...]:
        return (Arm("treatment", "1.3.0", share), Arm("control", "1.2.0", 1 - share))

    controller = f"rollout:{NAME}"
    return ExperimentRecord(
        name=NAME,
        environment="prod",
        prompt="support-refund",
        rule=None,
        replaced="1.2.0",
        salt="0" * 32,
        plan=DEFAULT,
        status="running",
        allocation_epoch=2,
        arms=arms(0.5),
        epochs=(
            AllocationEpoch(1, arms(0.1), BEGAN, controller),
            AllocationEpoch(2, arms(0.5), BEGAN + timedelta(hours=2), controller),
        ),
        started_at=BEGAN,
        started_by=controller,
        stopped_at=None,
        stopped_by=None,
        kept=None,
    )


def handlers_of(status: RolloutStatus, *others: Rollout) -> dict[str, Callable[[dict[str, str]], Any]]:
    """Answers about a rollout, for a `DashboardApi`.

    Args:
        status: Where it stands.
        others: Further rollouts of the list.
    """
    rollout, path = status.rollout, looks()
    one, experiment = f"/v1/rollouts/{rollout.id}", f"/v1/experiments/{rollout.id}"

    def seen(query: Mapping[str, str]) -> Any:
        since = datetime.fromisoformat(query.get("since", BEGAN.isoformat()))
        return dumped(ReadoutPath(NAME, tuple(each for each in path if each.taken_at >= since)))

    def listed(query: Mapping[str, str]) -> Any:
        found = [
            each for each in (rollout, *others) if each.state in query.get("state", each.state).split(",")
        ]
        return dumped(Page(found, None))

    return {
        "/v1/rollouts": listed,
        one: lambda _query: dumped(rollout),
        f"{one}/status": lambda _query: dumped(status),
        f"{one}/decisions": lambda _query: dumped(Page(decisions(), None)),
        experiment: lambda _query: dumped(an_experiment()),
        f"{experiment}/readout": lambda _query: dumped(path[-1]),
        f"{experiment}/looks": seen,
    }
