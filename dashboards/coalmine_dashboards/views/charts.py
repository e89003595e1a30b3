"""Charts of the panels.

The specification holds no data and changes only when versions or colours do, or the first mark comes; the
points are a named data set beside it. So a refresh replaces the points in the existing chart, which neither
flickers nor loses the tooltip under the mouse.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt

from coalmine_consumers.results import Step
from coalmine_dashboards.formatting import TIME_LABEL
from coalmine_dashboards.palette import Mode, VersionKey, style_of
from coalmine_dashboards.parts.charts import Drawing, Told, tooltip
from coalmine_dashboards.views.marks import MarkPoint
from coalmine_dashboards.views.panels import Panel, Point, label_of, needs_log, step_in_words

__all__ = ["draw"]

_HEIGHT_PX = 190
_LABEL_GAP_PX = 2
_POINTS = "points"
_MARKS = "marks"
_MARK_COLOUR = "#808080"  # readable in both modes, and not the colour of a version
_MOMENT = "%Y-%m-%d %H:%M"


def draw(
    panel: Panel,
    points: list[Point],
    slots: Mapping[VersionKey, int],
    *,
    step: Step,
    mode: Mode,
    with_prompt: bool,
    marks: Sequence[MarkPoint] = (),
) -> Drawing:
    """Returns the chart of a panel.

    Args:
        panel: The panel.
        points: From `panel_points`.
        slots: Number of each selected version, which gives its colour.
        step: Length of a bucket.
        mode: Colour mode of the page.
        with_prompt: As passed to `panel_points`.
        marks: Changes of deployments and models, from `mark_points`.
    """
    drawn = {point["series"] for point in points if point["series"]}
    ordered = sorted(slots.items(), key=lambda item: item[1])
    named = {label_of(version, with_prompt=with_prompt): slot for version, slot in ordered}
    names = tuple((name, slot) for name, slot in named.items() if name in drawn)
    spec = _spec(
        panel,
        names,
        step,
        mode,
        log=needs_log(panel, points),
        marked=bool(marks),
    )
    return Drawing(spec, {_POINTS: points, **({_MARKS: marks} if marks else {})})


@lru_cache(maxsize=1_000)
def _spec(
    panel: Panel,
    slots: tuple[tuple[str, int], ...],
    step: Step,
    mode: Mode,
    *,
    log: bool,
    marked: bool,
) -> Mapping[str, Any]:
    names = dict(slots)
    styles = [style_of(slot, mode) for slot in names.values()]
    colours = [style.bar if panel.stacked else style.colour for style in styles]
    base = alt.Chart(alt.NamedData(_POINTS)).encode(
        x=_time_axis(),
        color=alt.Color("series:N", scale=alt.Scale(domain=list(names), range=colours), legend=None),
    )
    layers = _bars(panel, base, step) if panel.stacked else _lines(panel, base, step, names, log=log)
    # A layer costs the browser time although it draws nothing: marks are rare.
    chart = alt.LayerChart(layer=[*layers, *(_mark_layers() if marked else ())], height=_HEIGHT_PX)
    spec: Mapping[str, Any] = chart.to_dict()
    return spec


def _bars(panel: Panel, base: alt.Chart, step: Step) -> list[alt.Chart]:
    return [
        base.transform_calculate(top="datum.bottom + datum.value")
        .mark_rect()
        .encode(x2="until:T", y=_value_axis(panel, "bottom", step), y2="top:Q", tooltip=_tooltip(panel))
    ]


def _lines(
    panel: Panel, base: alt.Chart, step: Step, names: Mapping[str, int], *, log: bool
) -> list[alt.Chart]:
    base = base.encode(y=_value_axis(panel, "value", step, log=log), detail="line:N")
    return [
        base.mark_line(strokeWidth=1.8).encode(strokeDash=_dash(panel, names)),
        # Visible only where no line leads; with an invisible rim, as a line is too thin to point at.
        base.mark_point(size=14, filled=True, strokeWidth=10, strokeOpacity=0).encode(
            stroke=alt.value("black"),
            fillOpacity=alt.condition("datum.alone", alt.value(1), alt.value(0)),
            tooltip=_tooltip(panel),
        ),
    ]


def _mark_layers() -> list[alt.Chart]:
    """Draws a vertical rule for each change, and above the curves the new version or model."""
    base = alt.Chart(alt.NamedData(_MARKS)).encode(x=_time_axis())
    dash = alt.condition("datum.kind == 'model'", alt.value([8, 4]), alt.value([2, 3]))
    tooltip = [
        alt.Tooltip("what:N", title="Change"),
        alt.Tooltip("time:T", title="At", format=f"{_MOMENT}:%S"),
        alt.Tooltip("who:N", title="By"),
        alt.Tooltip("why:N", title="Reason"),
    ]
    return [
        base.mark_rule(color=_MARK_COLOUR, opacity=0.7).encode(strokeDash=dash),
        base.mark_rule(strokeWidth=8, opacity=0).encode(tooltip=tooltip),
        base.mark_text(align="left", baseline="bottom", fontSize=10, color=_MARK_COLOUR).encode(
            y=alt.value(-_LABEL_GAP_PX), text="label:N", tooltip=tooltip
        ),
    ]


def _time_axis() -> alt.X:
    return alt.X(
        "time:T",
        title=None,
        # No domain: empty points mark the ends, so the specification stays the same.
        scale=alt.Scale(type="time", nice=False),
        axis=alt.Axis(tickCount=6, labelExpr=TIME_LABEL, labelOverlap=True, grid=False),
    )


def _value_axis(panel: Panel, field: str, step: Step, *, log: bool = False) -> alt.Y:
    free = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=panel.from_zero, nice=True)
    scale = free if panel.top is None else alt.Scale(domain=[0, panel.top])
    return alt.Y(
        f"{field}:Q",
        title=panel.axis.format(step=step_in_words(step)),
        scale=scale,
        axis=alt.Axis(format=panel.axis_format, tickCount=4, titleFontWeight="normal"),
    )


def _tooltip(panel: Panel) -> alt.TooltipValue:
    return tooltip(
        [
            Told("Version", "series"),
            Told("From", "time", moment=_MOMENT),
            *([Told("Quantile", "line")] if len(panel.lines) > 1 else []),
            Told(panel.title, "value", panel.number_format),
            *([] if panel.stacked else [Told("Requests", "requests", ",d")]),
        ]
    )


def _dash(panel: Panel, names: Mapping[str, int]) -> alt.StrokeDash:
    """Encodes the line if the panel has several, else the version."""
    if len(panel.lines) > 1:
        field, domain = "line:N", [line.name for line in panel.lines]
        dashes = [list(line.dash) for line in panel.lines]
    else:
        field, domain = "series:N", list(names)
        dashes = [list(style_of(slot, "light").dash) for slot in names.values()]
    return alt.StrokeDash(field, scale=alt.Scale(domain=domain, range=dashes), legend=None)
