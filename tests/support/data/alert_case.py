"""Alerts with a world around them: rules that say what they are told to, a clock, channels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from coalmine_alerts.commands import Commands
from coalmine_alerts.engine import Engine
from coalmine_alerts.fingerprint import fingerprint
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, Cause, Transition
from coalmine_alerts.results.story import Story
from coalmine_alerts.rule import Answer
from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.open import open_database
from coalmine_alerts.storage.tables import deliveries, metadata
from coalmine_alerts.timing import Timing
from coalmine_registry.storage.database import Database

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Tables = dict[str, list[tuple[Any, ...]]]
"""Rows by table."""


def finding(condition: bool | None = True, **changes: Any) -> Finding:
    """A finding about summarize 1.1.0 in prod, with changes; labels are added to its own."""
    labels = {"environment": "prod", "prompt": "summarize", "version": "1.1.0", **changes.pop("labels", {})}
    values: dict[str, Any] = {
        "rule": "quality_drift",
        "severity": "warning",
        "cause": Cause("prompt", labels["prompt"]),
        "story": Story(title="Quality fell", summary="Quality of summarize fell."),
        **changes,
    }
    return Finding(labels=labels, condition=condition, **values)


def name_of(said: Finding) -> str:
    """The fingerprint of a finding."""
    return fingerprint(said.rule, said.labels)


@dataclass
class SaidRule:
    """A rule that says what it is told to."""

    name: str = "quality_drift"
    timing: Timing = field(default_factory=Timing)
    answers: Sequence[Answer] = ()
    error: Exception | None = None

    def __call__(self, facts: datetime) -> Iterable[Answer]:
        """Yields what it is to say, then raises what it is to raise."""
        yield from self.answers
        if self.error is not None:
            raise self.error


class AlertCase:
    """A database of alerts, an engine over rules, commands, and a clock that moves only when told."""

    def __init__(self, path: Path, *rules: SaidRule, channels: Mapping[str, Sequence[str]] | None = None):
        self.path, self.now = path / "alerts.db", START
        self.rules = rules or (SaidRule(),)
        self.channels = channels or {"info": ["slack"], "warning": ["slack"], "page": ["slack", "pager"]}
        self.open()

    def open(self) -> None:
        """Opens the database, as a process does when it starts."""
        self.database = open_database(self.path)
        self.engine = Engine(self.database, self.rules, lambda now: now, self.route)
        self.commands = Commands(self.database, self.route, lambda: self.now)

    def route(self, alert: Alert) -> Sequence[str]:
        """Channels by severity."""
        return self.channels[alert.severity]

    def tick(self, *answers: Answer, after: timedelta = timedelta(0)) -> list[Transition]:
        """Evaluates after a while; the first rule gives these answers."""
        self.now += after
        self.rules[0].answers = answers
        return self.engine.tick(self.now)

    def only(self) -> Alert:
        """The only alert there is."""
        (found,) = list_alerts(self.database).items
        return found

    def only_one(self, prompt: str) -> Alert:
        """The only alert about a prompt."""
        (found,) = list_alerts(self.database, prompt=prompt).items
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        """All rows of the outbox, in order."""
        query = select(deliveries).order_by(deliveries.c.id)
        return self.database.read(
            lambda connection: [dict(row._mapping) for row in connection.execute(query)]
        )


def tables_of(database: Database) -> Tables:
    """Everything that is stored."""
    return database.read(
        lambda connection: {
            table.name: sorted(map(tuple, connection.execute(text(f"SELECT * FROM {table.name}"))), key=repr)
            for table in metadata.sorted_tables
        }
    )


def told(transitions: Sequence[Transition]) -> list[tuple[str, str]]:
    """Kind and state of those that are told."""
    return [(each.kind, each.to_state) for each in transitions if each.told]
