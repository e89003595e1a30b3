"""Updates the sums of watched versions while their raw rows are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Final

import duckdb
import pyarrow as pa

from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE
from coalmine_consumers.drift.hourly_sums import Span, SumsTable, count_spans
from coalmine_consumers.drift.ignored_days import ignored_days
from coalmine_consumers.drift.touched import touched_days
from coalmine_consumers.drift.watched import (
    KEY,
    Thresholds,
    VersionKey,
    Watched,
    key_of,
    read_all_watched,
    table_of,
    with_reference,
    write_watched,
)
from coalmine_consumers.maintenance.horizon import raw_horizon
from coalmine_consumers.sql import append_rows, fetch_rows, lent, statement
from coalmine_consumers.store import Store, Stretch, narrow, widen
from coalmine_consumers.store.ledger import last_ingest_id
from coalmine_consumers.store.reader import Snapshot
from coalmine_schemas.days import Days

DAY = timedelta(days=1)
AT_ONCE = timedelta(days=7)
"""Days summed up at once."""
LEAST_FOR_THRESHOLD = 100
"""Thresholds need at least this many values."""
SETTLED = timedelta(hours=1)
"""An hour counts as complete this long after its end."""
MOST_AT_HAND = 250_000
"""Requests that are put aside at most, to be summed up."""
_COLUMNS: Final[Mapping[SumsTable, str]] = {
    "drift_hours": "hour",
    "drift_days": "day",
    "drift_models": "hour",
}
"""Tables of sums, and what says when they are about."""


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


def sum_up(
    store: Store, keys: Sequence[VersionKey], policy: ReferencePolicy, now: datetime
) -> dict[VersionKey, Watched | None]:
    """Updates some versions; gives None for one that is too young to be watched, or has no raw rows.

    Days before the end of a frozen reference, and days of which raw rows have expired, stay as they are. For
    one caller at a time.

    Args:
        store: Its raw rows are read outside any transaction; short ones keep the sums.
        keys: Which versions: together they are far cheaper than one by one.
        policy: Read when a reference is frozen, then never again.
        now: Hours after this do not count yet.
    """
    with store.cursor() as cursor:
        cursor.begin()
        try:
            return _Summing(store, cursor, keys, policy, now).run()
        finally:
            cursor.rollback()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Whole days of one version that are summed up again; its life may begin, or its reference end, later."""

    watched: Watched
    first: datetime
    last: datetime


