"""Changes of what is served, as marks on the charts' time axis."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from coalmine_dashboards.api import DeploymentMark


class MarkPoint(TypedDict):
    """One mark, as the charts' specification names its fields."""

    time: float
    """Milliseconds since 1970, UTC."""
    label: str
    """Beside the rule: what is served from then on."""
    what: str
    who: str
    why: str


def mark_points(
    marks: Iterable[DeploymentMark], ends: tuple[datetime, datetime] | None, *, with_prompt: bool
) -> list[MarkPoint]:
    """Marks within the ends of the axis; others would stretch it.

    Args:
        marks: Changes of what is served.
        ends: First and last moment of the axis; None where the points give them.
        with_prompt: Whether labels name the prompt.
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
