"""Updates the sums of watched versions while their raw rows are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import duckdb

from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE
from coalmine_consumers.drift.hourly_sums import Span, count_span
from coalmine_consumers.drift.ignored_days import ignored_days
from coalmine_consumers.drift.watched import (
    KEY,
    Thresholds,
    VersionKey,
    Watched,
    read_watched,
    with_reference,
    write_watched,
)
from coalmine_consumers.maintenance.horizon import raw_horizon
from coalmine_consumers.sql import fetch_rows, lent, statement
from coalmine_consumers.store import Store
from coalmine_consumers.store.ledger import last_ingest_id
from coalmine_consumers.store.reader import Snapshot
from coalmine_schemas.days import Days

DAY = timedelta(days=1)
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)
AT_ONCE = timedelta(days=7)
"""Days summed up at once."""
LEAST_FOR_THRESHOLD = 100
"""Thresholds need at least this many values."""
SETTLED = timedelta(hours=1)
"""An hour counts as complete this long after its end."""
_MATCHES = " AND ".join(f"{name} = ${name}" for name in KEY)


@dataclass(frozen=True, slots=True)
class ReferencePolicy:
    """How long a reference is."""

    days: int = 14
    """The version's first so many whole days with requests, and what was before the first of them."""
    min_days: int = 3
    """Likewise, after which a version is watched at all: its thresholds are taken from them."""
    min_requests: int = 1_000
    """The reference goes on until it has so many."""
    special_days: tuple[Days, ...] = ()
    """Days that do not count, UTC: neither here nor later."""


def sum_up(store: Store, key: VersionKey, policy: ReferencePolicy, now: datetime) -> Watched | None:
    """Updates one version; returns None while it is too young to be watched, or has no raw rows.

    Days before the end of a frozen reference, and days of which raw rows have expired, stay as they are. For
    one caller at a time.

    Args:
        store: Its raw rows are read outside any transaction; a short one keeps the sums.
        key: Which version.
        policy: Read when a reference is frozen, then never again.
        now: Hours after this do not count yet.
    """
    with store.cursor() as cursor:
        cursor.begin()
        try:
            return _Summing(store, cursor, key, policy, now).run()
        finally:
            cursor.rollback()


class _Summing:
    """One run for one version, over one state of the store."""

    def __init__(
        self,
        store: Store,
        cursor: duckdb.DuckDBPyConnection,
        key: VersionKey,
        policy: ReferencePolicy,
        now: datetime,
    ) -> None:
        self._store = store
        self._cursor = cursor
        self._key = key
        self._policy = policy
        self._complete_until = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
        self._through = last_ingest_id(cursor)
        self._horizon = raw_horizon(cursor)

    def run(self) -> Watched | None:
        """Sums up what is new, and freezes the reference if it is complete."""
        watched = read_watched(Snapshot(self._cursor), self._key) or self._begun()
        if watched is None:
            return None
        if watched.through_ingest_id < self._through:
            frozen = watched.reference_until or watched.first_hour
            since = max(_day_of(watched.first_hour), self._horizon)
            for first, last in _runs(self._touched(watched, since)):
                self._keep_days(watched, first, last, frozen)
        done = self._frozen(
            Watched(
                watched.key,
                watched.first_hour,
                max(self._through, watched.through_ingest_id),
                watched.thresholds,
                watched.reference_until,
            )
        )
        if done != watched:
            with self._store.transaction() as connection:
                write_watched(connection, done)
        return done

    def _begun(self) -> Watched | None:
        """A version that has become old enough to be watched."""
        (life,) = self._rows("version_life", {**self._key.parameters(), "days": self._policy.min_days})
        old_enough: datetime | None = life["old_enough"]
        if old_enough is None or min(life["last_event_time"], self._complete_until) < old_enough:
            return None
        (row,) = self._rows(
            "thresholds",
            {
                **self._key.parameters(),
                "since": life["first_hour"],
                "until": old_enough,
                "cap": CAP_QUANTILE,
                "tail": TAIL_QUANTILE,
                "least": LEAST_FOR_THRESHOLD,
            },
        )
        return Watched(self._key, life["first_hour"], 0, Thresholds(**row))

    def _touched(self, watched: Watched, since: datetime) -> list[datetime]:
        batches = {"after": watched.through_ingest_id, "through": self._through}
        if watched.through_ingest_id:
            (spans,) = self._rows("new_spans", batches)
        else:  # everything, and batches of early releases do not say which times they brought
            spans = {"since": since, "until": FOREVER, "least_id": UUID(int=0), "greatest_id": LAST_ID}
        parameters = {**self._key.parameters(), **batches, **spans, "kept_from": since}
        return [row["day"] for row in self._rows("touched_days", parameters)]

    def _keep_days(self, watched: Watched, first: datetime, last: datetime, frozen: datetime) -> None:
        """Sums up days again and replaces what was kept of them."""
        since = max(first, frozen)  # a frozen reference ends with a day, and a life begins with an hour
        if since >= last:
            return
        counted = count_span(self._cursor, Span(self._key, since, last, self._through), watched.thresholds)
        added = {"drift_hours": counted.hours, "drift_days": counted.days, "drift_models": counted.models}
        columns = {"drift_hours": "hour", "drift_days": "day", "drift_models": "hour"}
        bounds = {**self._key.parameters(), "until": last}
        with self._store.transaction() as connection:
            for name, rows in added.items():
                begin = _day_of(since) if name == "drift_days" else since
                connection.execute(
                    f"DELETE FROM {name} WHERE {_MATCHES} "  # noqa: S608 - a closed set of names
                    f"AND {columns[name]} >= $since AND {columns[name]} < $until",
                    {**bounds, "since": begin},
                ).fetchall()
                if rows.num_rows:
                    with lent(connection, added_rows=rows):
                        connection.execute(
                            f"INSERT INTO {name} BY NAME SELECT * FROM added_rows"  # noqa: S608
                        ).fetchall()

    def _frozen(self, watched: Watched) -> Watched:
        """With its reference, if that is complete now."""
        if watched.reference_until is not None:
            return watched
        reader = self._store.reader()
        named = ignored_days(reader, self._key, self._policy.special_days)
        parameters = {
            **self._key.parameters(),
            "ignored": [each.day for each in named if each.ignored],
            "first_hour": watched.first_hour,
            "days": self._policy.days,
            "complete": self._complete_until,
            "least": self._policy.min_requests,
        }
        # What this run has kept is in no older state.
        found = reader.table(statement("reference_end", __package__), parameters)
        end: datetime | None = found["until"][0].as_py()
        return watched if end is None else with_reference(watched, end)

    def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        query = statement(name, __package__)
        found: list[dict[str, Any]] = fetch_rows(self._cursor, query, parameters)
        return found


def _day_of(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time.min, tzinfo=moment.tzinfo)


def _runs(days: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Days that follow on each other, at most `AT_ONCE` together: first one, and the end of the last."""
    begin: datetime | None = None
    end: datetime | None = None
    for day in days:
        if begin is not None and end is not None and (day != end or end - begin >= AT_ONCE):
            yield begin, end
            begin = None
        begin = day if begin is None else begin
        end = day + DAY
    if begin is not None and end is not None:
        yield begin, end
