"""Rollouts in words and tables: their states, figures, stages and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from coalmine_analytics.results.readout import ArmReadout, LimitReadout, MetricReadout, SegmentReadout
from coalmine_analytics.results.verdicts import Role, Verdict
from coalmine_dashboards.formatting import UNKNOWN, count, difference, figure, interval, lasting, percent
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Told, Tone, When, dot
from coalmine_dashboards.views.health import HealthItem
from coalmine_dashboards.views.markup import escape
from coalmine_registry.records import AllocationEpoch
from coalmine_rollouts.records import Rollout, RolloutDecision, RolloutHold, RolloutStatus, State
from coalmine_schemas.prompts import percent as percent_of_weight

TONES: Final[dict[State, Tone]] = {
    "pending": "notice",
    "running": "good",
    "paused": "notice",
    "baking": "good",
    "completed": "good",
    "rolled_back": "bad",
    "aborted": "bad",
    "expired": "notice",
    "superseded": "notice",
    "cancelled": "notice",
}
ROLES: Final[dict[Role, str]] = {
    "must_prove": "must prove",
    "must_not_harm": "must not harm",
    "signal": "signal",
    "shown": "shown",
}
_VERDICTS: Final[dict[Verdict, Tone]] = {"worse": "bad", "better": "good", "not worse": "good"}


def state_of(rollout: Rollout, *, held: bool = False) -> Html:
    """The state with a dot of its colour."""
    words = rollout.state.replace("_", " ")
    if held:
        return dot("notice", f"{words}, holding")
    return dot(TONES[rollout.state], words)


def title_of(rollout: Rollout) -> str:
    """`search-answer 4.0.0 instead of 3.1.0`."""
    return f"{rollout.prompt} {rollout.treatment} instead of {rollout.control}"


def place_of(rollout: Rollout) -> str:
    """Environment and rule."""
    return rollout.environment if rollout.rule is None else f"{rollout.environment}, rule {rollout.rule}"


def stage_of(rollout: Rollout) -> str:
    """`1 of 2`; after the last stage it bakes, and then it is done."""
    stages = len(rollout.plan.stages)
    if rollout.state == "completed":
        return "done"
    return f"{rollout.stage + 1} of {stages}" if rollout.stage < stages else "bake"


def rollout_columns(statuses: Mapping[str, RolloutStatus], when: When, told: Told) -> list[Column[Rollout]]:
    """Columns of the list of rollouts.

    Args:
        statuses: What is known now of those that have not ended, by id.
        when: Writes a moment.
        told: Writes a sentence of the server.
    """

    def observed(row: Rollout) -> str:
        status = statuses.get(row.id)
        return UNKNOWN if status is None else percent(status.weight_observed)

    def weight(row: Rollout) -> str:
        status = statuses.get(row.id)
        return UNKNOWN if status is None else percent(status.weight_commanded)

    def words(row: Rollout) -> str:
        status = statuses.get(row.id)
        return told("; ".join(row.reasons) or UNKNOWN if status is None else status.sentence)

    return [
        Column("Rollout", lambda row: Html(anchor(title_of(row), "rollouts", rollout=row.id)), text=True),
        Column("Place", place_of, text=True, vital=False),
        Column("State", lambda row: state_of(row, held=row.id in statuses and bool(row.holds)), text=True),
        Column("Stage", stage_of, "Of the plan.", vital=False),
        Column("Commanded", weight, "Share of the treatment that the registry serves."),
        Column("Observed", observed, "Share of the treatment among the requests of the last minutes."),
        Column("What is missing, or why it ended", words, text=True, wraps=True),
        Column("Began, ended", lambda row: _times(row, when), text=True, vital=False),
        Column("By", lambda row: row.started_by, text=True, vital=False),
    ]


def _times(row: Rollout, when: When) -> Html:
    """Two lines, as its sentence has: side by side they would push who began it out of sight."""
    ended = "" if row.ended_at is None else f"<br>{escape(when(row.ended_at))}"
    return Html(f"{escape(when(row.started_at or row.created_at))}{ended}")


def figures_of(
    status: RolloutStatus, srm: str | None, mismatch: bool, when: When, told: Told
) -> tuple[HealthItem, ...]:
    """The figures of a rollout in one line."""
    rollout = status.rollout
    clock = f"{lasting(status.seen_s)} of {lasting(status.min_time_s)}"
    behind = ", ".join(f"{each.app} ({each.requests:,} requests)" for each in status.behind)
    apart = status.weight_observed is not None and abs(status.weight_observed - status.weight_commanded) > 0.1
    # The sentence says why, so a note need not.
    state = "notice" if TONES[rollout.state] == "bad" else TONES[rollout.state]
    return (
        HealthItem("State", rollout.state.replace("_", " "), state, told("; ".join(rollout.reasons))),
        HealthItem("Stage", stage_of(rollout), "plain", "After the last stage it bakes: watched, then done."),
        HealthItem("Stage clock", clock, "plain", "Time with traffic in both arms that the stage has had."),
        HealthItem(
            "Commanded", percent(status.weight_commanded), "plain", "Share of the treatment that is served."
        ),
        HealthItem(
            "Observed",
            percent(status.weight_observed),
            "notice" if apart else "plain",
            "Share of the treatment among the requests of the last minutes.",
        ),
        HealthItem(
            "In the experiment",
            percent(status.share_of_traffic),
            "plain",
            "Of the prompt's requests; others are under rules, or of services that are behind.",
        ),
        HealthItem("Units, treatment", count(status.units), "plain", "So far, such as users or sessions."),
        HealthItem("Units, control", count(status.control_units), "plain", "So far."),
        HealthItem(
            "Effective",
            when(status.effective_at) if status.effective_at else "not everywhere yet",
            "bad" if behind else "plain",
            f"Still serve what was before: {behind}. Check that they run and reach the registry."
            if behind
            else "When the last application followed the last change.",
        ),
        HealthItem(
            "Proportions",
            UNKNOWN if srm is None else "mismatch" if mismatch else "as planned",
            "bad" if mismatch else "plain",
            srm or "Not looked at yet.",
        ),
    )


def stages_track(rollout: Rollout) -> str:
    """HTML of the stages as a line of steps: those done, the one it is at, those to come."""
    plan = rollout.plan
    steps = [
        (
            percent_of_weight(stage.weight),
            f"{stage.min_time}, {stage.min_units:,} units, {stage.gate.replace('_', ' ')}",
            plan.needs_approval(place),
        )
        for place, stage in enumerate(plan.stages)
    ]
    bake = f"{plan.bake.time}, {percent(plan.bake.holdback, 0)} stay behind"
    steps.append(("bake", bake, False))
    steps.append(("everybody", (plan.request_promotion and "then promotions are requested") or "", False))
    at = _step_at(rollout)
    cells = []
    for place, (name, needs, approval) in enumerate(steps):
        kind, word = ("done", "done") if place < at else ("now", "now") if place == at else ("", "to come")
        asked = "; a person approves" if approval else ""
        current = ' aria-current="step"' if kind == "now" else ""
        cells.append(
            f'<li class="cm-step cm-{kind or "later"}"{current}><b>{escape(name)}</b>'
            f" <small>{word}</small><span>{escape(needs + asked)}</span></li>"
        )
    return f'<ol class="cm-steps" aria-label="Stages of the plan">{"".join(cells)}</ol>'


def _step_at(rollout: Rollout) -> int:
    """Place in the line of steps: the bake comes after the stages, everybody after the bake."""
    if rollout.state == "completed":
        return len(rollout.plan.stages) + 1
    return -1 if rollout.started_at is None else rollout.stage


def metrics_that_matter(arm: ArmReadout) -> list[MetricReadout]:
    """Metrics in the order in which they matter: harm, goals, what must be proven, the rest with data."""
    order = list(ROLES)
    return sorted(
        arm.metrics,
        key=lambda each: (
            each.verdict != "worse" or each.role == "shown",
            not each.goal,
            not each.required,
            order.index(each.role),
            each.effect is None,
        ),
    )


def metric_columns() -> list[Column[MetricReadout]]:
    """Columns of the metrics of an arm."""
    return [
        Column("Metric", lambda row: f"{row.metric} (goal)" if row.goal else row.metric, text=True),
        Column("Role", lambda row: ROLES[row.role], "What depends on it.", text=True, vital=False),
        Column("Verdict", _verdict, text=True),
        Column("Control", lambda row: figure(row.control_value, row.unit), vital=False),
        Column("Treatment", lambda row: figure(row.value, row.unit), vital=False),
        Column("Effect", lambda row: difference(row.effect, row.unit), "Treatment minus control."),
        Column(
            "Interval",
            lambda row: interval(row.lower, row.upper, row.unit),
            "Confidence sequence: holds however often one looks.",
        ),
        Column("Relative", lambda row: _signed_percent(row.relative_effect), "To control.", vital=False),
        Column(
            "n, treatment / control",
            lambda row: f"{row.units:,} / {row.control_units:,}",
            "Units with a value that counts.",
        ),
        Column(
            "Units to go",
            lambda row: count(row.units_needed),
            "Further units, both arms together, until it is decided if things go on.",
            vital=False,
        ),
    ]


def _verdict(row: MetricReadout) -> str | Html:
    tone = _VERDICTS.get(row.verdict)
    words = "cannot be told apart" if row.verdict == "no difference shown" else row.verdict
    if tone is None:
        return words
    return dot("notice" if tone == "bad" and row.role in ("signal", "shown") else tone, words)


def _signed_percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:+.1f} %".replace("-", "\N{MINUS SIGN}")


def segment_columns(units: Mapping[str, str]) -> list[Column[SegmentReadout]]:
    """Columns of the segments of an arm; `units` are those of the metrics."""
    return [
        Column("Segment", lambda row: f"{row.key} = {row.value}", text=True),
        Column("Metric", lambda row: row.metric, text=True),
        Column(
            "Verdict",
            lambda row: dot("bad", "harmed") if row.harmed else "no harm shown",
            "Holm-adjusted over all segments and metrics.",
            text=True,
        ),
        Column("Effect", lambda row: difference(row.effect, units.get(row.metric, ""))),
        Column(
            "Interval", lambda row: interval(row.lower, row.upper, units.get(row.metric, "")), vital=False
        ),
        Column("p, adjusted", lambda row: f"{row.adjusted_p:.2g}", "Of harm beyond the tolerance."),
        Column("n treatment", lambda row: count(row.units), vital=False),
        Column("n control", lambda row: count(row.control_units), vital=False),
    ]


def limit_columns() -> list[Column[LimitReadout]]:
    """Columns of the absolute limits of an arm."""
    return [
        Column("Limit", lambda row: row.name, text=True),
        Column("State", lambda row: dot("bad", "broken") if row.broken else dot("good", "kept"), text=True),
        Column("Allowed", lambda row: percent(row.limit)),
        Column("Treatment", lambda row: _share(row.bad_units, row.units)),
        Column("Control", lambda row: _share(row.control_bad_units, row.control_units)),
    ]


def _share(bad: int, units: int) -> str:
    return UNKNOWN if not units else f"{percent(bad / units)} ({bad:,} of {units:,})"


def hold_columns(when: When) -> list[Column[RolloutHold]]:
    """Columns of what stops a rollout."""
    return [
        Column("What stops it", lambda row: row.text, text=True, wraps=True),
        Column("Since", lambda row: when(row.since), text=True),
    ]


def decision_columns(when: When, told: Told) -> list[Column[RolloutDecision]]:
    """Columns of decisions."""
    return [
        Column("At", lambda row: when(row.at), text=True),
        Column("Decision", lambda row: row.kind.replace("_", " "), text=True),
        Column("State", lambda row: row.to_state.replace("_", " "), text=True, vital=False),
        Column("Weights from then on", lambda row: weights_of(row.weights), text=True),
        Column("Why", lambda row: told("; ".join(row.reasons) or UNKNOWN), text=True, wraps=True),
        Column("By", lambda row: _by(row.actor), text=True),
        Column("Revision", lambda row: count(row.revision), "Of the deployment that it made.", vital=False),
    ]


def weights_of(weights: Mapping[str, float] | None) -> str:
    """`treatment 20%, control 80%`."""
    if weights is None:
        return "unchanged"
    return ", ".join(f"{arm} {percent_of_weight(share)}" for arm, share in weights.items())


def _by(actor: str) -> str:
    return "controller" if actor.startswith("rollout:") else actor


def epoch_columns(when: When) -> list[Column[AllocationEpoch]]:
    """Columns of allocation epochs."""
    return [
        Column("Epoch", lambda row: str(row.allocation_epoch)),
        Column("Weights", lambda row: weights_of({arm.variant: arm.weight for arm in row.arms}), text=True),
        Column("Since", lambda row: when(row.started_at), text=True),
        Column("By", lambda row: _by(row.started_by), text=True, vital=False),
    ]


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A metric as it stood when something was decided."""

    metric: str
    unit: str
    verdict: str
    units: int
    control_units: int
    effect: float | None
    lower: float | None
    upper: float | None
    harm_p: float | None
    acceptable_p: float | None


_EVIDENCE: Final = TypeAdapter(list[EvidenceRow])


def evidence_rows(decision: RolloutDecision) -> list[EvidenceRow]:
    """The metrics on which a decision stood; none if it stood on no readout."""
    look = decision.evidence.get("look") or {}
    try:
        return _EVIDENCE.validate_python(look.get("metrics") or [])
    except ValidationError:  # from a server of another version
        return []


def evidence_columns() -> list[Column[EvidenceRow]]:
    """Columns of the numbers on which a decision stood."""
    return [
        Column("Metric", lambda row: row.metric, text=True),
        Column("Verdict", lambda row: row.verdict, text=True),
        Column("Effect", lambda row: difference(row.effect, row.unit)),
        Column("Interval", lambda row: interval(row.lower, row.upper, row.unit)),
        Column("p of harm", lambda row: _p(row.harm_p), "Least so far.", vital=False),
        Column("p of too much harm", lambda row: _p(row.acceptable_p), "Against the margin.", vital=False),
        Column("n treatment", lambda row: count(row.units), vital=False),
        Column("n control", lambda row: count(row.control_units), vital=False),
    ]


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2g}"
