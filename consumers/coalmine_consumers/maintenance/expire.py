"""Retention of raw rows: whole segments of days that are old enough are retired.

The ledger keeps counting their rows, as expired, so an audit still balances; and what their requests
had added to experiment cells is kept, so a rebuild still arrives at the same numbers. For the latter,
feedback and scores stay at least as long as the requests they are about.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

import duckdb
import pyarrow as pa

from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.maintenance.horizon import keep_raw_from
from coalmine_consumers.maintenance.plan import first_kept_day
from coalmine_consumers.maintenance.policy import RetentionPolicy
from coalmine_consumers.maintenance.rebuild import EXPIRED
from coalmine_consumers.maintenance.recount import Batches, Counted, Relations, recount_cells
from coalmine_consumers.maintenance.scratch import SCRATCH, Scratch, scratch
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import fetch_table, lent, statement
from coalmine_consumers.store import (
    ID_COLUMN,
    Segment,
    Store,
    live_segments,
    missing_files,
    refresh_view,
    retire_segments,
    segment_scan,
    with_outcomes,
)
from coalmine_consumers.store.ledger import last_ingest_id
from coalmine_consumers.store.unit_outcomes import unit_outcomes

_WAITING: Mapping[IngestedEvent, tuple[str, ...]] = {
    "requests": (),
    "feedback": ("pending_feedback",),
    "scores": ("pending_scores", "late_outcomes"),
}
"""Tables that know events whose raw rows are kept."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What retention removed."""

    segments: tuple[Segment, ...]
    held_back: tuple[Segment, ...]
    """Old enough, but about requests that are not."""

    @property
    def rows(self) -> int:
        """Raw rows that are gone."""
        return sum(segment.rows for segment in self.segments)


def expire(store: Store, policy: RetentionPolicy, now: datetime) -> Expired:
    """Retires segments of days before the first to keep. Their files are deleted later, as after a merge.

    Raises:
        MaintenanceConflict: A request arrived whose early feedback was about to expire; nothing changed.
    """
    first = first_kept_day(now, policy.raw_days)
    if first is None:
        return Expired((), ())
    with turn(store):
        expiry = _Expiry(store, first)
        if expiry.segments:
            with scratch(store) as fresh:
                expiry.carry_out(fresh, now)
        return Expired(tuple(expiry.segments), tuple(expiry.held_back))


