"""Budgets, their forecast, and hours that cost too much."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from coalmine_alerts.facts import DaySpend, HourSpend
from coalmine_alerts.forecast import forecast
from coalmine_alerts.rules.money import Budget, BudgetForecast, BudgetSpent, CostJump
from tests.support.data.alert_facts import NOW, facts, findings, one

DAY = timedelta(days=1)
MONTH = Budget(name="support", usd=1_000.0, prompt="refund")
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def spent(day: int, usd: float, *, prompt: str = "refund", environment: str = "prod") -> DaySpend:
    """So many days ago; the 20th is today."""
    began = MIDNIGHT - day * DAY
    return DaySpend(day=began, usd=usd, environment=environment, prompt=prompt, app="support")


@pytest.mark.parametrize(
    ("usd", "hard", "condition", "severity"),
    [
        (499.0, False, False, "info"),
        (500.0, False, True, "info"),
        (800.0, False, True, "warning"),
        (1_000.0, False, True, "warning"),
        (999.0, True, True, "warning"),
        (1_000.0, True, True, "page"),
    ],
)
def test_a_budget_is_told_as_it_is_spent(usd: float, hard: bool, condition: bool, severity: str) -> None:
    budget = Budget(name="support", usd=1_000.0, prompt="refund", hard_cap=hard)
    now, before = findings(BudgetSpent(budgets=(budget,))(facts(days=[spent(1, usd)])))
    assert (now.condition, now.severity, now.ended) == (condition, severity, False)
    assert now.labels == {"budget": "support", "period": "2026-03-01", "prompt": "refund"}
    assert (before.labels["period"], before.ended) == ("2026-02-01", True)


def test_what_others_spend_and_what_was_spent_before_does_not_count() -> None:
    days = [spent(1, 400.0), spent(1, 900.0, prompt="other"), spent(20, 900.0)]
    now, _ = findings(BudgetSpent(budgets=(MONTH,))(facts(days=days)))
    assert (now.value, now.condition) == (0.4, False)


@pytest.mark.parametrize(
    ("period", "begin"),
    [("day", date(2026, 3, 20)), ("week", date(2026, 3, 16)), ("month", date(2026, 3, 1))],
)
def test_periods_begin_with_the_calendar(period: str, begin: date) -> None:
    budget = Budget(name="all", usd=1.0, period=period)  # type: ignore[arg-type]
    assert budget.bounds(NOW.date())[0] == begin
    assert budget.bounds(begin - DAY)[1] == begin


def test_a_budget_that_will_not_last_is_told_with_its_interval() -> None:
    # 30 a day on 19 days, of 31: about 930.
    days = [spent(day, 30.0 + day % 3) for day in range(1, 20)]
    fits, over = (Budget(name=f"b{usd}", usd=usd) for usd in (1_000.0, 900.0))
    said = {
        each.labels["budget"]: each
        for each in findings(BudgetForecast(budgets=(fits, over))(facts(days=days)))
        if not each.ended
    }
    assert said["b1000.0"].condition is False
    assert said["b1000.0"].recovered is True
    assert said["b900.0"].condition is True
    assert "will pass its budget of $900.00 on 2026-03-" in said["b900.0"].story.summary
    assert "80 % interval" in said["b900.0"].story.summary


def test_nothing_is_forecast_from_less_than_a_week_and_of_a_budget_that_is_passed() -> None:
    young = findings(BudgetForecast(budgets=(MONTH,))(facts(days=[spent(day, 90.0) for day in range(1, 7)])))
    assert [each.condition for each in young if not each.ended] == [None]
    passed = findings(
        BudgetForecast(budgets=(MONTH,))(facts(days=[spent(day, 90.0) for day in range(1, 20)]))
    )
    assert all(each.ended for each in passed)


def test_a_forecast_knows_weekends() -> None:
    begin, end = date(2026, 3, 1), date(2026, 4, 1)
    by_day = {
        day: 10.0 if day.weekday() >= 5 else 100.0
        for day in (date(2026, 2, 1) + place * DAY for place in range(47))
    }
    now = NOW.replace(hour=0, minute=0)
    found = forecast(
        {day: usd for day, usd in by_day.items() if day < now.date()},
        now=now,
        begin=begin,
        end=end,
        budget_usd=1e9,
    )
    truth = sum(
        10.0 if (begin + place * DAY).weekday() >= 5 else 100.0 for place in range((end - begin).days)
    )
    assert found is not None
    assert found.usd == pytest.approx(truth, rel=0.05)
    assert found.lower <= found.usd <= found.upper
    assert found.passes_on is None


@pytest.mark.parametrize("whole_days", [14, 21, 45])
def test_four_of_five_periods_end_within_the_interval_of_their_forecast(whole_days: int) -> None:
    random = np.random.default_rng(whole_days)
    first = date(2026, 1, 5)
    hits = []
    for _ in range(600):
        begin = first + int(random.integers(7)) * DAY
        days = [begin + place * DAY for place in range(whole_days + 10)]
        usd = [random.lognormal(4.0 if day.weekday() < 5 else 3.5, 0.2) for day in days]
        today, end = days[whole_days], days[-1] + DAY
        now = datetime.combine(today, time(), UTC)
        known = dict(zip(days[:whole_days], usd, strict=False))
        found = forecast(known, now=now, begin=today, end=end, budget_usd=1e9)
        assert found is not None
        hits.append(found.lower <= sum(usd[whole_days:]) <= found.upper)
    assert 0.75 < np.mean(hits) < 0.85


def test_weekdays_on_which_nothing_is_spent_make_no_forecast_uncertain() -> None:
    days = [date(2026, 2, 2) + place * DAY for place in range(28)]
    known = {day: 100.0 for day in days if day.weekday() < 5}
    now = datetime(2026, 3, 2, tzinfo=UTC)
    found = forecast(known, now=now, begin=now.date(), end=date(2026, 3, 9), budget_usd=1e9)
    assert found is not None
    assert (found.lower, found.usd, found.upper) == pytest.approx((500.0, 500.0, 500.0))


def hour(usd: float | None, *usual: float) -> HourSpend:
    return HourSpend(
        environment="prod",
        app="support",
        hour=NOW.replace(minute=0) - timedelta(hours=1),
        usd=usd,
        usual_usd=usual,
        prompts=(("refund", usd or 0.0),),
    )


@pytest.mark.parametrize(
    ("usd", "usual", "condition"),
    [
        (10.01, (3.0, 3.0, 3.0), True),
        (10.0, (3.0, 3.0, 3.0), False),
        (30.0, (10.0, 10.0, 10.0), False),
        (30.01, (10.0, 10.0, 10.0), True),
        (None, (10.0, 10.0, 10.0), None),
    ],
)
def test_an_hour_that_costs_more_than_three_times_and_ten_dollars(
    usd: float | None, usual: tuple[float, ...], condition: bool | None
) -> None:
    assert one(CostJump()(facts(hours=[hour(usd, *usual)]))).condition is condition


def test_an_app_without_enough_days_has_nothing_usual() -> None:
    assert findings(CostJump()(facts(hours=[hour(1_000.0, 1.0, 1.0)]))) == []
