"""Panels, and the points of their charts. All values come from the server; only positions are computed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TypedDict, cast

from coalmine_consumers.results import Step, Timeseries, TimeseriesRow
from coalmine_dashboards.palette import VersionKey, style_of
from coalmine_dashboards.steps import length_of
from coalmine_dashboards.views.markup import shown

__all__ = [
    "MOST_LINES",
    "PANELS",
    "Line",
    "Panel",
    "Point",
    "has_values",
    "label_of",
    "needs_log",
    "panel_points",
    "readable",
    "step_in_words",
]


MOST_LINES = 8
"""A chart with more lines is not readable."""
LOG_FROM = 20.0
"""Versions that differ by this factor get a logarithmic axis."""


class Point(TypedDict):
    """One version in one bucket, as drawn. Times are milliseconds since 1970 UTC."""

    time: float
    until: float
    series: str
    """Label of the version; empty for the ends of the axis."""
    line: str
    """Name of the panel's line."""
    value: float | None
    """None breaks the line."""
    bottom: float | None
    """Lower end of the bar, in stacked panels."""
    requests: int | None
    """Number of requests behind the value."""
    alone: bool
    """True if no line leads to or from this point, so it needs a dot to be visible."""


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity of a panel."""

    value: Callable[[TimeseriesRow], float | None]
    name: str = ""
    """Distinguishes the lines of a panel that has several."""
    dash: tuple[int, ...] = (1, 0)
    """Strokes and gaps if the panel has several lines; otherwise those of the version are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart."""

    key: str
    title: str
    aside: str = ""
    """Subtitle, after the title."""
    axis: str
    """Unit on the axis; `{step}` is replaced by the length of a bucket."""
    axis_format: str
    """Format of numbers on the axis (d3-format)."""
    number_format: str
    """Format of numbers in the tooltip (d3-format)."""
    lines: tuple[Line, ...]
    stacked: bool = False
    """Stacked bars instead of lines: for amounts."""
    top: float | None = None
    """End of the axis, for quantities with a maximum."""
    may_be_log: bool = False
    """True for positive quantities of which versions may differ by orders of magnitude."""
    from_zero: bool = True
    """False to show small differences far from zero: the axis then need not start at zero."""
    empty: str = "No requests here."
    """In place of a chart without any value: what is missing, and who would send it."""


PANELS = (
    Panel(
        key="requests",
        title="Requests",
        axis="requests per {step}",
        axis_format=",.0f",
        number_format=",.0f",
        lines=(Line(lambda row: float(row.requests)),),
        stacked=True,
    ),
    Panel(
        key="cost",
        title="Cost per request",
        axis="US dollars",
        axis_format="$.6~f",
        number_format="$.3~r",
        lines=(Line(lambda row: row.cost_usd_per_request),),
        may_be_log=True,
        empty="No call here has a cost: its model needs a price, or its service sends the cost.",
    ),
    Panel(
        key="latency",
        title="Latency",
        aside="p50 solid, p95 dotted",
        axis="seconds",
        axis_format=".6~f",
        number_format=".3~r",
        lines=(
            Line(lambda row: _seconds(row.latency_ms_p50), "p50"),
            Line(lambda row: _seconds(row.latency_ms_p95), "p95", (2, 3)),
        ),
        may_be_log=True,
        empty="No call here has a latency.",
    ),
    Panel(
        key="quality",
        title="Quality",
        axis="mean score",
        axis_format=".6~f",
        number_format=".3f",
        lines=(Line(lambda row: row.quality_mean),),
        from_zero=False,
        empty="Nothing here has a score: services, evaluations and reviewers give scores named quality.",
    ),
    Panel(
        key="thumbs",
        title="Thumbs up",
        axis="share of thumbs",
        axis_format=".0%",
        number_format=".1%",
        lines=(Line(lambda row: row.thumbs_up_rate),),
        top=1.0,
        empty="No thumbs here: services send them with feedback.",
    ),
    Panel(
        key="errors",
        title="Error rate",
        axis="share of requests",
        axis_format=".6~p",
        number_format=".2%",
        lines=(Line(lambda row: row.error_rate),),
    ),
)
"""In the order of the page."""


def readable(panel: Panel, slots: Collection[int]) -> Panel:
    """Returns a panel as it can be read with versions of these numbers.

    Of too many lines it has the last of each, also where dashes must tell versions of one colour apart.
    """
    colours = {style_of(slot, "light").colour for slot in slots}
    few = len(panel.lines) * len(slots) <= MOST_LINES
    if len(panel.lines) == 1 or (few and len(colours) == len(slots)):
        return panel
    line = panel.lines[-1]
    return replace(panel, lines=(replace(line, dash=(1, 0)),), aside=f"{line.name} only")


def label_of(version: VersionKey, *, with_prompt: bool) -> str:
    """Returns the label of a version in charts."""
    prompt, number = map(shown, version)
    return f"{prompt} {number}" if with_prompt else number


def panel_points(
    panel: Panel,
    series: Timeseries,
    *,
    now: datetime,
    ends: tuple[datetime, datetime] | None,
    with_prompt: bool,
) -> list[Point]:
    """Returns the points of a panel.

    A bucket without calls is neither a zero nor bridged by a line: an empty point between points more than
    one step apart breaks the line. The unfinished bucket is left out where it would mislead: always for
    amounts, and for means if buckets are short, as it has too few calls.

    Args:
        panel: The panel.
        series: The measures.
        now: When they were fetched.
        ends: Ends of the time axis, drawn as empty points; None fits the axis to the data.
        with_prompt: True to label versions with their prompt.
    """
    step = length_of(series.step)
    partial_misleads = panel.stacked or step < timedelta(hours=1)
    finished = [row for row in series.items if row.bucket_start + step <= now]
    by_version = _by_version(finished if finished and partial_misleads else series.items)
    if panel.stacked:
        # The axis ignores a bar without a height, but not one of height zero.
        flat = [{**_empty(end), "value": 0.0, "bottom": 0.0} for end in ends or ()]
        return [*cast("list[Point]", flat), *_stacked(panel.lines[0], by_version, step, with_prompt)]
    points = [_empty(end) for end in ends or ()]
    for version, rows in by_version.items():
        for line in panel.lines:
            points += _connected(rows, line, label_of(version, with_prompt=with_prompt), step)
    return points


def has_values(points: Sequence[Point]) -> bool:
    """False if a chart would be a frame around nothing."""
    return any(point["series"] and point["value"] is not None for point in points)


def needs_log(panel: Panel, points: Sequence[Point]) -> bool:
    """True if the axis of a panel has to be logarithmic, or the smaller versions would lie on zero."""
    values = [point["value"] for point in points if point["value"] is not None]
    return (
        panel.may_be_log
        and bool(values)
        and min(values) > 0
        and max(_medians(points)) > LOG_FROM * min(_medians(points))
    )


def _medians(points: Sequence[Point]) -> list[float]:
    """The median of each line: one outlier does not change the axis."""
    lines: dict[tuple[str, str], list[float]] = {}
    for point in points:
        if point["value"] is not None:
            lines.setdefault((point["series"], point["line"]), []).append(point["value"])
    return [median(values) for values in lines.values()]


def step_in_words(step: Step) -> str:
    """Returns the step for the axis title: `minute`, `5 minutes`."""
    return {"5m": "5 minutes", "15m": "15 minutes", "6h": "6 hours"}.get(step, step)


def _by_version(rows: Sequence[TimeseriesRow]) -> dict[VersionKey, list[TimeseriesRow]]:
    """Returns the rows of each version, ordered by time."""
    found: dict[VersionKey, list[TimeseriesRow]] = {}
    for row in sorted(rows, key=lambda row: row.bucket_start):
        found.setdefault((row.prompt, row.version), []).append(row)
    return found


def _connected(rows: Sequence[TimeseriesRow], line: Line, name: str, step: timedelta) -> list[Point]:
    points: list[Point] = []
    for index, row in enumerate(rows):
        first = index == 0 or row.bucket_start - rows[index - 1].bucket_start > step
        last = index == len(rows) - 1 or rows[index + 1].bucket_start - row.bucket_start > step
        if first and index:
            points.append(_empty(row.bucket_start - step, name, line.name))
        points.append(_point(row, step, name, line, alone=first and last))
    return points


def _stacked(
    line: Line, by_version: Mapping[VersionKey, list[TimeseriesRow]], step: timedelta, with_prompt: bool
) -> list[Point]:
    heights: dict[datetime, float] = {}
    points: list[Point] = []
    for version, rows in by_version.items():
        name = label_of(version, with_prompt=with_prompt)
        for row in rows:
            bottom = heights.get(row.bucket_start, 0.0)
            heights[row.bucket_start] = bottom + (line.value(row) or 0.0)
            points.append(_point(row, step, name, line, bottom=bottom))
    return points


def _point(
    row: TimeseriesRow, step: timedelta, name: str, line: Line, *, bottom: float = 0.0, alone: bool = False
) -> Point:
    return Point(
        time=milliseconds_of(row.bucket_start),
        until=milliseconds_of(row.bucket_start + step),
        series=name,
        line=line.name,
        value=line.value(row),
        bottom=bottom,
        requests=row.requests,
        alone=alone,
    )


def _empty(at: datetime, name: str = "", line: str = "") -> Point:
    time = milliseconds_of(at)
    return Point(
        time=time,
        until=time,
        series=name,
        line=line,
        value=None,
        bottom=None,
        requests=None,
        alone=False,
    )


def milliseconds_of(moment: datetime) -> float:
    """Returns milliseconds since 1970 UTC, as browsers count time."""
    return moment.astimezone(UTC).timestamp() * 1000.0


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000.0
