"""What the API says to the pages about costs and wins, made of the values that the server serves."""

from datetime import date, timedelta
from typing import Any

from coalmine_alerts.results.digest import Shipped, ShippedEffect
from coalmine_alerts.results.spending import DaySpent, Spending, Standing
from coalmine_alerts.results.wins import Wins
from coalmine_alerts.wins import gains_of
from coalmine_analytics.results.savings import Saving, Savings
from coalmine_consumers.results import CostDimension, CostPoint, CostRow, Costs
from tests.support.data.prompt_answers import NOW

HOUR = timedelta(hours=1)


def a_group(name: str | None, usd: float | None, **changes: Any) -> CostRow:
    """What 1,000 calls cost."""
    values: dict[str, Any] = {
        "prompt": None,
        "requests": 1_000,
        "errors": 3,
        "models": ["gpt-4o-mini"],
        "input_tokens_per_request": 1_200.0,
        "cached_input_tokens_per_request": 300.0,
        "output_tokens_per_request": 150.0,
        "priced_requests": 0 if usd is None else 1_000,
        "cost_nano_usd": None if usd is None else round(usd * 1e9),
        "cost_usd_per_request": None if usd is None else usd / 1_000,
        "cost_usd_per_request_sd": None if usd is None else usd / 2_000,
        **changes,
    }
    return CostRow(name=name, cost_usd=usd, **values)


def costs_of(*rows: CostRow, by: CostDimension = "prompt", **changes: Any) -> Costs:
    """An answer about these groups, with two hours of each."""
    known = [row.cost_usd for row in rows if row.cost_usd is not None]
    series = [
        CostPoint(
            bucket_start=NOW - hours * HOUR,
            name=row.name,
            prompt=row.prompt,
            others=False,
            requests=500,
            cost_usd=(row.cost_usd or 0.0) / 2,
        )
        for row in rows
        for hours in (2, 1)
    ]
    values: dict[str, Any] = {
        "segment": None,
        "segment_keys": [],
        "since": None,
        "groups": len(rows),
        "requests": sum(row.requests for row in rows),
        "priced_requests": sum(row.priced_requests for row in rows),
        "cost_usd": sum(known) if known else None,
        "step": "hour",
        "series": series,
        **changes,
    }
    return Costs(by=by, items=list(rows), **values)


def a_standing(name: str | None, spent: float, **changes: Any) -> Standing:
    """A month in which a budget lasts."""
    values: dict[str, Any] = {
        "period": "month",
        "since": date(2026, 11, 1),
        "until": date(2026, 12, 1),
        "environment": None,
        "prompt": None,
        "app": None,
        "budget_usd": None if name is None else 1_000.0,
        "hard_cap": False,
        "owner": None,
        "unpriced_requests": 0,
        "forecast_usd": spent * 1.1,
        "forecast_lower_usd": spent * 1.05,
        "forecast_upper_usd": spent * 1.15,
        "passes_on": None,
        **changes,
    }
    return Standing(name=name, spent_usd=spent, **values)


def a_spending(*budgets: Standing) -> Spending:
    """A month of spending, with these budgets."""
    today = a_standing(None, 12.5, period="day", since=NOW.date(), until=NOW.date() + timedelta(days=1))
    days = [DaySpent(NOW.date() - timedelta(days=days), 20.0 + days) for days in range(27, -1, -1)]
    return Spending(at=NOW, today=today, month=a_standing(None, 640.0), budgets=list(budgets), days=days)


def a_saving(to: str, saved: float, halfwidth: float | None = None, **changes: Any) -> Saving:
    """A change of `summarize` 1.0.0, which cost $3.50."""
    values: dict[str, Any] = {
        "prompt": "summarize",
        "version": "1.0.0",
        "change": "model" if halfwidth is None else "version",
        "basis": "price_list" if halfwidth is None else "measured",
        "requests": 1_000,
        "to_requests": None if halfwidth is None else 800,
        "cost_usd": 3.5,
        "cost_usd_per_request": 0.0035,
        "to_cost_usd_per_request": (3.5 - saved) / 1_000,
        "saved_lower_usd": None if halfwidth is None else saved - halfwidth,
        "saved_upper_usd": None if halfwidth is None else saved + halfwidth,
        **changes,
    }
    return Saving(to=to, saved_usd=saved, **values)


def savings_of(*items: Saving, unpriced: tuple[str, ...] = ()) -> Savings:
    """An answer with these changes."""
    return Savings(None, None, list(items), list(unpriced))


def an_effect(metric: str = "quality", **changes: Any) -> ShippedEffect:
    """Quality of 0.80 that grew to 0.84."""
    values: dict[str, Any] = {
        "unit": "",
        "role": "must_prove",
        "verdict": "better",
        "control_value": 0.80,
        "value": 0.84,
        "effect": 0.04,
        "lower": 0.02,
        "upper": 0.06,
        "units": 900,
        "control_units": 1_000,
        **changes,
    }
    return ShippedEffect(metric=metric, **values)


def a_shipped(version: str, days_ago: int, *effects: ShippedEffect, **changes: Any) -> Shipped:
    """A version of `summarize` that reached everybody."""
    values: dict[str, Any] = {
        "rollout": f"ro-{version}",
        "environment": "prod",
        "prompt": "summarize",
        "before": "1.0.0",
        "outcome": "better",
        "changes": (),
        "ended_at": NOW - timedelta(days=days_ago),
        "lead_time_s": 93_600.0,
        "exposed_share": None,
        "out_s": 32_400.0,
        **changes,
    }
    return Shipped(version=version, effects=effects, **values)


def wins_of(*shipped: Shipped, **changes: Any) -> Wins:
    """An answer about these rollouts."""
    done = [each for each in shipped if each.lead_time_s is not None]
    back = [each for each in shipped if each.outcome == "rolled back"]
    values: dict[str, Any] = {
        "complete": True,
        "reached_everybody": len(done),
        "rolled_back": len(back),
        "rolled_back_share": len(back) / len(shipped) if shipped else None,
        "rolled_back_lower": 0.06 if shipped else None,
        "rolled_back_upper": 0.79 if shipped else None,
        "median_lead_time_s": 93_600.0 if done else None,
        "median_rollback_s": 1_260.0 if back else None,
        **changes,
    }
    return Wins(
        since=NOW - timedelta(days=90), until=NOW, shipped=shipped, gains=tuple(gains_of(done)), **values
    )
