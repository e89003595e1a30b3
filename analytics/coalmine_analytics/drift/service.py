"""Drift of the versions in one store: updates the sums, then judges them."""

import threading
import time
from collections.abc import Callable
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
    read_watched,
    reallocations,
    sum_up,
    touched_versions,
    version_series,
)
from coalmine_consumers.store import Store

RESTS = 20.0
"""Sums are not updated again before this many times the duration of the last update."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class Drifts:
    """Drift of versions; thread-safe, sums are updated one version at a time."""

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

    def current(self, key: VersionKey) -> VersionDrift:
        """Return the drift of a version now, or moments ago where updating its sums takes long."""
        now = self._clock()
        with self._summing:
            watched = self._sum_up(key) if self._is_due(key) else read_watched(self._store.reader(), key)
        if watched is None:
            reader = self._store.reader()
            named = ignored_days(reader, key, self.plan.reference.special_days)
            return no_reference(key, self.plan, now, days_of_requests(reader, key), named)
        with self._store.reader().snapshot() as snapshot:
            series = version_series(snapshot, watched)
            changed = reallocations(snapshot, key, watched.first_hour)
            named = ignored_days(snapshot, key, self.plan.reference.special_days)
        return read_drift(series, self.plan, taken_at=now, reallocations=changed, named=named)

    def keep_up(self) -> list[VersionKey]:
        """Update the sums of every version that had new requests, before raw rows expire.

        Returns:
            The updated versions.
        """
        reader = self._store.reader()
        last = reader.table("SELECT coalesce(max(ingest_id), 0) AS last FROM batches")["last"][0]
        through = int(last.as_py())
        keys = touched_versions(reader, self._seen_through, through)
        for key in keys:
            with self._summing:
                self._sum_up(key)
        self._seen_through = through
        return keys

    def _is_due(self, key: VersionKey) -> bool:
        return self._monotonic() >= self._due.get(key, 0.0)

    def _sum_up(self, key: VersionKey) -> Watched | None:
        began = self._monotonic()
        watched = sum_up(self._store, key, self.plan.reference, self._clock())
        ended = self._monotonic()
        self._due[key] = ended + RESTS * (ended - began)
        return watched
