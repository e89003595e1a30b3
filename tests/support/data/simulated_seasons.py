"""Hours of a service drawn from a seed: seasons of day and week, growth, wandering hours, users."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from coalmine_analytics.drift import DriftPlan
from coalmine_analytics.drift.buckets import Buckets
from coalmine_analytics.drift.metric import MonitoredMetric, Window, monitored
from coalmine_analytics.metrics import BUILT_IN, Metric
from coalmine_consumers.drift import HourSeries

Kind = Literal["quality", "rate", "latency"]
Floats = npt.NDArray[np.float64]

FIRST_HOUR = 489_984
"""Hours since 1970; a midnight."""


@dataclass(frozen=True, slots=True)
class Season:
    """How a service behaves; effects on the level are relative."""

    kind: Kind = "quality"
    level: float = 0.8
    days: float = 74.0
    units_per_hour: float = 60.0
    requests_per_unit: float = 1.8
    spread: float = 0.2
    """Of one request: standard deviation of quality, sigma of a lognormal latency."""
    alike: float = 0.3
    """Correlation of requests of one unit in one hour."""
    daily: float = 0.03
    """The level's amplitude over the day."""
    weekly: float = 0.03
    """How much the level is lower on weekends."""
    wander: float = 0.01
    """Standard deviation of the level from hour to hour, beyond sampling."""
    memory: float = 0.5
    """Correlation of that between neighbouring hours."""
    traffic_daily: float = 0.6
    traffic_weekend: float = 0.5
    growth: float = 1.0
    """Traffic at the end over traffic at the beginning."""
    day_sd: float = 0.0
    """Standard deviation of the level from day to day."""
    weeks: tuple[float, ...] = ()
    """How much the level is higher in each week."""
    shift: float = 0.0
    """The level's lasting shift."""
    shift_at_day: float = 24.0


def hours_of(season: Season, random: np.random.Generator) -> Buckets:
    """Hourly sums; hours without a request are left out."""
    count = int(season.days * 24)
    hour = np.arange(count)
    day_angle = 2 * np.pi * (hour % 24) / 24
    weekend = (hour // 24) % 7 >= 5
    traffic = season.units_per_hour * (1 - season.traffic_daily * np.cos(day_angle))
    traffic *= np.where(weekend, season.traffic_weekend, 1.0) * season.growth ** (hour / count)
    level = season.level * (1 + season.daily * np.sin(day_angle) - season.weekly * weekend)
    level *= 1 + _wandering(season, count, random)
    if season.day_sd:
        level *= 1 + random.normal(0.0, season.day_sd, count // 24 + 1)[hour // 24]
    if season.weeks:
        level *= 1 + np.array(season.weeks)[hour // 168]
    level *= 1 + season.shift * (hour >= season.shift_at_day * 24)
    units = random.poisson(traffic)
    of_unit = np.repeat(hour, units)
    more = random.poisson(season.requests_per_unit - 1.0, len(of_unit))
    x = np.asarray(1.0 + more, np.float64)
    y = _sums(season, np.asarray(level[of_unit], np.float64), x, random)
    return _summed(of_unit, x, y, count)


def _wandering(season: Season, count: int, random: np.random.Generator) -> Floats:
    steps = random.normal(0.0, season.wander * np.sqrt(1 - season.memory**2), count)
    wandering = np.empty(count)
    last = random.normal(0.0, season.wander) if season.wander else 0.0
    for place, step in enumerate(steps.tolist()):
        last = season.memory * last + step
        wandering[place] = last
    return wandering


def _sums(season: Season, level: Floats, x: Floats, random: np.random.Generator) -> Floats:
    """Sum over a unit's requests."""
    if season.kind == "rate":
        mean = np.clip(level, 1e-6, 1 - 1e-6)
        strength = (1 - season.alike) / season.alike
        own = random.beta(mean * strength, (1 - mean) * strength)
        return random.binomial(x.astype(np.int64), own).astype(np.float64)
    if season.kind == "quality":
        own = random.normal(0.0, season.spread * np.sqrt(season.alike), len(x))
        rest = random.normal(0.0, season.spread * np.sqrt((1 - season.alike) * x))
        return (level + own) * x + rest
    request = np.repeat(np.arange(len(x)), x.astype(np.int64))
    own = random.normal(0.0, season.spread * np.sqrt(season.alike), len(x))[request]
    rest = random.normal(0.0, season.spread * np.sqrt(1 - season.alike), len(request))
    values = level[request] * np.exp(own + rest - season.spread**2 / 2)
    return np.bincount(request, values, len(x)).astype(np.float64)


def _summed(of_unit: npt.NDArray[np.int64], x: Floats, y: Floats, count: int) -> Buckets:
    sum_x, sum_y = (np.bincount(of_unit, values, count).astype(np.float64) for values in (x, y))
    units = np.bincount(of_unit, minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = sum_y / sum_x
        squares = np.bincount(of_unit, np.square(y - ratio[of_unit] * x), count)
        noise = squares * units / (units - 1)
    kept = sum_x > 0
    start = FIRST_HOUR + np.arange(count)
    noise = np.where(units > 1, noise, 0.0)
    return Buckets(start[kept], sum_x[kept], sum_y[kept], noise[kept])


REFERENCE_DAYS = 14
METRICS: dict[Kind, Metric] = {
    "quality": next(metric for metric in BUILT_IN if metric.name == "quality"),
    "rate": next(metric for metric in BUILT_IN if metric.name == "error_rate"),
    "latency": next(metric for metric in BUILT_IN if metric.name == "latency_ms"),
}


def as_series(hours: Buckets) -> HourSeries:
    """Hours as they are kept: with so many unit groups that the factor n / (n - 1) is 1."""
    groups = np.full(len(hours.start), 10**12)
    return HourSeries(hours.start, groups, hours.x, hours.y, hours.noise)


def judged_season(
    season: Season, seed: int, plan: DriftPlan, reference_days: int = REFERENCE_DAYS
) -> MonitoredMetric:
    """A metric of a simulated service against the reference of its first days."""
    hours = hours_of(season, np.random.default_rng(seed))
    window = Window(FIRST_HOUR + reference_days * 24, FIRST_HOUR + int(season.days * 24))
    found = monitored(METRICS[season.kind], as_series(hours), plan, FIRST_HOUR, window)
    assert found is not None
    return found


def alarm_after_h(found: MonitoredMetric, plan: DriftPlan, metrics: int = 1) -> int | None:
    """Hours from the end of the reference to the first alarm, if there is one."""
    evidence = found.evidence(plan)
    total = np.logaddexp(evidence[0], evidence[1])
    places = np.flatnonzero(total >= found.log_threshold(plan, metrics))
    if not len(places):
        return None
    return int(found.buckets.start[places[0]]) + found.reference.length - found.window.until


def run_length_h(
    season: Season, seeds: range, plan: DriftPlan, reference_days: int = REFERENCE_DAYS
) -> float:
    """Hours watched per alarm: the usual estimate of a mean time of which not all ends are seen."""
    watched = alarms = 0
    for seed in seeds:
        after = alarm_after_h(judged_season(season, seed, plan), plan)
        watched += int(season.days * 24) - REFERENCE_DAYS * 24 if after is None else after
        alarms += after is not None
    return watched / max(alarms, 1)
