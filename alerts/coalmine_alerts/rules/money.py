"""Rules about money: budgets with their forecast, and hours that cost far more than usual."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from coalmine_alerts.facts import DaySpend, Facts, HourSpend, Source
from coalmine_alerts.forecast import Forecast, forecast
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause, Severity
from coalmine_alerts.results.spending import Period
from coalmine_alerts.results.story import Story, StoryLink, StoryTable
from coalmine_alerts.rules.base import DefaultRule
from coalmine_alerts.rules.words import details, percent, runbook, title, usd, view
from coalmine_alerts.timing import Timing

_DAY: Final = timedelta(days=1)
_LEAST_USUAL: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent in each period, on what the filters leave."""

    name: str
    usd: float
    period: Period = "month"
    environment: str | None = None
    prompt: str | None = None
    app: str | None = None
    hard_cap: bool = False
    """True: passing it wakes somebody."""
    owner: str | None = None

    def bounds(self, day: date) -> tuple[date, date]:
        """Returns the first day of the period around a day, and the day after its last."""
        match self.period:
            case "day":
                return day, day + _DAY
            case "week":
                first = day - day.weekday() * _DAY
                return first, first + 7 * _DAY
            case _:
                first = day.replace(day=1)
                return first, (first + 31 * _DAY).replace(day=1)

    def spent(self, days: Iterable[DaySpend]) -> dict[date, float]:
        """Returns what was spent on each day that is known, in US dollars."""
        found: dict[date, float] = {}
        for each in days:
            if each.usd is not None and self._counts(each):
                day = each.day.date()
                found[day] = found.get(day, 0.0) + each.usd
        return found

    def unpriced_between(self, days: Iterable[DaySpend], begin: date, end: date) -> int:
        """Returns how many calls have no known cost, from a day on until before another."""
        return sum(each.unpriced for each in days if self._counts(each) and begin <= each.day.date() < end)

    def _counts(self, each: DaySpend) -> bool:
        return (
            self.environment in (None, each.environment)
            and self.prompt in (None, each.prompt)
            and self.app in (None, each.app)
        )

    def spent_between(self, facts: Facts, begin: date, end: date) -> float:
        """Returns what was spent from a day on until before another."""
        return sum(usd for day, usd in self.spent(facts.days).items() if begin <= day < end)

    def forecast(self, facts: Facts) -> Forecast | None:
        """Returns what will have been spent at the end of the present period; None if too little is known."""
        return self.forecast_of(self.spent(facts.days), facts.now)

    def forecast_of(self, by_day: Mapping[date, float], now: datetime) -> Forecast | None:
        """Returns the same from what was spent on each day."""
        begin, end = self.bounds(now.date())
        return forecast(by_day, now=now, begin=begin, end=end, budget_usd=self.usd)

    def words(self) -> str:
        """What it is about."""
        filters = [each for each in (self.prompt, self.app, self.environment) if each is not None]
        return f"{self.name} ({', '.join(filters)})" if filters else self.name


@dataclass(frozen=True, slots=True)
class BudgetSpent(DefaultRule):
    """A part of a budget is spent: one alert for each period, which grows more urgent."""

    name: ClassVar[str] = "budget"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(0), info="at_once")
    summary: ClassVar[str] = "half, most, or all of a budget is spent"

    budgets: tuple[Budget, ...] = ()
    info_share: float = 0.5
    warning_share: float = 0.8

    @property
    def needs(self) -> frozenset[Source]:  # type: ignore[override]
        """Nothing has to be read for no budget."""
        return frozenset(("budgets",)) if self.budgets else frozenset()

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each budget and period; the period before is over."""
        if "budgets" not in facts.read:
            return
        for budget in self.budgets:
            begin, end = budget.bounds(facts.now.date())
            yield self._finding(facts, budget, begin, end, budget.spent_between(facts, begin, end))
            before, _ = budget.bounds(begin - _DAY)
            last = budget.spent_between(facts, before, begin)
            yield self._finding(facts, budget, before, begin, last, ended=True)

    def _finding(
        self, facts: Facts, budget: Budget, begin: date, end: date, spent: float, *, ended: bool = False
    ) -> Finding:
        share = spent / budget.usd
        severity: Severity = "info"
        if share >= 1.0:
            severity = "page" if budget.hard_cap else "warning"
        elif share >= self.warning_share:
            severity = "warning"
        ahead = None if ended else budget.forecast(facts)
        elapsed = (facts.now.date() - begin).days + 1
        story = Story(
            title=title(f"{percent(share)} of the budget is spent", budget.words(), f"{begin:%Y-%m-%d}"),
            summary=f"{usd(spent)} of {usd(budget.usd)} are spent on {budget.words()} in the {budget.period} "
            f"from {begin}, on day {elapsed} of {(end - begin).days}.",
            details=details(Forecast=_forecast_words(ahead, budget), Owner=budget.owner),
            could=("see what it is spent on",),
            sure="Counted: calls without a known price are not in it",
            links=(_link(facts, budget), runbook(self.name)),
            icon="💸",
        )
        return Finding(
            rule=self.name,
            labels=_labels(budget, begin),
            condition=share >= self.info_share and not ended,
            severity=severity,
            cause=Cause(kind="budget", id=budget.name),
            story=story,
            value=share,
            is_worse_than=lambda accepted: self._stage(share) > self._stage(accepted),
            ended=ended,
        )

    def _stage(self, share: float) -> int:
        return sum(share >= each for each in (self.info_share, self.warning_share, 1.0))


@dataclass(frozen=True, slots=True)
class BudgetForecast(DefaultRule):
    """A budget will not last."""

    name: ClassVar[str] = "budget_forecast"
    timing: ClassVar[Timing] = Timing(for_=timedelta(minutes=30), latch=True)
    summary: ClassVar[str] = "if things go on, more than a budget will be spent"

    budgets: tuple[Budget, ...] = ()

    @property
    def needs(self) -> frozenset[Source]:  # type: ignore[override]
        """Nothing has to be read for no budget."""
        return frozenset(("budgets",)) if self.budgets else frozenset()

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each budget and period, as long as it is not passed."""
        if "budgets" not in facts.read:
            return
        for budget in self.budgets:
            begin, end = budget.bounds(facts.now.date())
            before, _ = budget.bounds(begin - _DAY)
            yield self._finding(facts, budget, before, None, ended=True)
            if (end - begin).days > 1:
                passed = (
                    sum(each for day, each in budget.spent(facts.days).items() if begin <= day) >= budget.usd
                )
                yield self._finding(facts, budget, begin, budget.forecast(facts), ended=passed)

    def _finding(
        self, facts: Facts, budget: Budget, begin: date, ahead: Forecast | None, *, ended: bool
    ) -> Finding:
        passes = "" if ahead is None or ahead.passes_on is None else f" on {ahead.passes_on:%Y-%m-%d}"
        story = Story(
            title=title("The budget will not last", budget.words(), f"{begin:%Y-%m-%d}"),
            summary=f"{budget.words()} will pass its budget of {usd(budget.usd)}{passes}: "
            f"{_forecast_words(ahead, budget) or 'no forecast'}.",
            details=details(Owner=budget.owner),
            could=("see what it is spent on", "raise the budget"),
            sure="By weekday, at the level of the last week; it does not know what changes tomorrow",
            links=(_link(facts, budget), runbook(self.name)),
            icon="💸",
        )
        return Finding(
            rule=self.name,
            labels=_labels(budget, begin),
            condition=None if ahead is None and not ended else ahead is not None and ahead.lower > budget.usd,
            severity="warning",
            cause=Cause(kind="budget", id=budget.name),
            story=story,
            value=None if ahead is None else ahead.usd / budget.usd,
            recovered=ahead is not None and ahead.usd <= budget.usd,
            ended=ended,
        )


