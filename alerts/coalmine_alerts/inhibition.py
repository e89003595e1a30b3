"""What holds alerts back: a rollout of their version, ingest that is behind, a cause that is told already."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from coalmine_alerts.records import Inhibition
from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.timing import Timing


class Inhibitions:
    """What holds alerts back at one evaluation."""

    def __init__(self, yielded: Iterable[tuple[str, Inhibition]], timings: Mapping[str, Timing]) -> None:
        """Sorts them.

        Args:
            yielded: Each with the rule that yields it.
            timings: By rule.
        """
        metric = frozenset(rule for rule, timing in timings.items() if timing.metric)
        self._by_rule: dict[str, list[Inhibition]] = defaultdict(list)
        for origin, inhibition in yielded:
            for rule in (inhibition.rules or metric) - {origin}:
                self._by_rule[rule].append(inhibition)

    def of(self, alert: Alert) -> str | None:
        """Returns what holds an alert back; None: nothing."""
        for inhibition in self._by_rule.get(alert.rule, ()):
            if inhibition.labels.items() <= alert.labels.items():
                return inhibition.by
        return None
