"""Tables and charts of drift: metrics of versions that nobody changed, beside their own first days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import altair as alt

from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
from coalmine_consumers.results import Timeseries, TimeseriesRow
from coalmine_dashboards.formatting import TIME_LABEL, UNKNOWN, count, difference, figure, interval, percent
from coalmine_dashboards.parts.charts import Drawing
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Tone, dot
from coalmine_dashboards.views.markup import shown

_ORDER: Final = ("drifted", "returned", "not enough data", "steady")
_LOOKS: Final = {
    "drifted, worse": ("#d5384d", "triangle-down"),
    "drifted": ("#d99000", "diamond"),
    "drifted, better": ("#1a9e6e", "triangle-up"),
    "returned": ("#8a7fd0", "square"),
    "steady": ("#808080", "circle"),
}
"""Colour and shape by what is said of a metric: colour is never alone."""
_FARTHEST: Final = 5.0
"""Shifts beyond so many tolerances are drawn at the edge."""
_ROW_PX: Final = 26
_AROUND_PX: Final = 130
"""Legend, axis and its title."""
_POINTS, _BAND, _REFERENCE, _CHANGES = "points", "band", "reference", "changes"
_LINE: Final = "#2b7fc4"
_CHANGE: Final = "#d5384d"
_FORMATS: Final = {"share": ".6~p", "USD": "$.6~f", "ms": ",.0f"}

SERIES: Final[dict[str, tuple[Callable[[TimeseriesRow], float | None], str]]] = {
    "quality": (lambda row: row.quality_mean, "mean score"),
    "thumbs_up_rate": (lambda row: row.thumbs_up_rate, "share of thumbs"),
    "error_rate": (lambda row: row.error_rate, "share of requests"),
    "cost_per_request": (lambda row: row.cost_usd_per_request, "US dollars"),
    "latency_ms": (lambda row: row.latency_ms_mean, "milliseconds"),
}
"""Metrics that are served over time, with the unit of their axis."""


@dataclass(frozen=True, slots=True)
class DriftRow:
    """A metric of a version, as it can be downloaded."""

    prompt: str
    version: str
    environment: str
    metric: MetricDrift


def by_urgency(items: Sequence[VersionDrift]) -> list[VersionDrift]:
    """What drifted first, then by name."""
    return sorted(items, key=lambda each: (_ORDER.index(each.state), each.prompt, each.environment))


def said_of(row: MetricDrift) -> str:
    """The state of a metric, with the way it went."""
    if row.state != "drifted" or row.better is None:
        return row.state
    return "drifted, better" if row.better else "drifted, worse"


def version_columns(local: Callable[..., str], told: Callable[[str], str]) -> list[Column[VersionDrift]]:
    """Columns of the table of versions."""
    return [
        Column(
            "Version",
            lambda row: Html(
                anchor(f"{row.prompt} {row.version}", "drift", prompt=row.prompt, environment=row.environment)
            ),
            text=True,
        ),
        Column("Environment", lambda row: row.environment, text=True),
        Column("State", lambda row: dot(_tone(row), row.state), text=True),
        Column("What is said", lambda row: told(row.words), text=True, wraps=True),
        Column(
            "Reference",
            lambda row: _reference(row, local),
            "The version's own first days, which later ones are compared with.",
            text=True,
            vital=False,
        ),
        Column("Requests in it", lambda row: count(row.reference_requests), vital=False),
        Column(
            "Watched until", lambda row: local(row.watched_until), "Hours before are complete.", text=True
        ),
    ]


def metric_columns(local: Callable[..., str]) -> list[Column[MetricDrift]]:
    """Columns of the table of metrics of one version."""
    return [
        Column("Metric", lambda row: row.metric, text=True),
        Column("State", lambda row: dot(_TONES[said_of(row)], said_of(row)), text=True),
        Column("Reference", lambda row: figure(row.before, row.unit), "In the hours of the value beside it."),
        Column("Now", lambda row: figure(row.after, row.unit), "Since the change, else in the last 7 days."),
        Column("Shift", lambda row: difference(row.shift, row.unit)),
        Column(
            "95 % interval",
            lambda row: interval(row.lower, row.upper, row.unit),
            "Holds however often one looks.",
            vital=False,
        ),
        Column(
            "Last 3 days",
            lambda row: interval(row.lately_lower, row.lately_upper, row.unit),
            "Interval of the shift over the last three days, of what drifted.",
            vital=False,
        ),
        Column("Tolerated", lambda row: figure(row.tolerance, row.unit), "A shift up to this is no drift."),
        Column(
            "Evidence",
            _evidence,
            "Share of what it takes to say that it drifted; on a logarithmic scale.",
            vital=False,
        ),
        Column("Since", lambda row: local(row.since), "When it most likely began.", text=True),
    ]


def change_columns(local: Callable[..., str]) -> list[Column[tuple[VersionDrift, ModelChange]]]:
    """Columns of the table of models that began to answer."""
    return [
        Column("Asked for", lambda row: row[1].request_model, text=True),
        Column("Answers now", lambda row: row[1].response_model, text=True),
        Column("Answered before", lambda row: ", ".join(row[1].before) or UNKNOWN, text=True),
        Column("Since", lambda row: local(row[1].first_seen), text=True),
        Column("Share, last 24 h", lambda row: percent(row[1].share_lately)),
        Column("Requests since", lambda row: count(row[1].requests), vital=False),
        Column("Version", lambda row: f"{row[0].prompt} {row[0].version}", text=True),
        Column("Environment", lambda row: row[0].environment, text=True, vital=False),
    ]


def shifts_chart(metrics: Sequence[MetricDrift]) -> Drawing | None:
    """Draws each metric's shift with its interval, in tolerances; None if none has both."""
    points = [point for row in metrics if (point := _shift_point(row)) is not None]
    if not points:
        return None
    said = tuple(name for name in _LOOKS if any(point["said"] == name for point in points))
    return Drawing(_shifts_spec(said, len(points)), {_POINTS: points, _BAND: [{"from": -1, "to": 1}]})


