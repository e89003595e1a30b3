"""Prompts watched by the default rules, through the real store, facts and engine, on a simulated clock.

All prompts of a world share a store. What they send is written straight into it, as rows.
"""

import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from benchmarks.alerts_service import Change, Prompt
from coalmine_alerts.configuration.records import Configuration, default_configuration
from coalmine_alerts.delivery.channels import SentMessage, Telling
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts
from coalmine_alerts.grouping import is_digest
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.rules.money import Budget, BudgetForecast, BudgetSpent
from coalmine_alerts.storage.open import open_database
from coalmine_analytics.drift import Drifts
from coalmine_analytics.results.drift import VersionDrift
from coalmine_consumers.drift import VersionKey
from coalmine_consumers.maintenance import CompactionPolicy
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.store import Store
from tests.support.data.looked_at import SetClock
from tests.support.data.store_feed import Feed

BEGAN: Final = datetime(2026, 2, 2, tzinfo=UTC)
"""A Monday, long enough ago: the store takes nothing from the future."""
HISTORY_DAYS: Final = 15
"""Before a regression: the reference of drift, and a day."""
NOTHING: Final = Change()
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_INFORMS: Final = frozenset(("feedback_negative",))
"""Rules that are off here: what they tell is so by definition."""
_SETTLES: Final = timedelta(hours=6)
"""How long an incident is watched after it was told, for the messages that follow."""
_CALM_DRIFT: Final = timedelta(hours=6)
"""How often drift is looked at where nothing changes: what matters there is whether, not when."""
_WAITS: Final = (timedelta(0), timedelta(seconds=31), timedelta(seconds=121))
"""After an evaluation: what waits for the others of its group goes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One alert that fires, in a message."""

    at: datetime
    """Of the message."""
    message: int
    """Number of the message in its channel; one that was changed keeps its number."""
    rule: str
    severity: str
    labels: Mapping[str, str]
    firing: str
    """Of the alert, which firing it is: the same in all messages about it."""


@dataclass(slots=True)
class Counter:
    """A channel that keeps what it is told. Implements `Channel`."""

    name: str
    clock: Callable[[], datetime]
    edits: bool = True
    one_by_one: bool = False
    at_once: bool = False
    told: list[Told] = field(default_factory=list)
    sent: int = 0

    def send(self, telling: Telling) -> SentMessage | None:
        """Counts a message; one that changes is none more, and the daily digest is none about anything."""
        if telling.message is None:
            self.sent += 1
        number = self.sent if telling.message is None else int(telling.message.external_id or 0)
        if not is_digest(telling.notice.group):
            self.told += [
                Told(
                    at=self.clock(),
                    message=number,
                    rule=each.rule,
                    severity=each.severity,
                    labels=each.labels,
                    firing=f"{each.fingerprint}/{each.firing}/{each.last_notice}",
                )
                for each in telling.notice.alerts
                if each.state == "firing" or each.last_notice is not None
            ]
        return SentMessage(external_id=str(number), text="", body={})

    def close(self) -> None:
        """Nothing."""


class Looks(Drifts):
    """Drift as often as it is worth it: what was found stays found, so a later look misses nothing."""

    def __init__(self, store: Store, clock: SetClock, every: timedelta) -> None:
        super().__init__(store, clock=clock, monotonic=lambda: clock().timestamp())
        self.left: set[str] = set()
        """Prompts that are not looked at any more."""
        self._every, self._seen = every, dict[VersionKey, VersionDrift]()

    def current(self, *keys: VersionKey) -> list[VersionDrift]:
        """Looks again where the last look was so long ago."""
        now = self._clock()
        due = [key for key in keys if not self._is_recent(key, now)]
        self._seen |= dict(zip(due, super().current(*due), strict=True)) if due else {}
        return [self._seen[key] for key in keys]

    def _is_recent(self, key: VersionKey, now: datetime) -> bool:
        if (seen := self._seen.get(key)) is None:
            return False
        return (
            key.prompt in self.left or (now - BEGAN) // self._every == (seen.taken_at - BEGAN) // self._every
        )


