"""Charts and columns of an explanation: the cause split, what moved, what goes with the metric."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import altair as alt

from coalmine_analytics.results.explain import (
    ChangePart,
    Contribution,
    Explanation,
    MovedValue,
    RegressionFeature,
)
from coalmine_dashboards.formatting import UNKNOWN, count, difference, figure, interval, percent
from coalmine_dashboards.palette import Mode
from coalmine_dashboards.parts.charts import Drawing
from coalmine_dashboards.parts.tables import Column, dot
from coalmine_dashboards.views.markup import shown

__all__ = [
    "contribution_columns",
    "feature_columns",
    "moved_columns",
    "part_columns",
    "range_chart",
    "range_rows",
    "waterfall",
    "waterfall_rows",
]

MOST_RANGES: Final = 12
"""Rows of a chart of intervals."""
_ROWS: Final = "rows"
_ZERO: Final = "zero"
_BEYOND: Final = "beyond chance"
_ROW_PX: Final = 26
_AXIS_PX: Final = 84
_LABEL_PX: Final = 220
_INK: Final[dict[Mode, str]] = {"light": "#174C80", "dark": "#3891D5"}
_FAINT: Final = "#808080"
"""Readable in both modes."""


def waterfall_rows(found: Explanation) -> list[dict[str, Any]]:
    """Returns the way from one side's value to the other's: a bar for each part."""
    rows = [_end(found.a.name, found.a.value, found.unit)]
    at = found.a.value
    for part in found.parts:
        bounds = (
            (None, None) if part.lower is None or part.upper is None else (at + part.lower, at + part.upper)
        )
        rows.append(
            {
                "name": part.part,
                "start": at,
                "end": at + part.contribution,
                "lower": bounds[0],
                "upper": bounds[1],
                "kind": "clear" if part.clear else "not clear",
                "label": difference(part.contribution, found.unit),
                "words": part.words,
            }
        )
        at += part.contribution
    return [*rows, _end(found.b.name, found.b.value, found.unit)]


def _end(name: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "name": shown(name),
        "start": value,
        "end": value,
        "lower": None,
        "upper": None,
        "kind": "value",
        "label": figure(value, unit),
        "words": f"{shown(name)}: {figure(value, unit)}",
    }


def waterfall(found: Explanation, mode: Mode) -> Drawing:
    """Returns the chart of the parts, with their intervals; what is not clear is hollow."""
    rows = waterfall_rows(found)
    names = tuple(row["name"] for row in rows)
    return Drawing(_waterfall_spec(names, axis_title(found.metric, found.unit), mode), {_ROWS: rows})


@lru_cache
def _waterfall_spec(names: tuple[str, ...], title: str, mode: Mode) -> Mapping[str, Any]:
    base = alt.Chart(alt.NamedData(_ROWS)).encode(
        y=alt.Y("name:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=_LABEL_PX)),
        tooltip=[alt.Tooltip("words:N", title="Part"), alt.Tooltip("label:N", title="Change")],
    )
    across = alt.X("start:Q", title=title, scale=alt.Scale(zero=False, nice=True))
    parts = base.transform_filter("datum.kind != 'value'")
    fill = alt.condition("datum.kind == 'clear'", alt.value(0.85), alt.value(0.15))
    return alt.LayerChart(
        layer=[
            parts.mark_bar(color=_INK[mode], stroke=_INK[mode], strokeWidth=1, height=14).encode(
                x=across, x2="end:Q", fillOpacity=fill
            ),
            parts.transform_filter("datum.lower != null")
            .mark_rule(color=_FAINT, strokeWidth=1.5)
            .encode(x="lower:Q", x2="upper:Q"),
            base.transform_filter("datum.kind == 'value'")
            .mark_point(color=_INK[mode], filled=True, size=90, shape="diamond", opacity=1)
            .encode(x=across),
            base.transform_calculate(
                at="max(datum.end, datum.start, isValid(datum.upper) ? datum.upper : datum.end)"
            )
            .mark_text(align="left", dx=8, color=_FAINT, fontSize=12)
            .encode(x="at:Q", text="label:N"),
        ],
        height=_ROW_PX * len(names) + _AXIS_PX,
    ).to_dict()


def axis_title(metric: str, unit: str) -> str:
    """Returns a metric with its unit, as the title of an axis."""
    words = {"share": "share, 0 to 1", "USD": "US dollars", "ms": "milliseconds"}.get(unit, unit)
    return f"{shown(metric)} ({words})" if words else shown(metric)


def range_rows(
    rows: Sequence[tuple[str, float | None, float | None, float | None, bool]], unit: str
) -> list[dict[str, Any]]:
    """Returns rows for a chart of intervals: name, value, ends, and whether the interval excludes 0."""
    return [
        {
            "name": shown(name),
            "value": value,
            "lower": lower,
            "upper": upper,
            "clear": _BEYOND if clear else "no difference shown",
            "label": f"{difference(value, unit)} ({interval(lower, upper, unit)})",
        }
        for name, value, lower, upper, clear in rows[:MOST_RANGES]
        if value is not None
    ]


def range_chart(rows: Sequence[dict[str, Any]], title: str, mode: Mode, *, filled: str = _BEYOND) -> Drawing:
    """Returns points with their intervals, some of them filled; around zero where they are changes.

    Args:
        rows: From `range_rows`, or alike.
        title: Of the axis, with the unit.
        mode: Colour mode of the page.
        filled: What rows say in `clear` whose points are filled.
    """
    spec = _range_spec(tuple(row["name"] for row in rows), title, mode, filled)
    return Drawing(spec, {_ROWS: rows, _ZERO: [{"zero": 0}] if filled == _BEYOND else []})


@lru_cache
def _range_spec(names: tuple[str, ...], title: str, mode: Mode, filled: str) -> Mapping[str, Any]:
    base = alt.Chart(alt.NamedData(_ROWS)).encode(
        y=alt.Y("name:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=_LABEL_PX)),
        tooltip=[
            alt.Tooltip("name:N", title="Of"),
            alt.Tooltip("label:N", title="Value"),
            alt.Tooltip("clear:N", title="Verdict"),
        ],
    )
    fill = alt.condition(f"datum.clear == '{filled}'", alt.value(1), alt.value(0))
    changes = filled == _BEYOND
    zero = alt.Chart(alt.NamedData(_ZERO)).mark_rule(color=_FAINT, strokeDash=[3, 3])
    scale = alt.Scale(zero=changes, nice=True)
    return alt.LayerChart(
        layer=[
            zero.encode(x="zero:Q"),
            base.transform_filter("datum.lower != null && datum.upper != null")
            .mark_rule(color=_INK[mode], strokeWidth=2)
            .encode(x=alt.X("lower:Q", title=title, scale=scale), x2="upper:Q"),
            base.mark_point(size=70, color=_INK[mode], fill=_INK[mode], strokeWidth=2).encode(
                x=alt.X("value:Q", title=title, scale=scale), fillOpacity=fill
            ),
        ],
        height=_ROW_PX * len(names) + _AXIS_PX,
    ).to_dict()


def part_columns(unit: str) -> list[Column[ChangePart]]:
    """Columns of the table of parts."""
    return [
        Column("Part", lambda row: row.part, text=True),
        Column("Change", lambda row: difference(row.contribution, unit)),
        Column("Interval", lambda row: interval(row.lower, row.upper, unit), "Holds at every look."),
        Column("", lambda row: dot("notice", "clear") if row.clear else "not clear", text=True),
        Column("In words", lambda row: row.words, text=True, wraps=True, vital=False),
    ]


def contribution_columns(unit: str) -> list[Column[Contribution]]:
    """Columns of the table of what single values brought."""
    return [
        Column("Value", lambda row: f"{row.dimension}: {row.value or 'none'}", text=True, wraps=True),
        Column("To the part", lambda row: row.part, text=True),
        Column("Change", lambda row: difference(row.contribution, unit)),
        Column(
            "Share of traffic",
            lambda row: f"{percent(row.a_share)} → {percent(row.b_share)}",
            "Of the metric's denominator, on one side and the other.",
            vital=False,
        ),
        Column(
            "Its own value",
            lambda row: f"{figure(row.a_value, unit)} → {figure(row.b_value, unit)}",
            vital=False,
        ),
    ]


def moved_columns(unit: str) -> list[Column[MovedValue]]:
    """Columns of the table of values of segments, models and applications."""
    return [
        Column("Value", lambda row: f"{row.dimension}: {row.value or 'none'}", text=True, wraps=True),
        Column(
            "Verdict",
            lambda row: dot("notice", "moved") if row.verdict == "moved" else row.verdict,
            text=True,
        ),
        Column("Change", lambda row: difference(row.effect, unit)),
        Column("Interval", lambda row: interval(row.lower, row.upper, unit), "Holds at every look."),
        Column(
            "Before → after",
            lambda row: f"{figure(row.a_value, unit)} → {figure(row.b_value, unit)}",
            vital=False,
        ),
        Column(
            "p", lambda row: chance(row.adjusted_p), "Holm-adjusted over all values looked at.", vital=False
        ),
        Column("Requests", lambda row: f"{count(row.a_requests)} → {count(row.b_requests)}", vital=False),
    ]


def feature_columns(unit: str) -> list[Column[RegressionFeature]]:
    """Columns of the table of associations."""
    return [
        Column("Feature", lambda row: row.feature, text=True),
        Column("Association", lambda row: dot("notice", "clear") if row.clear else "not clear", text=True),
        Column(
            "Change",
            lambda row: difference(row.coefficient, unit),
            "For twice as much, or against the most common.",
        ),
        Column("Interval", lambda row: interval(row.lower, row.upper, unit), "Holds for one look only."),
        Column("p", lambda row: chance(row.adjusted_p), "Holm-adjusted over all features.", vital=False),
        Column("In words", lambda row: row.words, text=True, wraps=True, vital=False),
    ]


def chance(p: float | None) -> str:
    """A p-value: three digits, `<0.001` below."""
    if p is None:
        return UNKNOWN
    return "<0.001" if p < 0.001 else f"{p:.3f}"