@lru_cache
def _shifts_spec(said: tuple[str, ...], metrics: int) -> Mapping[str, Any]:
    base = alt.Chart(alt.NamedData(_POINTS)).encode(
        y=alt.Y("metric:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False))
    )
    x = alt.X(
        "shift:Q",
        title="shift, in tolerances (up to 1 either way is no drift)",
        scale=alt.Scale(domain=[-_FARTHEST, _FARTHEST], clamp=True),
    )
    looks = alt.Color(
        "said:N",
        title=None,
        scale=alt.Scale(domain=list(said), range=[_LOOKS[name][0] for name in said]),
        legend=alt.Legend(orient="top"),
    )
    shapes = alt.Shape(
        "said:N", title=None, scale=alt.Scale(domain=list(said), range=[_LOOKS[name][1] for name in said])
    )
    tooltip = [
        alt.Tooltip("metric:N", title="Metric"),
        alt.Tooltip("said:N", title="State"),
        alt.Tooltip("words:N", title="Shift"),
        alt.Tooltip("range:N", title="95 % interval"),
    ]
    band = alt.Chart(alt.NamedData(_BAND)).mark_rect(opacity=0.12, color="#808080")
    return alt.LayerChart(
        layer=[
            band.encode(x=alt.X("from:Q"), x2="to:Q"),
            base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q"), x2="upper:Q", color=looks),
            base.mark_point(filled=True, size=70, opacity=1).encode(
                x=x, color=looks, shape=shapes, tooltip=tooltip
            ),
        ],
        height=_ROW_PX * metrics + _AROUND_PX,
    ).to_dict()


def trend_chart(series: Timeseries, row: MetricDrift) -> Drawing | None:
    """Draws a metric over time, its reference, and when it most likely changed; None without values."""
    value, _ = SERIES[row.metric]
    points: list[dict[str, object]] = [
        {"time": each.bucket_start.timestamp() * 1000, "value": found, "requests": each.requests}
        for each in series.items
        if (found := value(each)) is not None
    ]
    if not points:
        return None
    data: dict[str, list[dict[str, object]]] = {_POINTS: points}
    if row.reference_value is not None:
        data[_REFERENCE] = [{"value": row.reference_value}]
    if row.since is not None:
        moments = {"time": row.since, "from": row.since_earliest, "to": row.since_latest}
        data[_CHANGES] = [{name: (at or row.since).timestamp() * 1000 for name, at in moments.items()}]
    return Drawing(_trend_spec(row.metric, row.unit, tuple(data)), data)


@lru_cache
def _trend_spec(metric: str, unit: str, drawn: tuple[str, ...]) -> Mapping[str, Any]:
    axis = alt.Axis(tickCount=5, format=_FORMATS.get(unit, ".6~f"), titleFontWeight="normal")
    y = alt.Y("value:Q", title=f"{metric}, {SERIES[metric][1]}", scale=alt.Scale(zero=False), axis=axis)
    x = alt.X(
        "time:T", title=None, axis=alt.Axis(tickCount=6, labelOverlap=True, grid=False, labelExpr=TIME_LABEL)
    )
    base = alt.Chart(alt.NamedData(_POINTS)).encode(x=x, y=y)
    tooltip = [
        alt.Tooltip("time:T", title="From", format="%b %d, %H:%M"),
        alt.Tooltip("value:Q", title=metric, format=".4~r"),
        alt.Tooltip("requests:Q", title="Requests", format=",d"),
    ]
    layers = [
        base.mark_line(strokeWidth=1.8, color=_LINE),
        base.mark_point(size=30, filled=True, opacity=0.9, color=_LINE).encode(tooltip=tooltip),
    ]
    if _REFERENCE in drawn:
        layers.append(
            alt.Chart(alt.NamedData(_REFERENCE))
            .mark_rule(strokeDash=[6, 4], color="#808080")
            .encode(y=y, tooltip=[alt.Tooltip("value:Q", title="Reference", format=".4~r")])
        )
    if _CHANGES in drawn:
        change = alt.Chart(alt.NamedData(_CHANGES))
        layers += [
            change.mark_rect(opacity=0.15, color=_CHANGE).encode(x=alt.X("from:T"), x2="to:T"),
            change.mark_rule(color=_CHANGE, strokeWidth=1.5).encode(
                x=alt.X("time:T"),
                tooltip=[alt.Tooltip("time:T", title="Most likely since", format="%b %d, %H:%M")],
            ),
        ]
    return alt.LayerChart(layer=layers, height=220).to_dict()


_TONES: Final[dict[str, Tone]] = {
    "drifted, worse": "bad",
    "drifted": "notice",
    "drifted, better": "good",
    "returned": "notice",
    "steady": "good",
    "not enough data": "notice",
}


def _tone(row: VersionDrift) -> Tone:
    worse = any(each.state == "drifted" and each.better is not True for each in row.metrics)
    return "bad" if row.state == "drifted" and worse else _TONES[row.state]


def _reference(row: VersionDrift, local: Callable[..., str]) -> str:
    if row.reference_since is None:
        return UNKNOWN
    if row.reference_until is None:
        speaks = "not in sight" if row.speaks_from is None else local(row.speaks_from)
        return f"from {_day(row.reference_since, local)}, complete: {speaks}"
    return f"{_day(row.reference_since, local)} to {_day(row.reference_until, local)}"


def _day(at: datetime, local: Callable[..., str]) -> str:
    return local(at)[:10]


def _evidence(row: MetricDrift) -> str:
    if row.log_evidence is None or not row.log_threshold:
        return UNKNOWN
    return percent(max(row.log_evidence, 0.0) / row.log_threshold, 0)


def _shift_point(row: MetricDrift) -> dict[str, object] | None:
    if row.shift is None or not row.tolerance or row.state == "not enough data":
        return None
    lower, upper = (None if end is None else end / row.tolerance for end in (row.lower, row.upper))
    return {
        "metric": shown(row.metric),
        "said": said_of(row),
        "shift": row.shift / row.tolerance,
        "lower": -_FARTHEST if lower is None else lower,
        "upper": _FARTHEST if upper is None else upper,
        "words": difference(row.shift, row.unit),
        "range": interval(row.lower, row.upper, row.unit),
    }
