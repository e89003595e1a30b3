"""Marks of deployment changes on the charts' time axis."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from coalmine_consumers.results import DeploymentMark


class MarkPoint(TypedDict):
    """One mark; the charts' specification refers to its fields by name."""

    time: float
    """Milliseconds since 1970, UTC."""
    label: str
    """Text beside the rule: the version or experiment served from then on."""
    what: str
    who: str
    why: str


def mark_points(
    marks: Iterable[DeploymentMark], ends: tuple[datetime, datetime] | None, *, with_prompt: bool
) -> list[MarkPoint]:
    """Returns the marks within the time axis; others would stretch it.

    Args:
        marks: Changes of deployments.
        ends: Start and end of the axis; None if the points determine them.
        with_prompt: True to include the prompt in labels.
    """
    return [
        _point(mark, with_prompt=with_prompt)
        for mark in marks
        if ends is None or ends[0] <= mark.event_time <= ends[1]
    ]


def _point(mark: DeploymentMark, *, with_prompt: bool) -> MarkPoint:
    served = mark.experiment or mark.version or "nothing"
    return {
        "time": mark.event_time.timestamp() * 1000.0,
        "label": f"{mark.prompt} {served}" if with_prompt else served,
        "what": f"{mark.environment}: {mark.action} {mark.prompt} {served}",
        "who": mark.changed_by,
        "why": mark.reason or "",
    }
