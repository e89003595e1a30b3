"""What a rule would have told: the same rules, states and grouping over the past, with the clock of then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from coalmine_alerts.configuration.read import rule_with
from coalmine_alerts.configuration.records import Configuration, ConfiguredRule
from coalmine_alerts.delivery.channels import SentMessage, Telling
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.results.alerts import Transition
from coalmine_alerts.results.replay import Replay, ReplayedFiring
from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.open import open_database
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import InvalidParameter, nearest

MOST_STEPS: Final = 1_000
"""Evaluations of a replay, at most: a longer time is looked at less often."""
LONGEST: Final = timedelta(days=90)
_SHORTEST_STEP: Final = timedelta(minutes=5)
_MOST_VARIANTS: Final = 5
_LIVE_ONLY: Final = frozenset(
    ("ingest_stale", "disk_full", "controller_silent", "facts_unavailable", "rollout_held")
)


@dataclass(slots=True)
class _Counter:
    """A channel that counts messages. Implements `Channel`."""

    name: str = "replay"
    edits: bool = True
    one_by_one: bool = False
    at_once: bool = False
    messages: int = 0

    def send(self, telling: Telling) -> SentMessage | None:
        """Counts one; a message that changes is none more."""
        self.messages += telling.message is None
        return SentMessage(external_id=None, text="", body={})


@dataclass(slots=True)
class _Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class _Variant:
    """One set of thresholds, evaluated beside the others."""

    settings: Mapping[str, str]
    rule: ConfiguredRule
    database: Database
    clock: _Clock
    facts: list[Facts] = field(default_factory=list)
    counter: _Counter = field(default_factory=_Counter)
    open: dict[str, int] = field(default_factory=dict)
    """Places in `firings` of alerts that fire, by fingerprint."""
    firings: list[ReplayedFiring] = field(default_factory=list)
    steps_firing: int = 0

    def run(self, engine: Engine[Facts], sender: Sender, now: datetime) -> None:
        """Evaluates once, and sends what is due."""
        self.clock.now = now
        labels: Mapping[str, Mapping[str, str]] = {}
        for transition in engine.tick(now):
            if not labels:
                labels = self._labels()
            self._note(transition, labels)
        sender.send_due()
        self.steps_firing += bool(self.open)

    def _labels(self) -> dict[str, Mapping[str, str]]:
        found: dict[str, Mapping[str, str]] = {}
        cursor = None
        while True:
            page = list_alerts(self.database, limit=500, cursor=cursor)
            found |= {each.fingerprint: each.labels for each in page.items}
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _note(self, transition: Transition, labels: Mapping[str, Mapping[str, str]]) -> None:
        key = transition.fingerprint
        if transition.kind == "notice" or (
            transition.to_state == "firing" and transition.from_state != "firing"
        ):
            made = ReplayedFiring(
                labels=labels.get(key, {}),
                severity=transition.severity,
                summary=transition.summary,
                value=transition.value,
                fired_at=transition.at,
                resolved_at=None,
            )
            self.firings.append(made)
            if transition.kind != "notice":
                self.open[key] = len(self.firings) - 1
        elif transition.from_state == "firing" and transition.to_state != "firing":
            place = self.open.pop(key, None)
            if place is not None:
                self.firings[place] = replace(self.firings[place], resolved_at=transition.at)


def replay(
    sources: Sources,
    configuration: Configuration,
    rule: str,
    *,
    since: datetime,
    until: datetime,
    variants: Sequence[Mapping[str, str]] = ({},),
) -> list[Replay]:
    """Evaluates a rule over the past.

    Facts are read as they were, as far as they are kept: raw events, sums by the hour, decisions and the
    audit log. What only a running process knows is not, and other rules hold nothing back.

    Args:
        sources: What to read from; detectors and looks of the present are left aside.
        configuration: As it is now.
        rule: Name of the rule.
        since: Begin.
        until: End, not later than now.
        variants: Thresholds to compare, as texts by name; `{}`: as configured.

    Raises:
        InvalidParameter: There is no such rule or threshold, or the time is empty or too long.
    """
    known = {each.name: each for each in configuration.rules}
    if rule not in known:
        near = nearest(rule, known)
        raise InvalidParameter(
            f"no rule {rule!r}: " + (f"did you mean {near}?" if near else f"rules are {', '.join(known)}")
        )
    if not timedelta(0) < until - since <= LONGEST:
        raise InvalidParameter(f"{since} to {until}: give a time of at most {LONGEST.days} days")
    if not 1 <= len(variants) <= _MOST_VARIANTS:
        raise InvalidParameter(f"{len(variants)} variants: compare 1 to {_MOST_VARIANTS} at once")
    rules = [rule_with(known[rule], each) for each in variants]
    step = max(_SHORTEST_STEP, (until - since) / MOST_STEPS)
    past = replace(sources, drifts=None, limits=configuration.limits)
    reader = FactReader(past, rules[0].needs, explains=False)
    with TemporaryDirectory(prefix="coalmine-replay-") as folder:
        running = [
            _start(Path(folder) / f"{place}.db", settings, each, since)
            for place, (settings, each) in enumerate(zip(variants, rules, strict=True))
        ]
        try:
            steps, now = 0, since
            while now <= until:
                facts = reader(now)
                for variant, engine, sender in running:
                    variant.facts[:] = [facts]
                    variant.run(engine, sender, now)
                steps, now = steps + 1, now + step
            for variant, _, sender in running:
                variant.clock.now = until + timedelta(days=1)  # what still waits would have gone out
                sender.send_due()
        finally:
            for variant, _, sender in running:
                sender.close()
                variant.database.close()
    return [
        Replay(
            rule=rule,
            settings=dict(variant.settings),
            since=since,
            until=until,
            step_s=step.total_seconds(),
            evaluations=steps,
            firings=tuple(variant.firings),
            messages=variant.counter.messages,
            share_firing=variant.steps_firing / steps,
            notes=tuple(_notes(rule, step)),
        )
        for variant, _, _ in running
    ]


def _start(
    path: Path, settings: Mapping[str, str], rule: ConfiguredRule, since: datetime
) -> tuple[_Variant, Engine[Facts], Sender]:
    clock = _Clock(since)
    variant = _Variant(settings, rule, open_database(path), clock)
    engine: Engine[Facts] = Engine(
        variant.database, [rule], lambda _: variant.facts[0], lambda _: [variant.counter.name]
    )
    sender = Sender(variant.database, {variant.counter.name: variant.counter}, clock=clock)
    return variant, engine, sender


def _notes(rule: str, step: timedelta) -> list[str]:
    found = ["other rules hold nothing back here"]
    if rule in _LIVE_ONLY:
        found.append(f"{rule} is also about what is known of the present only")
    if step > _SHORTEST_STEP:
        found.append(f"looked at every {step.total_seconds() / 60:.0f} min: what was shorter may be missing")
    return found
