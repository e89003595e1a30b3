"""The kept sums of one version, drawn from a seed unit group by unit group."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from coalmine_consumers.drift import (
    DAY_GROUPS,
    AnsweringModel,
    DaySeries,
    HourSeries,
    Thresholds,
    VersionKey,
    VersionSeries,
    Watched,
)

Floats = npt.NDArray[np.float64]

GROUPS = 256
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
FIRST_HOUR = int(FIRST.timestamp()) // 3600
REFERENCE_DAYS = 14


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to a version; days are counted from its first."""

    days: int = 24
    requests_per_hour: float = 200.0
    quality_shift: float = 0.0
    shift_day: float = 18.0
    back_day: float = 1_000.0
    """When the shift ends."""
    outage_h: int = 0
    """Hours, from day 18 on, in which 60 % of the calls fail."""
    bot: float = 0.0
    """Share of the traffic, from day 16 on, of one user whose quality is low."""
    new_score_day: float = 1_000.0
    """When values of a further score begin to come."""
    reference_frozen: bool = True


def version_series(story: Story, seed: int = 1, models: tuple[AnsweringModel, ...] = ()) -> VersionSeries:
    """Sums of `quality`, `errors` and `requests`, and maybe of a score `zeal`."""
    random = np.random.default_rng(seed)
    hour = np.arange(story.days * 24)
    day = hour / 24
    season = 1 - 0.6 * np.cos(2 * np.pi * (hour % 24) / 24)
    x = random.poisson(story.requests_per_hour * season[:, None] / GROUPS, (len(hour), GROUPS)).astype(float)
    level = 0.8 + 0.02 * np.sin(2 * np.pi * (hour % 24) / 24)
    shifted = (day >= story.shift_day) & (day < story.back_day)
    level = level + story.quality_shift * shifted + random.normal(0, 0.005, len(hour))
    own = random.normal(0, 0.04, GROUPS)
    mean = level[:, None] + own
    if story.bot:
        busy = day >= 16
        x[busy, 5] += story.bot / (1 - story.bot) * x[busy].sum(axis=1)
        mean[busy, 5] = 0.3
    quality = mean * x + random.normal(0, 0.2 * np.sqrt(x))
    failing = np.where((day >= 18) & (hour < 18 * 24 + story.outage_h), 0.6, 0.02)
    errors = random.binomial(x.astype(int), failing[:, None]).astype(float)
    sums = {"quality": (x, quality), "errors": (x, errors), "requests": (np.ceil(x / 2), x)}
    if story.new_score_day < story.days:
        come = x * (day >= story.new_score_day)[:, None]
        sums["zeal"] = (come, 0.5 * come + random.normal(0, 0.1 * np.sqrt(come)))
    until = FIRST + timedelta(days=REFERENCE_DAYS) if story.reference_frozen else None
    return VersionSeries(
        Watched(VersionKey("refund", "1.0.0", "prod"), FIRST, 1, Thresholds(), until),
        {metric: hour_series(*each) for metric, each in sums.items()},
        {metric: day_series(*each) for metric, each in sums.items()},
        models,
    )


def after(days: float) -> datetime:
    """A moment in the version's life."""
    return FIRST + timedelta(days=days)


def hour_series(x: Floats, y: Floats) -> HourSeries:
    """Kept sums of hours from sums by hour and unit group, shape (T, 256)."""
    some = x.sum(axis=1) > 0
    x, y = x[some], y[some]
    sum_x, sum_y = x.sum(axis=1), y.sum(axis=1)
    residual = y - (sum_y / sum_x)[:, None] * x
    return HourSeries(
        FIRST_HOUR + np.flatnonzero(some),
        (x > 0).sum(axis=1),
        sum_x,
        sum_y,
        np.square(residual).sum(axis=1),
    )


def day_series(x: Floats, y: Floats) -> DaySeries:
    """Kept sums of days from the same."""
    folded_x, folded_y = (
        each.reshape(-1, 24, GROUPS // DAY_GROUPS, DAY_GROUPS).sum(axis=(1, 2)) for each in (x, y)
    )
    some = folded_x.sum(axis=1) > 0
    return DaySeries(FIRST_HOUR // 24 + np.flatnonzero(some), folded_x[some], folded_y[some])
