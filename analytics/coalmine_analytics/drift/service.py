"""Drift of the versions in one store: updates the sums, then judges them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coalmine_analytics.drift.no_reference import no_reference
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.version import read_drift
from coalmine_analytics.results.drift import VersionDrift
from coalmine_consumers.drift import (
    Reallocation,
    VersionKey,
    Watched,
    days_of_requests,
    ignored_days,
    read_all_watched,
    reallocations,
    sum_up,
    touched_versions,
    version_series,
)
from coalmine_consumers.results import DayIgnored
from coalmine_consumers.store import Store

RESTS = 20.0
"""Sums are not updated again before this many times the duration of the last update, in the same hour."""
LEAST_REST_S = 300.0
"""Likewise, and not before this: only late events of hours that have ended could change a judgement."""
MOST_JUDGED = 1_000
"""Versions whose judgement is kept for who asks again within the hour."""
AT_ONCE = 16
"""Versions whose sums are updated together, before others have their turn."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a judgement of a version depends on, beside the plan."""

    watched: Watched
    """Says how far it is summed up."""
    hour: datetime
    """The current one does not count."""
    named: Sequence[DayIgnored]
    reallocations: Sequence[Reallocation]


class Drifts:
    """Drift of versions; thread-safe, sums are updated by one thread at a time."""

    def __init__(
        self,
        store: Store,
        plan: DriftPlan = DEFAULT_DRIFT_PLAN,
        *,
        clock: Clock = _now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self.plan = plan
        """How drift is judged."""
        self._clock = clock
        self._monotonic = monotonic
        self._summing = threading.Lock()
        self._rests: dict[VersionKey, tuple[datetime, float]] = {}
        self._judging = threading.Lock()
        self._judged: OrderedDict[VersionKey, tuple[_Basis, VersionDrift]] = OrderedDict()
        self._seen_through = 0

    def current(self, *keys: VersionKey) -> list[VersionDrift]:
        """Return the drift of versions now, or moments ago where updating their sums takes long.

        While sums are updated for somebody else, those that are kept are judged. Asked for together, versions
        are far cheaper than one by one.
        """
        now = self._clock()
        self._update(keys)
        special = self.plan.reference.special_days
        with self._store.reader().snapshot() as snapshot:
            watched = read_all_watched(snapshot, keys)
            named = ignored_days(snapshot, keys, special)
            changed = reallocations(snapshot, {key: each.first_hour for key, each in watched.items()})
            bases = {key: _Basis(each, _hour(now), named[key], changed[key]) for key, each in watched.items()}
            kept = {
                key: found for key, basis in bases.items() if (found := self._kept(key, basis)) is not None
            }
            stale = [watched[key] for key in bases if key not in kept]
            series = {each.watched.key: each for each in version_series(snapshot, stale)}
            young = {key: days_of_requests(snapshot, key) for key in keys if key not in watched}
        for key, each in series.items():
            basis = bases[key]
            kept[key] = read_drift(
                each, self.plan, taken_at=now, reallocations=basis.reallocations, named=basis.named
            )
            if each.watched.reference_until is not None:
                self._keep(key, basis, kept[key])
        return [
            replace(kept[key], taken_at=now)
            if key in kept
            else no_reference(key, self.plan, now, young[key], named[key])
            for key in keys
        ]

    def keep_up(self) -> list[VersionKey]:
        """Update the sums of every version that had new requests, before raw rows expire.

        Returns:
            The updated versions.
        """
        reader = self._store.reader()
        last = reader.table("SELECT coalesce(max(ingest_id), 0) AS last FROM batches")["last"][0]
        through = int(last.as_py())
        keys = touched_versions(reader, self._seen_through, through)
        for begin in range(0, len(keys), AT_ONCE):
            with self._summing:
                self._sum_up(keys[begin : begin + AT_ONCE])
        self._seen_through = through
        return keys

    def _update(self, keys: Sequence[VersionKey]) -> None:
        """Update the sums that are due, unless somebody else is at it; wait only for what has none yet."""
        due = [key for key in keys if self._is_due(key)]
        if not due:
            return
        if self._summing.acquire(blocking=False):
            try:
                self._sum_up(due)
            finally:
                self._summing.release()
            return
        kept = read_all_watched(self._store.reader(), due)
        if any(key not in kept and key not in self._rests for key in due):
            with self._summing:
                self._sum_up([key for key in due if self._is_due(key)])

    def _keep(self, key: VersionKey, basis: _Basis, found: VersionDrift) -> None:
        with self._judging:
            self._judged[key] = (basis, found)
            self._judged.move_to_end(key)
            if len(self._judged) > MOST_JUDGED:
                self._judged.popitem(last=False)

    def _kept(self, key: VersionKey, basis: _Basis) -> VersionDrift | None:
        """What was judged of the same sums within the same hour."""
        before, found = self._judged.get(key, (None, None))
        return found if before == basis else None

    def _is_due(self, key: VersionKey) -> bool:
        hour, until_s = self._rests.get(key, (None, 0.0))
        return hour != _hour(self._clock()) or self._monotonic() >= until_s

    def _sum_up(self, keys: Sequence[VersionKey]) -> None:
        if not keys:
            return
        began, now = self._monotonic(), self._clock()
        sum_up(self._store, keys, self.plan.reference, now)
        ended = self._monotonic()
        rest_s = max(LEAST_REST_S, RESTS * (ended - began) / len(keys))
        self._rests |= dict.fromkeys(keys, (_hour(now), ended + rest_s))


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
