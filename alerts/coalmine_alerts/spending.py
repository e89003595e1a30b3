"""Says where spending stands: all of it, and that of each budget."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from coalmine_alerts.facts import DaySpend
from coalmine_alerts.results.spending import DaySpent, Spending, Standing
from coalmine_alerts.rules.money import Budget

_EVERYTHING: Final = Budget(name="", usd=math.inf)


def spending_of(
    days: Sequence[DaySpend],
    budgets: Iterable[Budget],
    now: datetime,
    *,
    environment: str | None = None,
    prompt: str | None = None,
    app: str | None = None,
) -> Spending:
    """Returns where spending stands.

    Args:
        days: As `reading.sums.read_days` returns them.
        budgets: As configured; all are listed, whatever the filters.
        now: The time.
        environment: Only this one counts into what is no budget's.
        prompt: Likewise.
        app: Likewise.
    """
    every = replace(_EVERYTHING, environment=environment, prompt=prompt, app=app)
    return Spending(
        at=now,
        today=_standing(replace(every, period="day"), days, now),
        month=_standing(every, days, now),
        budgets=[_standing(each, days, now) for each in sorted(budgets, key=lambda each: each.name)],
        days=[DaySpent(day, usd) for day, usd in sorted(every.spent(days).items())],
    )


def _standing(budget: Budget, days: Sequence[DaySpend], now: datetime) -> Standing:
    begin, end = budget.bounds(now.date())
    by_day = budget.spent(days)
    ahead = budget.forecast_of(by_day, now)
    spent = 0.0
    passed = None
    for day in sorted(day for day in by_day if begin <= day < end):
        spent += by_day[day]
        if passed is None and spent >= budget.usd:
            passed = day
    return Standing(
        name=budget.name or None,
        period=budget.period,
        since=begin,
        until=end,
        environment=budget.environment,
        prompt=budget.prompt,
        app=budget.app,
        budget_usd=budget.usd if math.isfinite(budget.usd) else None,
        hard_cap=budget.hard_cap,
        owner=budget.owner,
        spent_usd=spent,
        unpriced_requests=budget.unpriced_between(days, begin, end),
        forecast_usd=None if ahead is None else ahead.usd,
        forecast_lower_usd=None if ahead is None else ahead.lower,
        forecast_upper_usd=None if ahead is None else ahead.upper,
        passes_on=passed or (None if ahead is None else ahead.passes_on),
    )
