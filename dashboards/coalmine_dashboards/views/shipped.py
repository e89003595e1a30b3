"""What versions were like when they shipped, metric by metric: the baseline that stays."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalmine_dashboards.formatting import UNKNOWN, count, difference, figure, interval
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html
from coalmine_rollouts.records import AsShipped

__all__ = ["ShippedValue", "shipped_columns", "shipped_values"]


@dataclass(frozen=True, slots=True)
class ShippedValue:
    """A metric of a version as its rollout completed."""

    version: str
    environment: str
    at: datetime
    rollout: str
    against: str | None
    metric: str
    unit: str
    verdict: str
    units: int | None
    value: float | None
    own_lower: float | None
    """Lower end of the interval of the value."""
    own_upper: float | None
    effect: float | None
    """Against the version before."""
    lower: float | None
    upper: float | None


def shipped_values(shipped: Iterable[AsShipped]) -> list[ShippedValue]:
    """Returns a row for each metric that something depended on, those of the latest first."""
    found = []
    for each in sorted(shipped, key=lambda one: one.at, reverse=True):
        for metric in each.figures.get("metrics", ()):
            if metric.get("role") == "shown":
                continue
            own: Mapping[str, Any] = metric.get("own") or {}
            found.append(
                ShippedValue(
                    version=each.version,
                    environment=each.environment,
                    at=each.at,
                    rollout=each.rollout,
                    against=each.figures.get("against"),
                    metric=metric["metric"],
                    unit=metric.get("unit", ""),
                    verdict=metric.get("verdict", ""),
                    units=metric.get("units"),
                    value=own.get("value", metric.get("value")),
                    own_lower=own.get("lower"),
                    own_upper=own.get("upper"),
                    effect=metric.get("effect"),
                    lower=metric.get("lower"),
                    upper=metric.get("upper"),
                )
            )
    return found


def shipped_columns(when: Callable[[datetime | None], str]) -> list[Column[ShippedValue]]:
    """Columns of these rows.

    Args:
        when: Writes a moment.
    """
    return [
        Column("Version", lambda row: Html(anchor(row.version, "rollouts", rollout=row.rollout)), text=True),
        Column("Environment", lambda row: row.environment, text=True, vital=False),
        Column("Metric", lambda row: row.metric, text=True),
        Column("As shipped", lambda row: figure(row.value, row.unit)),
        Column(
            "Interval",
            lambda row: _ends(row.own_lower, row.own_upper, row.unit),
            "Of the value; holds at every look.",
            vital=False,
        ),
        Column("Verdict", lambda row: row.verdict, "Against the version before.", text=True),
        Column("Effect", lambda row: difference(row.effect, row.unit), "Against the version before."),
        Column("Of the effect", lambda row: interval(row.lower, row.upper, row.unit), vital=False),
        Column("Units", lambda row: count(row.units), vital=False),
        Column("Completed", lambda row: when(row.at), text=True, vital=False),
    ]


def _ends(lower: float | None, upper: float | None, unit: str) -> str:
    if lower is None or upper is None:
        return UNKNOWN
    return f"{figure(lower, unit)} to {figure(upper, unit)}"