class _Summing:
    """One run for some versions, over one state of the store."""

    def __init__(
        self,
        store: Store,
        cursor: duckdb.DuckDBPyConnection,
        keys: Sequence[VersionKey],
        policy: ReferencePolicy,
        now: datetime,
    ) -> None:
        self._store = store
        self._cursor = cursor
        self._keys = keys
        self._policy = policy
        self._complete_until = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
        self._through = last_ingest_id(cursor)
        self._horizon = raw_horizon(cursor)

    def run(self) -> dict[VersionKey, Watched | None]:
        """Sums up what is new, and freezes the references that are complete."""
        known = read_all_watched(Snapshot(self._cursor), self._keys)
        begun = self._begun([key for key in self._keys if key not in known])
        watched = known | begun
        together: dict[tuple[datetime, datetime], list[_Stretch]] = {}
        for each in self._stretches(watched.values()):
            together.setdefault((each.first, each.last), []).append(each)
        for (first, last), stretches in together.items():
            keys = [each.watched.key for each in stretches]
            narrow(self._cursor, "requests", Stretch(since=first, until=last))
            if self._are_few(keys, first, last):
                with self._narrowed(keys, first, last):
                    self._keep(stretches)
            else:
                for stretch in stretches:
                    self._keep([stretch])
            widen(self._cursor, "requests")
        done = {
            key: self._frozen(replace(found, through_ingest_id=max(self._through, found.through_ingest_id)))
            for key, found in watched.items()
        }
        changed = [found for key, found in done.items() if found != known.get(key)]
        if changed:
            with self._store.transaction() as connection:
                write_watched(connection, changed)
        return {key: done.get(key) for key in self._keys}

    def _begun(self, keys: Sequence[VersionKey]) -> dict[VersionKey, Watched]:
        """Versions that have become old enough to be watched."""
        lives = self._rows_of("version_lives", keys, {"days": self._policy.min_days}) if keys else []
        found = {}
        for life in lives:
            old_enough: datetime | None = life["old_enough"]
            if old_enough is None or min(life["last_event_time"], self._complete_until) < old_enough:
                continue
            key = key_of(life)
            (row,) = self._rows(
                "thresholds",
                {
                    **key.parameters(),
                    "since": life["first_hour"],
                    "until": old_enough,
                    "cap": CAP_QUANTILE,
                    "tail": TAIL_QUANTILE,
                    "least": LEAST_FOR_THRESHOLD,
                },
            )
            found[key] = Watched(key, life["first_hour"], 0, Thresholds(**row))
        return found

    def _stretches(self, watched: Iterable[Watched]) -> Iterator[_Stretch]:
        """What is to be summed up again."""
        behind: dict[int, list[Watched]] = {}
        for each in watched:
            if each.through_ingest_id < self._through:
                behind.setdefault(each.through_ingest_id, []).append(each)
        for after, some in behind.items():
            days = touched_days(
                self._cursor,
                [each.key for each in some],
                after=after,
                through=self._through,
                kept_from=self._horizon,
            )
            for each in some:
                since = max(_day_of(each.first_hour), self._horizon)
                for first, last in _runs([day for day in days.get(each.key, ()) if day >= since]):
                    yield _Stretch(each, first, last)

    def _are_few(self, keys: Sequence[VersionKey], first: datetime, last: datetime) -> bool:
        """Whether the rows of some versions and days can be put aside."""
        (found,) = self._rows_of("requests_of_days", keys, {"since": first, "until": last})
        return int(found["requests"]) <= MOST_AT_HAND

    @contextmanager
    def _narrowed(self, keys: Sequence[VersionKey], first: datetime, last: datetime) -> Iterator[None]:
        """Lets `requests` be the rows of some versions and days.

        To find few rows among all files takes longer than to sum them up, which takes four queries.
        """
        with lent(self._cursor, keys=table_of(keys)):
            self._cursor.execute(
                statement("narrowed", __package__), {"since": first, "until": last, "through": self._through}
            ).fetchall()
        self._cursor.execute("CREATE OR REPLACE TEMP VIEW requests AS FROM temp.narrowed").fetchall()
        try:
            yield
        finally:
            self._cursor.execute("DROP TABLE temp.narrowed").fetchall()

    def _keep(self, stretches: Sequence[_Stretch]) -> None:
        """Sums up days again and replaces what was kept of them."""
        spans = [
            # A frozen reference ends with a day, and a life begins with an hour.
            Span(each.watched.key, since, each.last, each.watched.thresholds)
            for each in stretches
            if (since := max(each.first, each.watched.reference_until or each.watched.first_hour)) < each.last
        ]
        if not spans:
            return
        counted = count_spans(self._cursor, spans, self._through)
        with self._store.transaction() as connection:
            for name, column in _COLUMNS.items():
                gone = [
                    {
                        **each.key.parameters(),
                        "since": _day_of(each.since) if column == "day" else each.since,
                        "until": each.until,
                    }
                    for each in spans
                ]
                rows = [table for each in counted if (table := each.of(name)).num_rows]
                with lent(connection, gone=pa.Table.from_pylist(gone)):
                    connection.execute(
                        f"DELETE FROM {name} USING gone WHERE {_matches(name)} "  # noqa: S608 - a closed set
                        f"AND {name}.{column} >= gone.since AND {name}.{column} < gone.until"
                    ).fetchall()
                if rows:
                    append_rows(connection, name, pa.concat_tables(rows))

    def _frozen(self, watched: Watched) -> Watched:
        """With its reference, if that is complete now."""
        if watched.reference_until is not None:
            return watched
        reader = self._store.reader()
        named = ignored_days(reader, [watched.key], self._policy.special_days)[watched.key]
        parameters = {
            **watched.key.parameters(),
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

    def _rows_of(
        self, name: str, keys: Sequence[VersionKey], parameters: dict[str, Any]
    ) -> list[dict[str, Any]]:
        with lent(self._cursor, keys=table_of(keys)):
            return self._rows(name, parameters)

    def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        query = statement(name, __package__)
        found: list[dict[str, Any]] = fetch_rows(self._cursor, query, parameters)
        return found


def _matches(table: str) -> str:
    return " AND ".join(f"{table}.{name} = gone.{name}" for name in KEY)


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
