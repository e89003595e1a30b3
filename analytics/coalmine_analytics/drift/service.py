"""Drift of the versions in one store: updates the sums, then judges them."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from coalmine_analytics.drift.no_reference import no_reference
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.version import read_drift
from coalmine_analytics.results.drift import VersionDrift
from coalmine_consumers.drift import (
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
from coalmine_consumers.store import Store

RESTS = 20.0
"""Sums are not updated again before this many times the duration of the last update."""
AT_ONCE = 16
"""Versions whose sums are updated together, before others have their turn."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


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
        self._due: dict[VersionKey, float] = {}
        self._seen_through = 0

    def current(self, *keys: VersionKey) -> list[VersionDrift]:
        """Return the drift of versions now, or moments ago where updating their sums takes long.

        Asked for together, versions are far cheaper than one by one.
        """
        now = self._clock()
        with self._summing:
            due = [key for key in keys if self._is_due(key)]
            watched = self._sum_up(due) if due else {}
            others = [key for key in keys if key not in watched]
            if others:
                watched |= read_all_watched(self._store.reader(), others)
        special = self.plan.reference.special_days
        with self._store.reader().snapshot() as snapshot:
            series = version_series(snapshot, [each for each in watched.values() if each is not None])
            kept = {each.watched.key: each for each in series}
            named = {key: ignored_days(snapshot, key, special) for key in keys}
            changed = {
                key: reallocations(snapshot, key, each.watched.first_hour) for key, each in kept.items()
            }
            young = {key: days_of_requests(snapshot, key) for key in keys if key not in kept}
        return [
            read_drift(kept[key], self.plan, taken_at=now, reallocations=changed[key], named=named[key])
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

    def _is_due(self, key: VersionKey) -> bool:
        return self._monotonic() >= self._due.get(key, 0.0)

    def _sum_up(self, keys: Sequence[VersionKey]) -> dict[VersionKey, Watched | None]:
        began = self._monotonic()
        watched = sum_up(self._store, keys, self.plan.reference, self._clock())
        ended = self._monotonic()
        for key in keys:
            self._due[key] = ended + RESTS * (ended - began) / len(keys)
        return watched
