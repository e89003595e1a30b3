"""A readout as JSON and back, without losing a digit: stored looks are what the next look goes on from."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from coalmine_analytics.results.readout import (
    ArmReadout,
    Evidence,
    MetricReadout,
    Readout,
    Scales,
    SrmReadout,
)


def to_json(readout: Readout) -> str:
    """One line; floats with all digits, which Python writes and reads exactly."""
    return json.dumps(asdict(readout), default=_encode, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Readout:
    """What `to_json` wrote."""
    found: dict[str, Any] = json.loads(text)
    return Readout(
        **{
            **found,
            "taken_at": datetime.fromisoformat(found["taken_at"]),
            "epochs": tuple(found["epochs"]),
            "srm": SrmReadout(**found["srm"]),
            "arms": tuple(_arm(arm) for arm in found["arms"]),
        }
    )


def _arm(found: dict[str, Any]) -> ArmReadout:
    return ArmReadout(**{**found, "metrics": tuple(_metric(metric) for metric in found["metrics"])})


def _metric(found: dict[str, Any]) -> MetricReadout:
    scales = found["scales"]
    return MetricReadout(
        **{
            **found,
            "evidence": Evidence(**found["evidence"]),
            "scales": None if scales is None else Scales(**scales),
        }
    )


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
