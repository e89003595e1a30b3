"""What is spent against budgets, with a forecast of what will have been."""

from datetime import date, datetime
from typing import Literal

from coalmine_schemas.results import result

Period = Literal["day", "week", "month"]


@result
class Standing:
    """Where the spending of one period stands."""

    name: str | None
    """Name of the budget; null for all spending."""
    period: Period
    since: date
    """First day of the period, UTC."""
    until: date
    """The day after its last."""
    environment: str | None
    """Only this environment counts; null: all."""
    prompt: str | None
    """Only this prompt counts; null: all."""
    app: str | None
    """Only this application counts; null: all."""
    budget_usd: float | None
    """What may be spent; null for all spending."""
    hard_cap: bool
    """True: an alert pages somebody when it is passed."""
    owner: str | None
    spent_usd: float
    """US dollars so far; calls whose cost is not known are not in it."""
    forecast_usd: float | None
    """US dollars at the end of the period, by weekday and the level of the last week; null before there are
    seven whole days of spending."""
    forecast_lower_usd: float | None
    """Lower end of its 80 % interval."""
    forecast_upper_usd: float | None
    """Upper end of its 80 % interval."""
    passes_on: date | None
    """The day on which the budget is passed, or will be by the forecast; null: not in this period."""
    unpriced_requests: int = 0
    """Calls so far whose cost is not known."""


@result
class DaySpent:
    """What was spent on one day."""

    day: date
    """The day, from midnight UTC."""
    usd: float
    """US dollars; calls whose cost is not known are not in it."""


@result
class Spending:
    """What is spent, and what may be."""

    at: datetime
    """When this was read."""
    today: Standing
    """All spending of the day."""
    month: Standing
    """All spending of the month."""
    budgets: list[Standing]
    """Budgets as they stand, by name."""
    days: list[DaySpent]
    """All spending by day, of this month and the one before; days without any are left out."""
