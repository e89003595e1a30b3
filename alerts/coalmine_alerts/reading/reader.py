"""Reads facts, source by source: what fails is noted, and leaves the others as they are."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from coalmine_alerts.facts import DEFAULT_LIMITS, Facts, Health, RolloutFacts, Source
from coalmine_alerts.reading.analysis import Analysis
from coalmine_alerts.reading.evals import FromEvals
from coalmine_alerts.reading.kept import Kept
from coalmine_alerts.reading.registry import FromRegistry, versions_of
from coalmine_alerts.reading.sums import read_days, read_hours, read_ratings
from coalmine_alerts.reading.traffic import (
    read_answered,
    read_apps,
    read_behind,
    read_ingest,
    read_limits,
    read_served,
)
from coalmine_alerts.results.delivery import ChannelHealth
from coalmine_analytics.drift import Drifts
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.readout import Readouts
from coalmine_analytics.readout.plan import DEFAULT_PLAN, Plan
from coalmine_consumers.experiments.listing import last_batch
from coalmine_consumers.queries.cover import floor
from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_registry.storage.database import Database
from coalmine_rollouts.decide import TAKEN_BACK
from coalmine_rollouts.records import AppBehind

SOURCES: Final[frozenset[Source]] = frozenset(get_args(Source))
GRACE: Final = timedelta(minutes=5)
"""What is taken back may be seen for so long."""

_log = logging.getLogger("coalmine.alerts")

_SOON: Final = timedelta(seconds=5)
_MINUTE: Final = timedelta(minutes=1)
_FIVE: Final = timedelta(minutes=5)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What facts are read from."""

    store: Store
    registry: Registry | None = None
    """None: nothing is known of rollouts, changes and evaluations."""
    evals: Callable[[], Database] | None = None
    """Opens the database of evaluations; None: nothing is known of runs and judges."""
    drifts: Drifts | None = None
    """None: drift is judged by the sums that are kept, as of the time that is asked for."""
    readouts: Readouts | None = None
    health: Callable[[], Health] = Health
    channels: Callable[[datetime], Sequence[ChannelHealth]] = lambda _: ()
    plan: Plan = DEFAULT_PLAN
    drift_plan: DriftPlan = DEFAULT_DRIFT_PLAN
    limits: Mapping[str, float] = field(default_factory=lambda: DEFAULT_LIMITS)
    """Absolute limits of versions that everybody gets."""


