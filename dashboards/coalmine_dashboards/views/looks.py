"""The looks at an experiment over time: effects with their confidence sequences, and shares of traffic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import altair as alt

from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout
from coalmine_dashboards.palette import Mode, style_of
from coalmine_dashboards.parts.charts import Drawing
from coalmine_registry.records import AllocationEpoch
from coalmine_rollouts.records import RolloutDecision

_HEIGHT_PX: Final = 170
_MOST: Final = 200
"""Looks that a chart draws: more are thinned."""
_GREY: Final = "#808080"  # readable in both modes
_BOUND: Final[dict[Mode, str]] = {"light": "#AC3C00", "dark": "#EA7956"}
_STEADY: Final = 0.4
"""Share of the looks whose ends may lie beyond the axis: the first intervals are wide."""


@dataclass(frozen=True, slots=True)
class EffectPoint:
    """One metric at one look."""

    at: datetime
    metric: str
    unit: str
    units: int
    control_units: int
    effect: float | None
    lower: float | None
    upper: float | None
    verdict: str
    harm_p: float | None
    """Running p-value of harm."""


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """The requests until one look, and the units until then."""

    at: datetime
    epoch: int
    requests: int
    """Of the treatment."""
    control_requests: int
    srm_p: float | None


@dataclass(frozen=True, slots=True)
class LookPath:
    """What is drawn of all looks until the last, without the looks themselves, which are large."""

    through: datetime | None = None
    """Time of the last look; None without any."""
    effects: tuple[EffectPoint, ...] = ()
    traffic: tuple[TrafficPoint, ...] = ()

    def after(self, looks: Iterable[Readout], arm: str | None = None) -> "LookPath":
        """This path and the looks that came since, at one arm or the first."""
        new = [
            (look, found)
            for look in looks
            if (found := look.arm(arm)) is not None and (self.through is None or look.taken_at > self.through)
        ]
        if not new:
            return self
        effects = [_effect(look, metric) for look, found in new for metric in found.metrics]
        kept = _thinned({each.at for each in (*self.effects, *effects)})
        traffic = (_traffic(look, found) for look, found in new)
        return LookPath(
            new[-1][0].taken_at,
            tuple(each for each in (*self.effects, *effects) if each.at in kept),
            tuple(each for each in (*self.traffic, *traffic) if each.at in kept),
        )

    def of(self, metric: str) -> list[EffectPoint]:
        """The points of one metric, oldest first."""
        return [each for each in self.effects if each.metric == metric]


def _thinned(moments: set[datetime]) -> set[datetime]:
    ordered = sorted(moments)
    if len(ordered) <= 2 * _MOST:
        return moments
    step = len(ordered) / _MOST
    return {ordered[int(place * step)] for place in range(_MOST)} | {ordered[-1]}


def _effect(look: Readout, metric: MetricReadout) -> EffectPoint:
    return EffectPoint(
        look.taken_at,
        metric.metric,
        metric.unit,
        metric.units,
        metric.control_units,
        metric.effect,
        metric.lower,
        metric.upper,
        metric.verdict,
        metric.evidence.harm,
    )


def _traffic(look: Readout, arm: ArmReadout) -> TrafficPoint:
    return TrafficPoint(look.taken_at, look.epochs[-1], arm.requests, look.control_requests, look.srm.p)


def effect_chart(
    metric: MetricReadout, points: Sequence[EffectPoint], epochs: Sequence[AllocationEpoch], mode: Mode
) -> Drawing:
    """The effect of a metric over time with its confidence sequence, and the worsenings that matter.

    Args:
        metric: The metric as it stands.
        points: Its looks.
        epochs: Epochs of the experiment, marked where weights changed.
        mode: Colours of the page.
    """
    scale, factor = ("points of %", 100.0) if metric.unit == "share" else (metric.unit or "score", 1.0)
    rows = [
        {
            "at": each.at.timestamp() * 1000.0,
            "effect": each.effect * factor,
            "lower": None if each.lower is None else each.lower * factor,
            "upper": None if each.upper is None else each.upper * factor,
            "units": each.units,
            "control_units": each.control_units,
            "verdict": each.verdict,
        }
        for each in points
        if each.effect is not None
    ]
    bounds = [{**each, "value": each["value"] * factor} for each in _bounds(metric)]
    spec = _effect_spec(scale, _domain(rows, [each["value"] for each in bounds]), mode)
    return Drawing(spec, {"looks": rows, "bounds": bounds, "epochs": _epochs(epochs, points)})


@lru_cache(maxsize=256)
def _effect_spec(scale: str, domain: tuple[float, float], mode: Mode) -> dict[str, Any]:
    axis = alt.Y(
        "effect:Q",
        title=f"effect, {scale}",
        scale=alt.Scale(domain=list(domain), nice=True),
        axis=alt.Axis(tickCount=4, titleFontWeight="normal"),
    )
    colour = style_of(0, mode).colour
    looks = alt.Chart(alt.NamedData("looks")).encode(x=_time())
    tooltip = [
        alt.Tooltip("at:T", title="Look", format="%Y-%m-%d %H:%M:%S"),
        alt.Tooltip("effect:Q", title="Effect", format=".4~g"),
        alt.Tooltip("lower:Q", title="From", format=".4~g"),
        alt.Tooltip("upper:Q", title="To", format=".4~g"),
        alt.Tooltip("units:Q", title="n treatment", format=",d"),
        alt.Tooltip("control_units:Q", title="n control", format=",d"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    kinds = ["no effect", "tolerance", "margin"]
    lines = (
        alt.Chart(alt.NamedData("bounds"))
        .mark_rule(clip=True)
        .encode(
            y="value:Q",
            tooltip=[alt.Tooltip("kind:N", title="Line"), alt.Tooltip("value:Q", format=".4~g")],
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=kinds, range=[_GREY, _GREY, _BOUND[mode]]), legend=None
            ),
            strokeDash=alt.StrokeDash(
                "kind:N", scale=alt.Scale(domain=kinds, range=[[1, 0], [2, 3], [6, 3]]), legend=None
            ),
        )
    )
    chart = alt.LayerChart(
        layer=[
            looks.mark_area(opacity=0.2, color=colour, clip=True).encode(y="lower:Q", y2="upper:Q"),
            looks.mark_line(strokeWidth=1.8, color=colour, clip=True).encode(y=axis),
            looks.mark_point(size=120, opacity=0, clip=True).encode(y=axis, tooltip=tooltip),
            lines,
            *_epoch_layers(),
        ],
        height=_HEIGHT_PX,
    )
    return chart.to_dict()


def _bounds(metric: MetricReadout) -> list[dict[str, Any]]:
    """No effect, and on the side that is worse what is tolerated and what is not acceptable."""
    found: list[dict[str, Any]] = [{"value": 0.0, "kind": "no effect"}]
    if metric.scales is None or metric.direction == "unknown":
        return found
    signs = {"higher": (-1.0,), "lower": (1.0,), "same": (-1.0, 1.0)}[metric.direction]
    for sign in signs:
        found += [
            {"value": sign * metric.scales.tolerance, "kind": "tolerance"},
            {"value": sign * metric.scales.margin, "kind": "margin"},
        ]
    return found


def _domain(rows: Sequence[dict[str, Any]], bounds: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis: the bounds, and the intervals but for the widest, which are the first."""
    lows = sorted(each["lower"] for each in rows if each["lower"] is not None)
    highs = sorted(each["upper"] for each in rows if each["upper"] is not None)
    effects = [each["effect"] for each in rows[len(rows) // 4 :]]
    low = min([*lows[int(len(lows) * _STEADY) :], *effects, *bounds])
    high = max([*highs[: len(highs) - int(len(highs) * _STEADY)], *effects, *bounds])
    room = (high - low or 1.0) * 0.08
    return _rounded(low - room), _rounded(high + room)


def _rounded(value: float) -> float:
    """Two significant digits: the axis need not move at every look."""
    return float(f"{value:.2g}")


def share_chart(
    path: Sequence[TrafficPoint],
    decisions: Sequence[RolloutDecision],
    epochs: Sequence[AllocationEpoch],
    until: datetime,
    mode: Mode,
) -> Drawing:
    """The share of the treatment over time: what is served, and what was seen between looks.

    Args:
        path: Requests until each look.
        decisions: Those with weights say what is served from then on.
        epochs: Epochs of the experiment.
        until: End of the time axis: now, or the end of the rollout.
        mode: Colours of the page.
    """
    commanded = [
        (each.at, each.weights["treatment"])
        for each in decisions
        if each.weights is not None and "treatment" in each.weights
    ]
    if commanded:
        commanded.append((max(until, commanded[-1][0]), commanded[-1][1]))
    return Drawing(
        _share_spec(mode),
        {
            "commanded": [{"at": at.timestamp() * 1000.0, "share": 100.0 * share} for at, share in commanded],
            "observed": observed_shares(path),
            "epochs": _epochs(epochs, path),
        },
    )


@lru_cache
def _share_spec(mode: Mode) -> dict[str, Any]:
    axis = alt.Y(
        "share:Q",
        title="share of requests, %",
        scale=alt.Scale(domain=[0, 100]),
        axis=alt.Axis(tickCount=5, titleFontWeight="normal"),
    )
    steps = alt.Chart(alt.NamedData("commanded")).encode(x=_time(), y=axis)
    seen = alt.Chart(alt.NamedData("observed")).encode(x=_time(), y=axis)
    tooltip = [
        alt.Tooltip("at:T", title="Until", format="%Y-%m-%d %H:%M:%S"),
        alt.Tooltip("share:Q", title="Observed, %", format=".1f"),
        alt.Tooltip("requests:Q", title="Requests", format=",d"),
    ]
    colour = style_of(0, mode).colour
    chart = alt.LayerChart(
        layer=[
            steps.mark_line(interpolate="step-after", strokeWidth=1.8, color=_GREY),
            seen.mark_point(size=26, filled=True, opacity=0.8, color=colour).encode(tooltip=tooltip),
            *_epoch_layers(),
        ],
        height=_HEIGHT_PX,
    )
    return chart.to_dict()


_LEAST_REQUESTS: Final = 50


def observed_shares(path: Sequence[TrafficPoint]) -> list[dict[str, Any]]:
    """Shares of the treatment in the requests between looks, each with enough of them to say something."""
    found: list[dict[str, Any]] = []
    before = (0, 0)
    least = max(_LEAST_REQUESTS, (path[-1].requests + path[-1].control_requests) / 80 if path else 0)
    for each in path:
        of_treatment, of_control = each.requests - before[0], each.control_requests - before[1]
        if of_treatment + of_control < least:
            continue
        before = (each.requests, each.control_requests)
        share = 100.0 * of_treatment / (of_treatment + of_control)
        found.append(
            {"at": each.at.timestamp() * 1000.0, "share": share, "requests": of_treatment + of_control}
        )
    return found


def _epochs(
    epochs: Sequence[AllocationEpoch], drawn: Sequence[EffectPoint] | Sequence[TrafficPoint]
) -> list[dict[str, Any]]:
    """Where weights changed, within what is drawn."""
    if not drawn:
        return []
    return [
        {"at": each.started_at.timestamp() * 1000.0, "label": f"epoch {each.allocation_epoch}"}
        for each in epochs
        if each.allocation_epoch > 1 and drawn[0].at <= each.started_at <= drawn[-1].at
    ]


def _epoch_layers() -> list[alt.Chart]:
    base = alt.Chart(alt.NamedData("epochs")).encode(x=_time())
    return [
        base.mark_rule(strokeDash=[2, 3], color=_GREY, opacity=0.7),
        base.mark_text(align="left", baseline="bottom", dx=2, fontSize=9, color=_GREY).encode(
            y=alt.value(-2), text="label:N"
        ),
    ]


def _time() -> alt.X:
    """The viewer's time, as Vega takes it from the browser."""
    return alt.X(
        "at:T", title=None, axis=alt.Axis(tickCount=5, labelOverlap=True, grid=False, format="%b %d %H:%M")
    )
