"""What will have been spent at the end of a period: by weekday and the level of the last week."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

LEAST_DAYS: Final = 7
"""Whole days of spending, without which nothing is forecast."""
_SEASON_DAYS: Final = 14
"""From so many days on, weekdays are told apart."""
_LEVEL_DAYS: Final = 7
_Z80: Final = 1.2815515655446004
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Spending at the end of a period, in US dollars."""

    usd: float
    lower: float
    """Lower end of the 80 % interval."""
    upper: float
    passes_on: date | None
    """The day on which the budget is passed, if it is."""


def forecast(
    spent: Mapping[date, float], *, now: datetime, begin: date, end: date, budget_usd: float
) -> Forecast | None:
    """Forecasts what is spent in [begin, end); None if too little is known.

    Days to come are expected to be like the same weekday, at the level of the last week; the interval holds
    what days vary by and how well that level is known. It does not know of what changes tomorrow.

    Args:
        spent: By day, UTC; today's is what has come so far. Days without requests are absent.
        now: The time.
        begin: First day of the period.
        end: The day after its last.
        budget_usd: What may be spent.
    """
    today = now.date()
    first = min((day for day in spent if day < today), default=None)
    if first is None or (today - first).days < LEAST_DAYS:
        return None
    past = [first + place * _DAY for place in range((today - first).days)]
    values = np.array([spent.get(day, 0.0) for day in past])
    weekday = np.array([day.weekday() for day in past])
    overall = float(values.mean())
    if overall <= 0:
        return None
    season = np.ones(7)
    if len(past) >= _SEASON_DAYS:
        for place in range(7):
            season[place] = float(values[weekday == place].mean()) / overall
    usual = overall * season[weekday]
    recent = slice(-_LEVEL_DAYS, None)
    level = float(values[recent].sum()) / max(float(usual[recent].sum()), 1e-12)
    relative = values / np.maximum(usual * level, 1e-12) - 1.0
    spread = float(np.sqrt((relative[recent] ** 2).mean())) if len(past) >= _LEVEL_DAYS else 1.0

    def expected(day: date) -> float:
        return overall * level * float(season[day.weekday()])

    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    left_today = 1.0 - (now - midnight) / _DAY
    so_far = sum(usd for day, usd in spent.items() if begin <= day <= today)
    coming = [(today, expected(today) * left_today)]
    coming += [
        (today + place * _DAY, expected(today + place * _DAY)) for place in range(1, (end - today).days)
    ]
    total, passes = so_far, today if so_far >= budget_usd else None
    for day, usd in coming:
        total += usd
        if passes is None and total >= budget_usd:
            passes = day
    rest = total - so_far
    # What days vary by averages out; what the level is not known by does not.
    sd = spread * math.sqrt(sum(usd**2 for _, usd in coming) + rest**2 / _LEVEL_DAYS)
    return Forecast(total, so_far + max(rest - _Z80 * sd, 0.0), total + _Z80 * sd, passes)