class World:
    """A store, facts, rules and channels on one clock.

    Args:
        folder: Of the store; what `history` left there is gone on with.
        prompts: Who sends.
        now: When it begins.
        channel_of: Where an alert is told.
        budgets: None by default, as without configuration.
        drift_every: How often drift is looked at, at most.
    """

    def __init__(
        self,
        folder: Path,
        prompts: Sequence[Prompt],
        now: datetime,
        channel_of: Callable[[Alert], str],
        *,
        budgets: Sequence[Budget] = (),
        drift_every: timedelta = _HOUR,
    ) -> None:
        self.prompts = list(prompts)
        self.clock = SetClock(now)
        with ExitStack() as opened:
            self.store = opened.enter_context(closing(Store.open(folder / "store")))
            database = opened.enter_context(closing(open_database(folder / "alerts.db")))
            self._offset_path = folder / "offset"
            self._feed = Feed(offset=int(self._offset_path.read_text()) if self._offset_path.exists() else 0)
            self._policy, self._compacted = CompactionPolicy(), CompactionState()
            configuration = _configuration(budgets)
            self.drifts = Looks(self.store, self.clock, drift_every)
            sources = Sources(store=self.store, drifts=self.drifts, limits=configuration.limits)
            reader = FactReader(sources, configuration.needs, explains=False)
            names = [each.name for each in prompts] + ["others"]
            self.channels = {name: Counter(name, self.clock) for name in names}
            self._engine: Engine[Facts] = Engine(
                database, configuration.rules, reader, lambda alert: [channel_of(alert)]
            )
            self._sender = opened.enter_context(closing(Sender(database, self.channels, clock=self.clock)))
            self._opened = opened.pop_all()
        self._waits = False

    def commit(self, until: datetime, change_of: Callable[[Prompt], Change]) -> None:
        """Stores what is sent until then."""
        found = [each.rows(self.clock.now, until, change_of(each)) for each in self.prompts]
        tables = [each for each in found if each is not None]
        if tables:
            requests, feedback = (pa.concat_tables(each) for each in zip(*tables, strict=True))
            self.store.commit(self._feed.batch(requests, feedback))
            compact(self.store, self._policy, self._compacted)  # as the server's maintenance does
        self.clock.now = until

    def leave(self, name: str) -> None:
        """A prompt sends nothing any more."""
        self.prompts = [each for each in self.prompts if each.name != name]
        self.drifts.left.add(name)

    def evaluate(self) -> None:
        """Evaluates all rules, and sends what they say."""
        now = self.clock.now
        moved = bool(self._engine.tick(now))
        if moved or self._waits:
            for wait in _WAITS:
                self.clock.now = now + wait
                self._sender.send_due()
            self.clock.now = now
        self._waits = moved

    def told(self) -> list[Told]:
        """Everything that was told, in order."""
        return sorted((each for one in self.channels.values() for each in one.told), key=lambda each: each.at)

    def close(self) -> None:
        """Closes all."""
        self._offset_path.write_text(str(self._feed.offset))
        self._opened.close()


def _configuration(budgets: Sequence[Budget]) -> Configuration:
    found = default_configuration()
    rules = [each for each in found.rules if each.name not in _INFORMS]
    if budgets:
        given = {rule.name: rule for rule in (BudgetSpent(tuple(budgets)), BudgetForecast(tuple(budgets)))}
        rules = [replace(each, rule=given[each.name]) if each.name in given else each for each in rules]
    return replace(found, rules=tuple(rules))


def by_prompt(alert: Alert) -> str:
    """The channel of an alert: each prompt's own, as if it were alone; others together."""
    for name in ("prompt", "budget"):
        if name in alert.labels:
            return alert.labels[name]
    return alert.labels.get("app", "others").removeprefix("app-")


def together(_: Alert) -> str:
    """One channel for all."""
    return "others"


def history(folder: Path, names: Sequence[str], per_day: float, seed: int) -> None:
    """Stores the days before regressions, with their sums; no rule looks at them."""
    rngs = np.random.default_rng(seed).spawn(len(names))
    prompts = [Prompt(name, per_day, BEGAN, rng) for name, rng in zip(names, rngs, strict=True)]
    with closing(World(folder, prompts, BEGAN, together)) as world:
        for day in range(HISTORY_DAYS):
            world.commit(BEGAN + (day + 1) * _DAY, lambda _: NOTHING)
        world.drifts.keep_up()
    (folder / "prompts").write_bytes(pickle.dumps(prompts))


