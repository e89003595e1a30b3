"""Gauges of alerts, their deliveries and budgets: whoever watches us hears when alerts do not get out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coalmine_alerts.facts import DaySpend, Facts
from coalmine_alerts.reading.kept import Kept
from coalmine_alerts.reading.sums import read_days
from coalmine_alerts.rules.money import Budget
from coalmine_alerts.storage.counts import Kind, alert_counts, queues
from coalmine_server.workers.ingest import IngestService

MOST_FIRING: Final = 500
"""Alerts that are shown with their prompts."""
_SPENT_ANEW: Final = timedelta(minutes=1)
"""What was spent is read again after so long, however often metrics are asked for."""


class AlertMetrics(Collector):
    """Alerts by state, those that fire by prompt, what waits to be told, and budgets."""

    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest
        self._days = Kept[list[DaySpend]](_SPENT_ANEW, _SPENT_ANEW)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are only known when asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        if (age_s := self._ingest.alerts_tick_age_s()) is not None:
            yield GaugeMetricFamily(
                "coalmine_alerts_tick_age_seconds",
                "Seconds since alerts were last evaluated: alert when it passes a minute.",
                value=age_s,
            )
        owned = self._ingest.owned
        if owned is None:
            return
        database = owned.alerts.database
        yield from _of_alerts(database.read(alert_counts))
        waiting = GaugeMetricFamily(
            "coalmine_alert_deliveries",
            "Deliveries that wait, or that the channel refused for good (parked).",
            labels=["channel", "state"],
        )
        oldest = GaugeMetricFamily(
            "coalmine_alert_deliveries_oldest_seconds",
            "Age of the oldest delivery that waits.",
            labels=["channel"],
        )
        now = owned.clock()
        for queue in database.read(queues):
            waiting.add_metric([queue.channel, queue.state], queue.deliveries)
            if queue.state == "waiting":
                oldest.add_metric([queue.channel], max(0.0, (now - queue.oldest).total_seconds()))
        yield from (waiting, oldest)
        if budgets := owned.alerts.configuration.budgets:
            days = self._days.get(now, None, lambda: read_days(owned.store.reader(), now))
            yield from _of_budgets(budgets, Facts(now=now, days=days))


def _of_alerts(counts: Counter[Kind]) -> Iterator[Metric]:
    alerts = GaugeMetricFamily(
        "coalmine_alerts", "Alerts by rule, severity and state.", labels=["rule", "severity", "state"]
    )
    total: Counter[tuple[str, str, str]] = Counter()
    for kind, number in counts.items():
        total[kind.rule, kind.severity, kind.state] += number
    for name, number in total.items():
        alerts.add_metric(name, number)
    firing = GaugeMetricFamily(
        "coalmine_alert_firing",
        "Alerts that fire; without a prompt if it is about none.",
        labels=["rule", "severity", "environment", "prompt"],
    )
    shown = [(kind, number) for kind, number in counts.items() if kind.state == "firing"][:MOST_FIRING]
    for kind, number in shown:
        firing.add_metric([kind.rule, kind.severity, kind.environment, kind.prompt], number)
    yield from (alerts, firing)


def _of_budgets(budgets: Sequence[Budget], facts: Facts) -> Iterator[Metric]:
    spent, limit, ahead = (
        GaugeMetricFamily(f"coalmine_budget_{name}_usd", words, labels=["budget", "period"])
        for name, words in (
            ("spent", "Spent so far in the present day, week or month (UTC)."),
            ("limit", "What may be spent in it."),
            ("forecast", "What will have been spent at its end; left out where too little is known."),
        )
    )
    for budget in budgets:
        labels = [budget.name, budget.period]
        limit.add_metric(labels, budget.usd)
        spent.add_metric(labels, budget.spent_between(facts, *budget.bounds(facts.now.date())))
        if (found := budget.forecast(facts)) is not None:
            ahead.add_metric(labels, found.usd)
    yield from (spent, limit, ahead)
