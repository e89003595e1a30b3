"""When a verdict was reached, and whether the estimate of now still bears it out."""

from dataclasses import dataclass, replace
from datetime import datetime

from coalmine_analytics.metrics import Metric, Size
from coalmine_analytics.results.readout import MetricReadout, Shown
from coalmine_analytics.results.verdicts import Verdict
from coalmine_schemas.plain_number import plain_number

_LASTING: frozenset[Verdict] = frozenset(("worse", "not worse", "better", "higher", "lower"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is estimated at one look, in the metric's unit; relative bounds are shares of control."""

    effect: float | None
    lower: float | None
    upper: float | None
    control: float | None
    relative_lower: float | None
    relative_upper: float | None


def shown(
    metric: Metric,
    verdict: Verdict,
    now: Estimate,
    *,
    taken_at: datetime,
    units: int,
    before: MetricReadout | None,
) -> Shown | None:
    """When the verdict was reached; None for one that is not lasting.

    Args:
        metric: The metric.
        verdict: The verdict at this look.
        now: The estimate at this look.
        taken_at: Time of this look.
        units: Units of the arm.
        before: The metric at the look before, under the same hypothesis.
    """
    if verdict not in _LASTING:
        return None
    agrees = _agrees(metric, verdict, now)
    if before is not None and before.shown is not None and before.verdict == verdict:
        return before.shown if before.shown.agrees == agrees else replace(before.shown, agrees=agrees)
    return Shown(at=taken_at, units=units, effect=now.effect, lower=now.lower, upper=now.upper, agrees=agrees)


def shown_words(metric: Metric, when: Shown, now: Estimate) -> str:
    """When it was shown and, if the estimate of now does not bear it out, that estimate."""
    words = f"shown at {when.at:%Y-%m-%d %H:%M} UTC with {when.units:,} units"
    return words if when.agrees else f"{words}; since then the effect has become {_effect(metric, now)}"


def _agrees(metric: Metric, verdict: Verdict, now: Estimate) -> bool:
    if now.effect is None:
        return True
    control = abs(now.control or 0.0)

    def absolute(size: Size) -> float:
        return size.value * control if size.relative else size.value

    if verdict in ("higher", "lower"):
        return (now.effect > 0) == (verdict == "higher")
    gain = {"higher": now.effect, "lower": -now.effect}.get(metric.direction, -abs(now.effect))
    match verdict:
        case "worse":
            return gain < -absolute(metric.tolerance)
        case "not worse":
            return gain > -absolute(metric.margin)
        case _:
            return gain > 0


def _effect(metric: Metric, now: Estimate) -> str:
    """In per cent of control where the metric's margin is, else in its unit; with its interval."""
    bounds: tuple[float | None, float | None]
    if metric.margin.relative and now.control and now.effect is not None:
        effect, bounds = now.effect / abs(now.control), (now.relative_lower, now.relative_upper)
        unit, scale = " %", 100.0
    else:
        effect, bounds = now.effect or 0.0, (now.lower, now.upper)
        unit, scale = f" {metric.unit}" if metric.unit else "", 1.0
    known = [plain_number(scale * bound, 2) for bound in bounds if bound is not None]
    interval = f" ({known[0]} to {known[1]})" if len(known) == 2 else ""
    return f"{plain_number(scale * effect, 2, sign=True)}{unit}{interval}"
