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
_T80: Final = 1.439756
"""For an 80 % interval, of Student's t with six degrees of freedom: the spread is that of seven days."""
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
    what days vary by and how well that level and the weekdays are known. It does not know of what changes
    tomorrow.

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
    season, weeks = np.ones(7), math.inf
    if len(past) >= _SEASON_DAYS:
        weeks = len(past) / 7
        for place in range(7):
            season[place] = float(values[weekday == place].mean()) / overall
    recent, days = values[-_LEVEL_DAYS:], weekday[-_LEVEL_DAYS:]
    usual = overall * season[days]
    level = float(recent.sum()) / max(float(usual.sum()), 1e-12)
    share = usual / max(float(usual.sum()), 1e-12)
    counts = usual * level > 0  # on some weekdays nothing is ever spent
    relative = recent[counts] / (usual[counts] * level) - 1.0
    # The level is of these days, and each is one of the few weeks that its weekday's mean is of: what is left
    # of the variance is that much less.
    freedom = max(len(relative) - 1, 1) * (1.0 - 1.0 / weeks)
    spread = math.sqrt(float(np.square(relative).sum()) / freedom)

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
    of_weekday = np.zeros(7)
    for day, usd in coming:
        of_weekday[day.weekday()] += usd
    of_weekday[days] -= rest * share  # the level makes up for what these have wrong
    # What days vary by averages out; what the level and the weekdays are not known by does not.
    variance = sum(usd**2 for _, usd in coming) + rest**2 * float(share @ share)
    variance += float(of_weekday @ of_weekday) / weeks
    within = _T80 * spread * math.sqrt(variance)
    return Forecast(total, so_far + max(rest - within, 0.0), total + within, passes)
