"""Where spending stands: of the day, of the month, and of each budget."""

from datetime import timedelta

import pytest

from coalmine_alerts.facts import DaySpend
from coalmine_alerts.rules.money import Budget
from coalmine_alerts.spending import spending_of
from tests.support.data.alert_facts import NOW

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def spent(days_ago: int, usd: float, prompt: str = "refund") -> DaySpend:
    return DaySpend(day=MIDNIGHT - days_ago * DAY, environment="prod", prompt=prompt, app="support", usd=usd)


DAYS = [spent(days, 30.0) for days in range(1, 30)] + [spent(0, 10.0), spent(1, 5.0, "greet")]


def test_the_day_and_the_month_have_a_forecast() -> None:
    found = spending_of(DAYS, [], NOW)
    assert (found.today.spent_usd, found.today.budget_usd, found.today.name) == (10.0, None, None)
    days_of_month = NOW.day - 1
    assert found.month.spent_usd == pytest.approx(days_of_month * 30.0 + 15.0)
    for each in (found.today, found.month):
        assert each.forecast_usd is not None
        assert each.forecast_lower_usd is not None
        assert each.forecast_upper_usd is not None
        assert each.spent_usd <= each.forecast_lower_usd <= each.forecast_usd <= each.forecast_upper_usd
        assert each.passes_on is None
    assert [each.usd for each in found.days[-2:]] == [35.0, 10.0]
    assert spending_of(DAYS, [], NOW, prompt="greet").month.spent_usd == 5.0


def test_budgets_say_when_they_are_passed() -> None:
    budgets = [
        Budget(name="tight", usd=100.0, prompt="refund", hard_cap=True, owner="ada"),
        Budget(name="ample", usd=10_000.0),
        Budget(name="soon", usd=700.0, period="month"),
    ]
    found = spending_of(DAYS, budgets, NOW)
    ample, soon, tight = found.budgets
    assert [each.name for each in found.budgets] == ["ample", "soon", "tight"]
    assert (tight.spent_usd, tight.hard_cap, tight.owner) == ((NOW.day - 1) * 30.0 + 10.0, True, "ada")
    assert tight.passes_on == (NOW.replace(day=1) + 3 * DAY).date()
    assert ample.passes_on is None
    assert soon.passes_on is not None
    assert soon.passes_on > NOW.date()


def test_calls_without_a_known_cost_are_counted_and_no_day_of_spending() -> None:
    rest = {"environment": "prod", "prompt": "own", "app": "support"}
    unknown = [DaySpend(day=MIDNIGHT - days * DAY, usd=None, unpriced=7, **rest) for days in (0, 1)]
    found = spending_of(
        unknown, [Budget(name="all", usd=1.0), Budget(name="other", usd=1.0, prompt="x")], NOW
    )
    assert (found.today.spent_usd, found.today.unpriced_requests, found.days) == (0.0, 7, [])
    assert (found.month.unpriced_requests, found.month.forecast_usd) == (14, None)
    assert [each.unpriced_requests for each in found.budgets] == [14, 0]


def test_without_days_nothing_is_forecast() -> None:
    found = spending_of([], [Budget(name="all", usd=1.0, period="week")], NOW)
    assert (found.month.spent_usd, found.month.forecast_usd, found.days) == (0.0, None, [])
    assert (found.budgets[0].passes_on, found.budgets[0].until - found.budgets[0].since) == (None, 7 * DAY)
