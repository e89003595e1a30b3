"""Marks of changes on the charts' time axis: of deployments, and of models that began to answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from coalmine_consumers.results import DeploymentMark
from coalmine_dashboards.views.markup import shown

CHARACTER = 0.02
"""Width of a letter of a label, as a share of the axis of a chart in a row of three."""


@dataclass(frozen=True, slots=True)
class ModelBegan:
    """A model that began to answer."""

    at: datetime
    model: str
    """Its name; empty where `words` alone say it."""
    words: str


class MarkPoint(TypedDict):
    """One mark; the charts' specification refers to its fields by name."""

    time: float
    """Milliseconds since 1970, UTC."""
    kind: Literal["deployment", "model"]
    label: str
    """Text beside the rule: version, experiment or model from then on; empty where there is no room."""
    what: str
    who: str
    why: str


def mark_points(
    marks: Iterable[DeploymentMark],
    ends: tuple[datetime, datetime] | None,
    *,
    with_prompt: bool,
    models: Iterable[ModelBegan] = (),
) -> list[MarkPoint]:
    """Returns the marks within the time axis; others would stretch it.

    Args:
        marks: Changes of deployments.
        ends: Start and end of the axis; None if the points determine them.
        with_prompt: True to include the prompt in labels.
        models: Models that began to answer.
    """
    points = [
        *(
            _point(mark, with_prompt=with_prompt)
            for mark in marks
            if ends is None or ends[0] <= mark.event_time <= ends[1]
        ),
        *(_of_model(each) for each in models if ends is None or ends[0] <= each.at <= ends[1]),
    ]
    return _legible(sorted(points, key=lambda point: point["time"]), ends)


def _legible(points: list[MarkPoint], ends: tuple[datetime, datetime] | None) -> list[MarkPoint]:
    """Leaves out labels that would overprint the one before or the edge; the tooltips have them all."""
    if not points:
        return points
    start, end = points[0]["time"], points[-1]["time"]
    if ends is not None:
        start, end = (moment.timestamp() * 1000.0 for moment in ends)
    length, free_from = max(end - start, 1.0), start
    for point in points:
        reach = point["time"] + length * CHARACTER * (len(point["label"]) + 1)
        if point["time"] < free_from or (ends is not None and reach > end):
            point["label"] = ""
        else:
            free_from = reach
    return points


def _served(mark: DeploymentMark) -> str:
    """Returns what is served by default, and the experiments under rules."""
    experiments = list(mark.experiments)
    of_default = experiments.pop(0).name if experiments and experiments[0].rule is None else None
    return ", ".join(
        [
            of_default or mark.version or "nothing",
            *(f"{each.name} ({each.rule})" for each in experiments),
        ]
    )


def _point(mark: DeploymentMark, *, with_prompt: bool) -> MarkPoint:
    served = shown(_served(mark))
    prompt = shown(mark.prompt)
    return {
        "time": mark.event_time.timestamp() * 1000.0,
        "kind": "deployment",
        "label": f"{prompt} {served}" if with_prompt else served,
        "what": f"{shown(mark.environment)}: {shown(mark.action)} {prompt} {served}",
        "who": shown(mark.changed_by),
        "why": shown(mark.reason or ""),
    }


def _of_model(began: ModelBegan) -> MarkPoint:
    return {
        "time": began.at.timestamp() * 1000.0,
        "kind": "model",
        "label": shown(began.model),
        "what": shown(began.words),
        "who": "",
        "why": "",
    }
