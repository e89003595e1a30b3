"""What takes a version back without anybody being asked: harm that was shown, or a limit that was broken."""

from collections.abc import Iterator

from coalmine_analytics.results.readout import ArmReadout, MetricReadout, SegmentReadout
from coalmine_analytics.results.verdicts import ACTING
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_schemas.prompts import percent

SUSPICION = 0.2
"""A running p-value of harm up to this, borne out by the estimate of now, keeps a rollout in its stage."""


def broken_limits(row: Row, inputs: Inputs) -> tuple[str, ...]:
    """Returns the absolute limits that the treatment breaks and the control does not, in words."""
    arm = _acting_arm(row, inputs)
    return tuple(
        f"limit: {limit.name} of {limit.bad_units} in {limit.units} units, allowed is {percent(limit.limit)}"
        for limit in (() if arm is None else arm.limits)
        if limit.broken
    )


def shown_harm(row: Row, inputs: Inputs) -> tuple[str, ...]:
    """Returns the harm that was shown, in words."""
    arm = _acting_arm(row, inputs)
    if arm is None:
        return ()
    found = [f"harm: {arm.words.removeprefix('roll back: ')}"] if arm.decision == "rollback" else []
    if row.rollout.plan.on_segment_harm == "rollback":
        found += [f"harm: {segment_words(each)}" for each in arm.segments if each.harmed]
    return tuple(found)


def harmed_metrics(arm: ArmReadout) -> tuple[str, ...]:
    """Returns the metrics in which an arm is shown to be worse."""
    return tuple(each.metric for each in arm.metrics if each.role in ACTING and each.verdict == "worse")


def suspected(arm: ArmReadout) -> tuple[str, ...]:
    """Returns the acting metrics that may be harmed: the data have suggested it, and do so now."""
    return tuple(
        each.metric
        for each in arm.metrics
        if each.role in ACTING
        and each.evidence.harm is not None
        and each.evidence.harm <= SUSPICION
        and is_now_worse(each)
    )


def is_now_worse(metric: MetricReadout) -> bool:
    """Returns True if the estimate of now is worse by more than the tolerance."""
    if metric.effect is None or metric.scales is None:
        return False
    worsening = {"higher": -metric.effect, "lower": metric.effect}.get(metric.direction, abs(metric.effect))
    return worsening > metric.scales.tolerance


def segment_words(segment: SegmentReadout) -> str:
    """Returns a harm in one segment, in words."""
    return f"{segment.metric} is worse where {segment.key} is {segment.value}"


def extra_cost_usd(arm: ArmReadout) -> float:
    """Returns what the treatment has cost beyond the control, all in all; 0 if that is unknown."""
    for metric in arm.metrics:
        if metric.metric == "cost_per_request":
            value = metric.raw_value if metric.raw_value is not None else metric.value
            usual = metric.raw_control_value if metric.raw_control_value is not None else metric.control_value
            return 0.0 if value is None or usual is None else (value - usual) * arm.requests
    return 0.0


def least_units(arm: ArmReadout, control_units: int) -> Iterator[tuple[str, int]]:
    """The units that have a value, of the smaller arm, for everything that must be proven."""
    yield "units", min(arm.units, control_units)
    for metric in arm.metrics:
        nobody_sends_it = not metric.units and not metric.control_units  # it is not applicable
        if metric.role == "must_prove" and metric.required and not nobody_sends_it:
            yield metric.metric, min(metric.units, metric.control_units)


def _acting_arm(row: Row, inputs: Inputs) -> ArmReadout | None:
    if row.rollout.state == "baking" and not row.rollout.plan.bake.rollback:
        return None
    return inputs.arm