class FactReader:
    """Reads facts; for one thread. What it keeps can be thrown away at any time.

    Args:
        sources: What to read from.
        wanted: What to read; the others stay empty.
        explains: False: reads of the past, all at once, and does not find out why metrics changed.
    """

    def __init__(
        self, sources: Sources, wanted: Collection[Source] = SOURCES, *, explains: bool = True
    ) -> None:
        self._sources = sources
        self._explains = explains
        self._wanted = frozenset(wanted)
        self._reader = sources.store.reader()
        self._registry = None if sources.registry is None else FromRegistry(sources.registry)
        self._evals = None
        if sources.evals is not None and self._registry is not None:
            self._evals = FromEvals(sources.evals, self._registry.author)
        self._analysis = Analysis(
            sources.store,
            sources.drifts,
            sources.readouts,
            sources.plan,
            sources.drift_plan,
            hurries=explains,
        )
        self._kept: dict[str, Kept[Any]] = {
            "apps": Kept(_MINUTE, _MINUTE),
            "spend": Kept(_FIVE, _HOUR),
            "budgets": Kept(_FIVE, _FIVE),
            "evaluations": Kept(_FIVE, _FIVE),
            "runs": Kept(_SOON, _SOON),
            "judges": Kept(_FIVE, _FIVE),
            "experiments": Kept(_FIVE, _FIVE),
            "feedback": Kept(_SOON, _MINUTE),
        }
        self._behind: dict[str, Kept[list[AppBehind]]] = {}
        self._logged: dict[Source, str] = {}

    def __call__(self, now: datetime) -> Facts:
        """Returns the facts as of a moment; never later ones."""
        facts = Facts(now=now)
        failed: dict[Source, str] = {}
        try:
            batch = last_batch(self._reader)
        except Exception as failure:  # noqa: BLE001 - every source of the store will say so itself
            batch = -1
            _log.debug("the store could not be read: %s", failure)
        # In an order in which each has what it builds on.
        steps: dict[Source, Callable[[Facts], Facts]] = {
            "ingest": lambda known: replace(
                known, ingest=read_ingest(self._reader, now, self._sources.health())
            ),
            "traffic": lambda known: replace(
                known, served=self._get("served", now, batch, lambda: read_served(self._reader, now))
            ),
            "models": lambda known: replace(
                known, answered=self._get("answered", now, batch, lambda: read_answered(self._reader, now))
            ),
            "apps": lambda known: replace(
                known, apps=self._get("apps", now, batch, lambda: read_apps(self._reader, now))
            ),
            "limits": lambda known: replace(
                known,
                limits=self._get(
                    "limits", now, batch, lambda: read_limits(self._reader, now, self._sources.limits)
                ),
            ),
            "feedback": lambda known: replace(
                known, ratings=self._get("feedback", now, batch, lambda: read_ratings(self._reader, now))
            ),
            "spend": lambda known: replace(
                known,
                hours=self._get(
                    "spend", now, (batch, floor(now, "hour")), lambda: read_hours(self._reader, now)
                ),
            ),
            "budgets": lambda known: replace(
                known, days=self._get("budgets", now, batch, lambda: read_days(self._reader, now))
            ),
            "rollouts": lambda known: replace(known, rollouts=self._rollouts(now)),
            "changes": self._changes,
            "access": self._access,
            "channels": lambda known: replace(known, channels=self._sources.channels(now)),
            "evaluations": self._evaluations,
            "runs": self._runs,
            "judges": self._judges,
            "drift": self._drift,
            "comparisons": self._comparisons,
            "experiments": lambda known: replace(
                known,
                readouts=self._get("experiments", now, batch, lambda: self._analysis.experiments(now)),
            ),
        }
        read: set[Source] = set()
        for source, step in steps.items():
            if source not in self._wanted:
                continue
            try:
                facts = step(facts)
            except Exception as failure:  # noqa: BLE001 - the alert about it, and all others, still go out
                failed[source] = f"{type(failure).__name__}: {failure}"[:500]
                self._note(source, failed[source], failure)
            else:
                read.add(source)
                self._logged.pop(source, None)
        return replace(facts, read=frozenset(read), failed=failed)

    def _get(self, name: str, now: datetime, batch: object, read: Callable[[], Any]) -> Any:  # noqa: ANN401
        return self._kept.setdefault(name, Kept()).get(now, batch, read)

    def _note(self, source: Source, text: str, failure: Exception) -> None:
        if self._logged.get(source) != text:
            _log.warning("alerts: %s could not be read", source, exc_info=failure)
            self._logged[source] = text

    def _rollouts(self, now: datetime) -> list[RolloutFacts]:
        if self._registry is None:
            return []
        found = self._registry.rollouts(now)
        names = {each.rollout.id for each in found}
        self._behind = {name: kept for name, kept in self._behind.items() if name in names}
        return [self._with_behind(each, self._registry, now) for each in found]

    def _with_behind(self, each: RolloutFacts, registry: FromRegistry, now: datetime) -> RolloutFacts:
        """Looks for who serves what was taken back, unless it is served by somebody's will again."""
        rollout, key = each.rollout, versions_of(each.rollout)
        ended = rollout.ended_at
        if rollout.state not in TAKEN_BACK or ended is None or now < ended + GRACE:
            return each
        if registry.is_served(key, now):
            return each
        kept = self._behind.setdefault(rollout.id, Kept(_MINUTE, _MINUTE))
        since = max(now - GRACE, ended + GRACE)
        behind = kept.get(now, None, lambda: read_behind(self._reader, key, since, now))
        return replace(each, behind=tuple(behind), asked_behind=True)

    def _changes(self, known: Facts) -> Facts:
        if self._registry is None:
            return known
        return replace(known, changes=self._registry.changes(known.now, known.rollouts))

    def _access(self, known: Facts) -> Facts:
        if self._registry is None:
            return known
        return replace(known, access=self._registry.access(known.now))

    def _evaluations(self, known: Facts) -> Facts:
        registry = self._registry
        if registry is None:
            return known
        found = self._get(
            "evaluations",
            known.now,
            0,
            lambda: registry.evaluations(known.served, known.answered, known.now),
        )
        if self._evals is not None:
            found = self._evals.flagged(known.served, found)
        return replace(known, evaluations=found)

    def _runs(self, known: Facts) -> Facts:
        if (evals := self._evals) is None:
            return known
        found = self._get("runs", known.now, 0, lambda: evals.rejected(known.now))
        return replace(known, rejected=found)

    def _judges(self, known: Facts) -> Facts:
        if self._evals is None:
            return known
        return replace(known, judges=self._get("judges", known.now, 0, self._evals.judges))

    def _drift(self, known: Facts) -> Facts:
        drifts = self._analysis.drift(known.served, known.now)
        known = replace(known, courses=self._analysis.courses(drifts) if self._explains else {})
        explanations = self._analysis.explained(drifts, known.now) if self._explains else {}
        return replace(known, drifts=drifts, explanations=explanations)

    def _comparisons(self, known: Facts) -> Facts:
        proven = frozenset(
            versions_of(each.rollout) for each in known.rollouts if each.rollout.state == "completed"
        )
        return replace(known, pairs=self._analysis.pairs(known.served, proven, known.now))
