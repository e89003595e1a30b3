"""The engine: asks every rule, moves every alert on, and writes what came of it in one transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.rule import Rule
from coalmine_registry.storage.database import Database

Facts = TypeVar("Facts")

Channels = Callable[[Alert], Sequence[str]]
"""Returns the names of the channels that an alert is told in."""


class Engine(Generic[Facts]):
    """Evaluates rules. One thread calls it; others may read and give commands at the same time."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[Rule[Facts]],
        read_facts: Callable[[datetime], Facts],
        channels: Channels,
    ) -> None:
        """Prepares to evaluate.

        Args:
            database: Of alerts.
            rules: What to evaluate; names differ.
            read_facts: Reads what rules need, as of a moment.
            channels: Where an alert is told.
        """
        self._database, self._rules = database, tuple(rules)
        self._read_facts, self._channels = read_facts, channels

    def tick(self, now: datetime) -> list[Transition]:
        """Evaluates all rules once.

        Returns:
            What changed, in order.

        Raises:
            Transient: The database of alerts cannot be used now; nothing was changed.
        """
        raise NotImplementedError