class _Expiry:
    """One run of retention: what is old enough, and what that had added to the cells."""

    def __init__(self, store: Store, first: date) -> None:
        self._store = store
        self._first = first
        with store.cursor() as cursor:
            cursor.begin()  # the last batch and the segments must be of one state
            self._last = last_ingest_id(cursor)
            self._live = live_segments(cursor)
            lost = missing_files(store.directory, self._live)  # stay, so that audits keep reporting them
            old = [segment for segment in self._live if segment.day < first and segment not in lost]
            self.held_back = [segment for segment in old if self._is_needed(cursor, segment, [*old, *lost])]
            self.segments = [segment for segment in old if segment not in self.held_back]
            cursor.rollback()

    def carry_out(self, fresh: Scratch, now: datetime) -> None:
        """Takes the segments out of the data.

        Raises:
            MaintenanceConflict: See `expire`.
        """
        for counted in self._count_expiring():
            fresh.append(counted.tables)
        fresh.fold()
        with self._store.transaction() as connection:
            for counted in self._count_meanwhile():
                fresh.append(counted.tables)
            for event in {segment.event for segment in self.segments}:
                self._book(connection, event, now)
                keep_raw_from(connection, event, self._first)
            for table, target in EXPIRED.items():
                add = f"INSERT INTO {target} BY NAME SELECT * FROM {SCRATCH}.{table}"  # noqa: S608
                connection.execute(add).fetchall()
            chosen = [segment.segment_id for segment in self.segments]
            retire_segments(connection, chosen, "retention", now)
            for event in INGESTED_EVENTS:
                refresh_view(connection, self._store.directory, event)

    def _is_needed(
        self, cursor: duckdb.DuckDBPyConnection, segment: Segment, expiring: Sequence[Segment]
    ) -> bool:
        """True if a segment is about requests that stay."""
        if segment.event == "requests":
            return False
        reactions = self._scan(cursor, segment.event, [segment])
        if segment.event == "scores":  # outcomes are about the requests they are attributed to
            ids = f"SELECT score_id FROM {reactions}"  # noqa: S608 - our own
            reactions = f"(SELECT * FROM {with_outcomes(reactions)} WHERE score_id IN ({ids}))"  # noqa: S608
        (bounds,) = cursor.execute(f"SELECT min(request_id), max(request_id) FROM {reactions}").fetchall()  # noqa: S608
        kept = [
            each
            for each in self._live
            if each.event == "requests"
            and each not in expiring
            and each.min_id <= bounds[1]
            and each.max_id >= bounds[0]
        ]
        query = statement("reactions_to_kept_requests", __package__).format(
            reactions=reactions, requests=self._scan(cursor, "requests", kept, "TRUE")
        )
        ((found,),) = cursor.execute(query, {"min_id": bounds[0], "max_id": bounds[1]}).fetchall()
        return int(found) > 0

    def _count_expiring(self) -> Iterator[Counted]:
        """What expiring requests added to the cells, so far."""
        if requests := self._of("requests"):
            with self._store.cursor() as cursor:
                relations = Relations(requests=self._scan(cursor, "requests", requests))
                yield from recount_cells(cursor, relations, Batches(through=self._last))

    def _count_meanwhile(self) -> Iterator[Counted]:
        """What commits added to the cells of expiring requests since. Commits wait while this runs."""
        with self._store.cursor() as cursor:
            old = {segment.segment_id for segment in self._live}
            new = [segment for segment in live_segments(cursor) if segment.segment_id not in old]
            since = {
                event: self._scan(
                    cursor,
                    event,
                    [segment for segment in new if segment.event == event],
                    f"ingest_id > {self._last:d}",
                )
                for event in INGESTED_EVENTS
            }
            for event in ("feedback", "scores"):
                self._refuse_needed(cursor, event, since["requests"])
            since["scores"] = with_outcomes(since["scores"])
            if requests := self._of("requests"):
                expiring = self._scan(cursor, "requests", requests)
                # What was said before, too: a new word may take back an old one.
                again = f"SELECT request_id FROM {since['feedback']}"  # noqa: S608
                said = f"(SELECT * FROM feedback WHERE request_id IN ({again}))"  # noqa: S608
                relations = Relations(expiring, said, since["scores"])
                yield from recount_cells(cursor, relations, Batches(after=self._last))

    def _refuse_needed(
        self, cursor: duckdb.DuckDBPyConnection, event: IngestedEvent, new_requests: str
    ) -> None:
        if not (expiring := self._of(event)):
            return
        reactions = self._scan(cursor, event, expiring)
        query = f"SELECT count(*) FROM {reactions} SEMI JOIN {new_requests} AS new USING (request_id)"  # noqa: S608
        if cursor.execute(query).fetchall() != [(0,)]:
            raise MaintenanceConflict(f"a request arrived for {event} that were about to expire")

    def _book(self, connection: duckdb.DuckDBPyConnection, event: IngestedEvent, now: datetime) -> None:
        expiring = self._scan(connection, event, self._of(event))
        name = ID_COLUMN[event]
        nothing = f"(SELECT NULL::UUID AS {name} WHERE FALSE)"
        pending = nothing if event == "requests" else f"pending_{event}"
        waiting = pending
        if event == "scores":
            unattributed = "SELECT score_id FROM late_outcomes WHERE request_id IS NULL"
            waiting = f"(SELECT score_id FROM {pending} UNION ALL {unattributed})"  # noqa: S608
        book = statement("book_expired_rows", __package__).format(expiring=expiring, pending=waiting, id=name)
        connection.execute(book, {"event": event}).fetchall()
        if event == "scores":
            _keep_unit_outcomes(connection, f"SELECT score_id FROM {expiring}", now)  # noqa: S608 - our own
        for table in _WAITING[event]:
            forget = f"DELETE FROM {table} WHERE {name} IN (SELECT {name} FROM {expiring})"  # noqa: S608
            connection.execute(forget).fetchall()

    def _of(self, event: IngestedEvent) -> list[Segment]:
        return [segment for segment in self.segments if segment.event == event]

    def _scan(
        self,
        connection: duckdb.DuckDBPyConnection,
        event: IngestedEvent,
        segments: Sequence[Segment],
        hot_where: str = "FALSE",
    ) -> str:
        """A relation of the rows of some segments and of those hot rows for which `hot_where` holds."""
        relation = f"SELECT * FROM {event}_hot WHERE {hot_where}"  # noqa: S608 - closed set
        if segments:
            paths = [str(self._store.directory / segment.path) for segment in segments]
            relation += f" UNION ALL BY NAME SELECT * FROM {segment_scan(connection, event, paths)}"  # noqa: S608
        return f"({relation})"


def _keep_unit_outcomes(connection: duckdb.DuckDBPyConnection, score_ids: str, now: datetime) -> None:
    """Puts what expiring outcomes add to units into cells, where it stays."""
    outcomes = f"(FROM late_outcomes WHERE score_id IN ({score_ids}))"
    found = unit_outcomes(partial(fetch_table, connection), experiment=None, at=now, outcomes=outcomes)
    if found is None:
        return
    kept = found.rename_columns({"epoch": "allocation_epoch", "arm": "variant"})
    kept = kept.append_column("sum_x", pa.repeat(pa.scalar(0.0), kept.num_rows))
    with lent(connection, kept=kept):
        for table in ("experiment_cells", "expired_cells"):
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM kept").fetchall()  # noqa: S608
