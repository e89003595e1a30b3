"""Housekeeping: every maintenance task at its own interval, one small piece at a time, beside ingest.

A thread of its own calls `run`. Long work (reading, sorting, writing files) happens outside transactions,
so commits wait for milliseconds; and a task that failed, or was overtaken, is tried again later while the
others go on. A store without housekeeping is right but for late outcomes, which nobody attributes then, and
grows.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.expire_dead_letters import expire_dead_letters
from coalmine_consumers.maintenance.files import delete_retired_files
from coalmine_consumers.maintenance.ledger import fold_ledger
from coalmine_consumers.maintenance.merge import merge, plan
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.plan import LiveSegment
from coalmine_consumers.maintenance.policy import MaintenancePolicy
from coalmine_consumers.maintenance.rollup_retention import age
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.maintenance.steady_clock import SteadyClock
from coalmine_consumers.maintenance.turns import turn_if_free
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store

TaskName = Literal["seal", "outcomes", "compact", "merge", "expire", "age", "dead_letters", "ledger", "files"]

_BY_DATE: frozenset[TaskName] = frozenset({"expire", "age", "dead_letters"})
"""Tasks that delete what is old by the clock."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often each task looks for work, in seconds."""

    seal: float = 5.0
    outcomes: float = 15.0
    compact: float = 15.0
    merge: float = 60.0
    expire: float = 600.0
    age: float = 600.0
    dead_letters: float = 3600.0
    ledger: float = 600.0
    files: float = 60.0
    overtaken: float = 1.0
    """A task that was overtaken, or found another one running, tries again after this."""
    failed: float = 60.0
    """A task that failed tries again after this."""
    look: float = 1.0
    """How often `run` looks for a task that is due."""
    steady: float = 300.0
    """`run` deletes by date once the clock has not leapt for this long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one run of one task."""

    task: TaskName
    at: datetime
    took_s: float
    did: str | None
    """What it did, in a sentence; None if there was nothing to do."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    did: str | None
    more: bool = False
    """True if there is more to do now."""


@dataclass(frozen=True, slots=True)
class HousekeepingHealth:
    """Status of housekeeping."""

    last: dict[TaskName, Outcome] = field(default_factory=dict)
    """Of each task, the last run that did something or failed."""
    runs: int = 0
    overtaken: int = 0
    """Runs that conflicted with a commit or another task; they were tried again."""
    failures: int = 0


class Housekeeping:
    """Runs maintenance for one store. `tick` and `run` belong to one thread; `health` to any."""

    def __init__(
        self,
        store: Store,
        policy: MaintenancePolicy,
        rhythm: Rhythm | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        self._store = store
        self._policy = policy
        self._rhythm = rhythm or Rhythm()
        self._clock = clock or SteadyClock()
        self._tasks: dict[TaskName, Callable[[datetime], _Done]] = {
            "seal": self._seal,
            "outcomes": self._outcomes,
            "compact": self._compact,
            "merge": self._merge,
            "expire": self._expire,
            "age": self._age,
            "dead_letters": self._dead_letters,
            "ledger": self._ledger,
            "files": self._files,
        }
        self._rests: dict[TaskName, tuple[datetime, datetime]] = {}
        self._compaction = CompactionState()
        self._unmergeable: set[frozenset[UUID]] = set()
        self._health = HousekeepingHealth()

    def run(self, stop: threading.Event) -> None:
        """Runs due tasks until `stop` is set. A failing task is logged and tried again."""
        while not stop.wait(self._rhythm.look):
            for task in self._tasks:
                if stop.is_set():
                    return
                now, steady_s = self._clock.look()
                if task not in _BY_DATE or steady_s >= self._rhythm.steady:
                    self._run_if_due(task, now)

    def tick(self, now: datetime) -> list[Outcome]:
        """Runs every due task once; returns the outcomes of those that did something or failed."""
        outcomes = [self._run_if_due(task, now) for task in self._tasks]
        return [each for each in outcomes if each is not None and (each.did or each.error)]

    def health(self) -> HousekeepingHealth:
        """Returns its status."""
        return self._health

    def _run_if_due(self, task: TaskName, now: datetime) -> Outcome | None:
        since, until = self._rests.get(task, (now, now))
        if since <= now < until:  # before that, somebody has set the clock back
            return None
        started = time.monotonic()
        did = error = None
        overtaken = False
        pause_s: float = getattr(self._rhythm, task)
        try:
            with turn_if_free(self._store) as free:
                if free:
                    done = self._tasks[task](now)
                    did = done.did
                    pause_s = 0.0 if done.more else pause_s
                else:
                    overtaken, pause_s = True, self._rhythm.overtaken
        except MaintenanceConflict as conflict:
            overtaken, pause_s = True, self._rhythm.overtaken
            _log.info("housekeeping: %s was overtaken and tries again: %s", task, conflict)
        except Exception as failure:  # noqa: BLE001 - whatever it was, the other tasks go on
            error = f"{type(failure).__name__}: {failure}"
            pause_s = self._rhythm.failed
            _log.exception("housekeeping: %s failed and tries again in %.0f s", task, pause_s)
        outcome = Outcome(task, now, time.monotonic() - started, did, error)
        if did is not None:
            _log.info("housekeeping: %s (%.3f s)", did, outcome.took_s)
        self._rests[task] = (now, now + timedelta(seconds=pause_s))
        self._note(outcome, overtaken=overtaken)
        return outcome

    def _note(self, outcome: Outcome, *, overtaken: bool) -> None:
        old = self._health
        last = old.last
        if outcome.did is not None or outcome.error is not None:
            last = {**last, outcome.task: outcome}
        self._health = HousekeepingHealth(
            last,
            old.runs + 1,
            old.overtaken + overtaken,
            old.failures + (outcome.error is not None),
        )

    def _seal(self, now: datetime) -> _Done:
        done = [seal(self._store, event, self._policy.seal, now) for event in INGESTED_EVENTS]
        told = [
            f"{each.rows:,} {each.event} in {len(each.segments)} files" for each in done if each is not None
        ]
        return _Done(f"sealed {', '.join(told)}" if told else None)

    def _outcomes(self, now: datetime) -> _Done:
        done = settle_outcomes(self._store, now)
        what = f"attributed {done.moved:,} of {done.looked_up:,} late outcomes"
        return _Done(what if done.looked_up else None, more=done.is_rest)

    def _compact(self, _: datetime) -> _Done:
        done = compact(self._store, self._policy.compaction, self._compaction)
        told = [f"{each.rows_before:,} rows of {each.table} into {each.rows_after:,}" for each in done]
        return _Done(f"folded {', '.join(told)}" if told else None)

    def _merge(self, now: datetime) -> _Done:
        plans = plan(self._store, self._policy.merge, now)
        plans = [each for each in plans if _ids(each.segments) not in self._unmergeable]
        if not plans:
            return _Done(None)
        chosen = plans[0]
        try:
            done = merge(self._store, chosen, self._policy.merge, now)
        except MaintenanceConflict:
            raise
        except Exception:
            # Damage stays until someone repairs it; other days must not wait for that.
            self._unmergeable.add(_ids(chosen.segments))
            raise
        what = f"merged {len(done.sources)} segments of {chosen.event} of {chosen.day}: {chosen.rows:,} rows"
        return _Done(what, more=len(plans) > 1)

    def _expire(self, now: datetime) -> _Done:
        done = expire(self._store, self._policy.retention, now)
        what = f"expired {done.rows:,} raw rows in {len(done.segments)} segments"
        return _Done(what if done.segments else None)

    def _age(self, now: datetime) -> _Done:
        done = age(self._store, self._policy.ageing, self._policy.retention, now)
        what = f"aged {done.finer_rows:,} finer rollup rows and expired {done.expired_rows:,}"
        return _Done(what if done.finer_rows or done.expired_rows else None)

    def _dead_letters(self, now: datetime) -> _Done:
        removed = expire_dead_letters(self._store, self._policy.retention, now)
        return _Done(f"expired {removed:,} dead letters" if removed else None)

    def _ledger(self, now: datetime) -> _Done:
        fewer = fold_ledger(self._store, self._policy.ledger, now)
        return _Done(f"folded {fewer:,} rows of the ledger" if fewer else None)

    def _files(self, now: datetime) -> _Done:
        deleted = delete_retired_files(self._store, grace_s=self._policy.retention.file_grace_s, now=now)
        return _Done(f"deleted {len(deleted):,} retired files" if deleted else None)


def _ids(segments: Iterable[LiveSegment]) -> frozenset[UUID]:
    return frozenset(segment.segment_id for segment in segments)