@dataclass(frozen=True, slots=True)
class CostJump(DefaultRule):
    """An hour cost far more than that hour of the days before."""

    name: ClassVar[str] = "cost_jump"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(hours=1), metric=True)
    needs: ClassVar = frozenset(("spend",))
    summary: ClassVar[str] = "an hour cost far more than the same hour of the days before"

    times_usual: float = 3.0
    least_usd: float = 10.0
    """Less in an hour is not told, however unusual."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each application."""
        for hour in facts.hours:
            if len(hour.usual_usd) >= _LEAST_USUAL:
                yield self._finding(facts, hour)

    def _finding(self, facts: Facts, hour: HourSpend) -> Finding:
        usual = sum(hour.usual_usd) / len(hour.usual_usd)
        spent = hour.usd or 0.0
        times = f"{spent / usual:,.1f} times as much as" if usual > 0 else "more than"
        rows = tuple(
            (prompt, usd(amount), percent(amount / spent)) for prompt, amount in hour.prompts if spent
        )
        story = Story(
            title=title(f"{usd(spent)} in an hour", hour.app, hour.environment),
            summary=f"{hour.app} ({hour.environment}) spent {usd(spent)} from {hour.hour:%H:%M} to "
            f"{hour.hour + timedelta(hours=1):%H:%M} UTC, {times} usual for this hour ({usd(usual)}).",
            table=StoryTable(("Prompt", "Spent", "Share"), rows) if rows else None,
            could=("look for a loop, a new user, or longer texts",),
            sure=f"Against the same hour of {len(hour.usual_usd)} days, "
            f"{usd(min(hour.usual_usd))} to {usd(max(hour.usual_usd))}",
            links=(
                view("costs", environment=hour.environment, since=hour.hour, now=facts.now),
                runbook(self.name),
            ),
            icon="💸",
        )
        return Finding(
            rule=self.name,
            labels={"environment": hour.environment, "app": hour.app},
            condition=None
            if hour.usd is None
            else spent > self.times_usual * usual and spent > self.least_usd,
            severity="warning",
            cause=Cause(kind="app", id=hour.app),
            story=story,
            since=hour.hour,
            value=hour.usd,
            is_worse_than=lambda accepted: spent > self.times_usual * accepted,
        )


def _labels(budget: Budget, begin: date) -> dict[str, str]:
    labels = {"budget": budget.name, "period": f"{begin:%Y-%m-%d}"}
    filters = {"environment": budget.environment, "prompt": budget.prompt, "app": budget.app}
    return labels | {name: value for name, value in filters.items() if value is not None}


def _forecast_words(ahead: Forecast | None, budget: Budget) -> str | None:
    if ahead is None:
        return None
    return (
        f"forecast {usd(ahead.usd)} ({percent(ahead.usd / budget.usd)}), 80 % interval {usd(ahead.lower)} to "
        f"{usd(ahead.upper)}"
    )


def _link(facts: Facts, budget: Budget) -> StoryLink:
    begin, _ = budget.bounds(facts.now.date())
    since = facts.now.replace(hour=0, minute=0) - (facts.now.date() - begin)
    return view("costs", prompt=budget.prompt, environment=budget.environment, since=since, now=facts.now)


MONEY_RULES: Final = (BudgetSpent(), BudgetForecast(), CostJump())
