"""The numbers that a decision stands on, copied as they were."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coalmine_analytics.readout import OwnValue
from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout, SegmentReadout
from coalmine_rollouts.harm import SUSPICION
from coalmine_rollouts.inputs import Inputs, Row
from coalmine_rollouts.patterns import patterns


def evidence_of(row: Row, inputs: Inputs) -> dict[str, Any]:
    """Returns the evidence of a decision, as JSON."""
    seen, clock = inputs.traffic, row.clock
    return {
        "at": inputs.now.isoformat(),
        "look": _look(inputs.readout, inputs.arm),
        "clock": {
            "observed_at": _moment(clock.observed_at),
            "seen_s": clock.seen_s,
            "watched_s": clock.watched_s,
        },
        "traffic": {
            "watermark": _moment(seen.watermark),
            "assigned": seen.assigned,
            "on_epoch": seen.on_epoch,
            "others": seen.others,
            "behind": [each.app for each in seen.behind],
        },
        "holds": {name: held.text for name, held in row.held.items()},
    }


def figures_of(row: Row, inputs: Inputs, own: Mapping[str, OwnValue]) -> dict[str, Any]:
    """Returns what the version is like as it completes, as JSON; empty without a readout.

    Args:
        row: The rollout.
        inputs: What it completes on.
        own: What is known of the treatment by itself, by metric.
    """
    readout, arm = inputs.readout, inputs.arm
    if readout is None or arm is None:
        return {}
    return {
        "units": arm.units,
        "requests": arm.requests,
        "against": row.rollout.control,
        "through_ingest_id": readout.through_ingest_id,
        "metrics": [
            {**_metric(each), "own": own[each.metric]._asdict() if each.metric in own else None}
            for each in arm.metrics
            if each.value is not None
        ],
    }


def _look(readout: Readout | None, arm: ArmReadout | None) -> dict[str, Any] | None:
    if readout is None:
        return None
    found: dict[str, Any] = {
        "taken_at": readout.taken_at.isoformat(),
        "through_ingest_id": readout.through_ingest_id,
        "control_units": readout.control_units,
        "control_requests": readout.control_requests,
        "alpha": readout.alpha,
        "sample_ratio": readout.srm.words,
    }
    if arm is None:
        return found
    return {
        **found,
        "units": arm.units,
        "requests": arm.requests,
        "decision": arm.decision,
        "words": arm.words,
        "metrics": [_metric(each) for each in arm.metrics],
        "limits": [
            {
                "name": each.name,
                "limit": each.limit,
                "bad_units": each.bad_units,
                "units": each.units,
                "control_bad_units": each.control_bad_units,
                "control_units": each.control_units,
                "log_e": _finite(each.log_e),
                "broken": each.broken,
            }
            for each in arm.limits
        ],
        "patterns": list(patterns(arm)),
        "segments": [_segment(each) for each in arm.segments if each.p <= SUSPICION],
    }


def _metric(metric: MetricReadout) -> dict[str, Any]:
    texts = ("metric", "unit", "role", "verdict", "units", "control_units")
    numbers = ("control_value", "value", "effect", "lower", "upper", "log_e")
    return {
        **{name: getattr(metric, name) for name in texts},
        **{name: _finite(getattr(metric, name)) for name in numbers},
        "harm_p": metric.evidence.harm,
        "acceptable_p": metric.evidence.acceptable,
    }


def _segment(segment: SegmentReadout) -> dict[str, Any]:
    texts = ("key", "value", "metric", "units", "control_units", "harmed")
    numbers = ("effect", "lower", "upper", "p", "adjusted_p")
    return {
        **{name: getattr(segment, name) for name in texts},
        **{name: _finite(getattr(segment, name)) for name in numbers},
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is None or math.isfinite(value) else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