def calm(
    folder: Path, prompts: int, days: int, per_day: float, seed: int, *, say: Callable[[str], None]
) -> list[Told]:
    """Watches a service in which nothing gets worse; every other prompt has a new, equal version a week."""
    rngs = np.random.default_rng(seed).spawn(prompts)
    made = [
        Prompt(f"{'steady' if place % 2 == 0 else 'releasing'}-{place}", per_day, BEGAN, rng)
        for place, rng in enumerate(rngs)
    ]
    with closing(World(folder, made, BEGAN, by_prompt, drift_every=_CALM_DRIFT)) as world:
        for hour in range(days * 24):
            for place, each in enumerate(made):
                if each.name.startswith("releasing"):
                    # Another weekday for each, in the morning.
                    each.version = f"1.{max(hour - 10 - 24 * (place % 7), 0) // 168}.0"
            world.commit(world.clock.now + _HOUR, lambda _: NOTHING)
            world.evaluate()
            if hour % 24 == 23:
                say(f"calm: {hour // 24 + 1} of {days} days")
        return world.told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of regression, and what is to be told of it."""

    name: str
    change: Change
    rules: frozenset[str]
    """That it is told by, first of all."""
    also: frozenset[str] = frozenset()
    """That may be told, too, and are right."""
    days: float = 5.0
    """How long it is watched."""
    lasts: timedelta = timedelta(days=99)
    step: timedelta = _HOUR
    """Between evaluations."""
    shared: bool = False
    """One incident for all prompts of a store."""
    budget: bool = False
    """It is told when a budget is passed, not when anything changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What was told about one regression."""

    kind: str
    delay_s: float | None
    """From its beginning to the message; None: none came."""
    messages: int
    """About it, from its beginning on."""
    right: Mapping[str, int]
    """Firings that were right, by rule."""
    wrong: Mapping[str, int]
    """Those that were not."""


def regress(kind: Kind, base: Path, folder: Path) -> list[Incident]:
    """Goes on from a history with a regression of each of its prompts; they begin at different hours."""
    shutil.copytree(base, folder, dirs_exist_ok=True)
    prompts: list[Prompt] = pickle.loads((base / "prompts").read_bytes())
    begin = BEGAN + HISTORY_DAYS * _DAY
    starts = {
        each.name: begin + (9 if kind.shared else 1 + 5 * place % 23) * _HOUR + 20 * _MINUTE
        for place, each in enumerate(prompts)
    }
    budgets = [_budget(each, begin, starts[each.name]) for each in prompts] if kind.budget else []
    until = begin + kind.days * _DAY

    def change_of(prompt: Prompt) -> Change:
        after = world.clock.now - starts[prompt.name]
        return kind.change if timedelta(0) <= after < kind.lasts else NOTHING

    channel_of = together if kind.shared else by_prompt
    with closing(World(folder, prompts, begin, channel_of, budgets=budgets)) as world:
        while world.clock.now < until:
            now = world.clock.now
            borders = [at for one in starts.values() for at in (one, one + kind.lasts) if now < at]
            world.commit(min(now + kind.step, *borders, until), change_of)
            world.evaluate()
            found = [_first(kind, told, start) for told, start in _shares(kind, world.told(), starts)]
            settled = [at is not None and now >= at + _SETTLES for at in found]
            if all(settled):
                break  # the rest would only repeat itself
            if not kind.shared:
                for each, is_settled in zip(prompts, settled, strict=True):
                    if is_settled:
                        world.leave(each.name)
        told = world.told()
    if kind.budget:
        spent = {each.name: each.usd for each in budgets}
        starts = {each.name: _passed(each, spent[each.name], until) for each in prompts}
    return [_incident(kind, *share) for share in _shares(kind, told, starts)]


def _shares(
    kind: Kind, told: Sequence[Told], starts: Mapping[str, datetime]
) -> list[tuple[list[Told], datetime]]:
    """What was told about each incident, and when it began."""
    if kind.shared:
        return [([*told], min(starts.values()))]
    return [([each for each in told if _is_about(each, name)], at) for name, at in starts.items()]


def _first(kind: Kind, told: Sequence[Told], start: datetime) -> datetime | None:
    """When it was told."""
    return next(
        (
            each.at
            for each in told
            if each.at >= start and each.rule in kind.rules and (not kind.budget or each.severity == "page")
        ),
        None,
    )


def _is_about(told: Told, prompt: str) -> bool:
    labels = told.labels
    return prompt in (labels.get("prompt"), labels.get("budget"), labels.get("app", "").removeprefix("app-"))


def _budget(prompt: Prompt, begin: datetime, start: datetime) -> Budget:
    """What will be spent a day after a start."""
    spent = sum(usd for _, usd in prompt.spent_usd)
    days = (start - begin) / _DAY + 1.0
    per_day = sum(usd for _, usd in prompt.spent_usd[-7:]) / 7.0
    return Budget(name=prompt.name, usd=spent + days * per_day, prompt=prompt.name, hard_cap=True)


def _passed(prompt: Prompt, usd: float, until: datetime) -> datetime:
    """When so much was spent."""
    total = 0.0
    for at, spent in prompt.spent_usd:
        total += spent
        if total >= usd:
            return at
    return until


def _incident(kind: Kind, told: Sequence[Told], start: datetime) -> Incident:
    after = [each for each in told if each.at >= start]
    first = _first(kind, told, start)
    right: dict[str, set[str]] = {}
    wrong: dict[str, set[str]] = {}
    for each in told:
        true = each.rule in kind.rules | kind.also and (each.at >= start or kind.budget)
        (right if true else wrong).setdefault(each.rule, set()).add(each.firing)
    return Incident(
        kind=kind.name,
        delay_s=None if first is None else (first - start).total_seconds(),
        messages=len({each.message for each in after}),
        right={rule: len(found) for rule, found in right.items()},
        wrong={rule: len(found) for rule, found in wrong.items()},
    )
