"""A breakdown: groups side by side with intervals, and which of them cannot be told apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from coalmine_analytics.results.breakdown import Breakdown, BreakdownGroup, BreakdownMetric, BreakdownValue
from coalmine_dashboards.formatting import UNKNOWN, count, figure
from coalmine_dashboards.parts.tables import Column, dot
from coalmine_dashboards.views.markup import shown

__all__ = ["group_columns", "place_columns", "value_rows", "within"]

_VITAL_METRICS: Final = 1
_NO_VALUE: Final = "(none)"
"""In place of the value of a segment that requests do not have."""


def name_of(group: str) -> str:
    """The name of a group for people."""
    return shown(group) or _NO_VALUE


def within(value: BreakdownValue, unit: str) -> str:
    """A value's interval: `0.79 to 0.81`; a dash where too little is known."""
    if value.lower is None or value.upper is None:
        return UNKNOWN
    return f"{figure(value.lower, unit)} to {figure(value.upper, unit)}"


def value_rows(metric: BreakdownMetric) -> list[dict[str, Any]]:
    """Rows for the chart of intervals: filled where a group may be the best."""
    return [
        {
            "name": name_of(each.group),
            "value": each.value,
            "lower": each.lower,
            "upper": each.upper,
            "clear": "may be the best" if each.group in metric.best else "not the best",
            "label": f"{figure(each.value, metric.unit)} ({within(each, metric.unit)})",
        }
        for each in metric.values
    ]


def place_columns(
    metric: BreakdownMetric, groups: Mapping[str, BreakdownGroup]
) -> list[Column[BreakdownValue]]:
    """Columns of the leaderboard.

    Args:
        metric: That it is about.
        groups: By name.
    """
    alone = len(metric.values) < 2
    best = set() if alone else set(metric.best)

    def apart(row: BreakdownValue) -> str:
        if alone:
            return UNKNOWN
        others = [name_of(each) for each in row.not_told_apart_from]
        return ", ".join(others) if others else "nothing: it differs from all"

    return [
        Column("Group", lambda row: name_of(row.group), text=True),
        Column("Value", lambda row: figure(row.value, metric.unit)),
        Column("Interval", lambda row: within(row, metric.unit), "Holds at every look."),
        Column(
            "Place",
            lambda row: (
                dot("good", "the best" if len(best) == 1 else "may be the best") if row.group in best else ""
            ),
            text=True,
            vital=False,
        ),
        Column(
            "Cannot be told apart from",
            apart,
            "The difference may be chance; the intervals of all pairs hold together.",
            text=True,
            wraps=True,
        ),
        Column("Units", lambda row: count(row.units), "With a value; groups of units where there are many."),
        Column("Requests", lambda row: count(groups[row.group].requests), vital=False),
    ]


def group_columns(found: Breakdown) -> list[Column[BreakdownGroup]]:
    """Columns of all metrics that matter, with their intervals."""

    def cell(metric: BreakdownMetric) -> Callable[[BreakdownGroup], str]:
        values = {each.group: each for each in metric.values}

        def text(row: BreakdownGroup) -> str:
            value = values.get(row.name)
            if value is None:
                return UNKNOWN
            return f"{figure(value.value, metric.unit)} ({within(value, metric.unit)})"

        return text

    return [
        Column("Group", lambda row: name_of(row.name), text=True),
        Column("Requests", lambda row: count(row.requests)),
        *(
            Column(
                each.metric,
                cell(each),
                "Value, and its interval, which holds at every look.",
                vital=place < _VITAL_METRICS,
            )
            for place, each in enumerate(metrics_that_matter(found.metrics))
        ),
    ]


def metrics_that_matter(metrics: Sequence[BreakdownMetric], most: int = 6) -> list[BreakdownMetric]:
    """Those that something depends on, first what must be proven."""
    order = {"must_prove": 0, "must_not_harm": 1, "signal": 2, "shown": 3}
    return sorted(metrics, key=lambda each: order[each.role])[:most]
