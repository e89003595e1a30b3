"""One batch, one transaction: everything a batch changes becomes visible together or not at all."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.bounds import Bound, bounds_for, read_bounds
from coalmine_consumers.aggregation.cell_rows import CellRows
from coalmine_consumers.aggregation.cells import (
    cells_name,
    feedback_cells,
    in_experiments,
    named_in_requests,
    named_in_scores,
    request_cells,
    score_cells,
)
from coalmine_consumers.aggregation.coded_names import coded_names
from coalmine_consumers.aggregation.groups import distinct
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.aggregation.references import References, read_references, references_for
from coalmine_consumers.aggregation.rollup import RollupRows, rollup_feedback, rollup_requests, rollup_scores
from coalmine_consumers.aggregation.segments import OTHER, read_segments, segments_for
from coalmine_consumers.arrays import microseconds
from coalmine_consumers.collector.decode import DecodedBatch, LedgerEvent, Ready
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import append_rows
from coalmine_consumers.store.attribution import Arrivals, attribute_feedback, attribute_scores
from coalmine_consumers.store.deployments import insert_deployments
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.ledger import (
    CommitResult,
    EventCounts,
    StoredSpan,
    record_dead_letters,
    record_gaps,
    record_ledger,
)
from coalmine_consumers.store.lookup import stored_positions
from coalmine_consumers.store.manifest import record_segment
from coalmine_consumers.store.names import within_limits
from coalmine_consumers.store.outcomes import (
    Settlement,
    keep_outcomes,
    reopen_outcomes,
    settle_outcomes,
    split_outcomes,
)
from coalmine_consumers.store.placement import insert_hot, split
from coalmine_consumers.store.positions import move_positions, read_positions, require_starts
from coalmine_consumers.store.rows import ids_of, stored_rows, with_model
from coalmine_consumers.store.segments import Segment, attach_segment, write_segment
from coalmine_consumers.store.settings import StoreSettings
from coalmine_consumers.store.views import refresh_view
from coalmine_schemas.limited_log import RateLimitedLogger

_limited = RateLimitedLogger(logging.getLogger(__name__))


@dataclass(frozen=True, slots=True, eq=False)
class _New:
    """Events of one kind that are not stored yet."""

    rows: pa.Table
    ids: Ids
    duplicates: int


@dataclass(frozen=True, slots=True)
class BatchWriter:
    """Writes batches into one store. The caller owns the transaction and takes turns."""

    connection: duckdb.DuckDBPyConnection
    directory: Path
    settings: StoreSettings
    executor: Executor
    """Writes Parquet while the transaction goes on; pyarrow lets other threads run meanwhile."""

    def write(self, batch: DecodedBatch, ingest_id: int, now: datetime) -> CommitResult:
        """Writes everything a batch changes into the open transaction.

        Raises:
            PositionConflict: The batch does not start at the stored positions. Nothing was written.
        """
        require_starts(read_positions(self.connection), batch.starts)
        ready = batch.ready
        if ready is not None and ready.ingest_id >= ingest_id:
            ingest_id, now = ready.ingest_id, ready.written_at
        else:
            ready = None
        decoded = dict(batch.tables)
        if (requests := decoded.get("requests")) is not None:
            decoded["requests"] = coded_names(requests)
        tables, beyond = within_limits(self.connection, decoded, self.settings, now)
        for kind, events in beyond.items():
            text = "%d events have a new %s, of which there are too many today; stored as %s"
            _limited.report(kind, text, events, kind, OTHER)
        new = {
            event: self._new(event, rows, ingest_id, now)
            for event in INGESTED_EVENTS
            if (rows := tables.get(event)) is not None and rows.num_rows
        }
        if beyond or any(each.duplicates for each in new.values()):
            ready = None
        counts = self._counts(batch, new, self._deployments(batch, ingest_id, now), now)
        with self._landing(new, now) if ready is None else self._attaching(new, ready):
            self._aggregate(new, ingest_id, now, None if ready is None else ready.rollups)
            record_dead_letters(self.connection, ingest_id, batch.dead_letters)
            record_gaps(self.connection, ingest_id, batch.gaps)
            record_ledger(self.connection, ingest_id, now, counts)
            move_positions(self.connection, batch.starts, batch.positions, batch.skipped, batch.retired)
        return CommitResult(
            ingest_id,
            stored=sum(each.stored for each in counts.values()),
            duplicates=sum(each.duplicates for each in counts.values()),
            dead_lettered=sum(each.dead_lettered for each in counts.values()),
            by_event=counts,
        )

    def _new(self, event: IngestedEvent, decoded: pa.Table, ingest_id: int, now: datetime) -> _New:
        rows = stored_rows(event, decoded, ingest_id, now)
        ids = ids_of(event, rows)
        kept = ids.first_of_each()
        known = stored_positions(self.connection, self.directory, event, ids)
        kept = np.setdiff1d(kept, known, assume_unique=True)
        if len(kept) == rows.num_rows:
            return _New(rows, ids, 0)
        return _New(rows.take(kept), ids.take(kept), rows.num_rows - len(kept))

    def _deployments(self, batch: DecodedBatch, ingest_id: int, now: datetime) -> int:
        """How many changes of deployments were new."""
        rows = batch.tables.get("deployments")
        if rows is None or not rows.num_rows:
            return 0
        return insert_deployments(self.connection, rows, ingest_id, now)

    @contextmanager
    def _landing(self, new: Mapping[IngestedEvent, _New], now: datetime) -> Iterator[None]:
        """Lands raw rows; segments are written while the block runs, and removed again if it fails.

        Once the block has ended they stay, even if committing fails then: it may have succeeded after all.
        """
        writing: list[tuple[IngestedEvent, Future[Segment]]] = []
        try:
            for event, each in new.items():
                large, small = split(
                    each.rows,
                    min_rows=self.settings.segment_min_rows,
                    min_day_rows=self.settings.segment_min_day_rows,
                )
                for day, rows in large:
                    future = self.executor.submit(
                        write_segment, self.directory, event, day, rows, created_at=now
                    )
                    writing.append((event, future))
                insert_hot(self.connection, event, small)
            yield
            for _, future in writing:
                record_segment(self.connection, future.result())
            for event in {event for event, _ in writing}:
                refresh_view(self.connection, self.directory, event)
        except BaseException:
            self._remove(future for _, future in writing)
            raise

    @contextmanager
    def _attaching(self, new: Mapping[IngestedEvent, _New], ready: Ready) -> Iterator[None]:
        """Takes raw rows' files over as they are, but for small ones, whose rows become hot ones."""
        attached: list[Segment] = []
        try:
            for event, each in new.items():
                first = 0
                for segment in ready.segments[event]:
                    if segment.rows >= self.settings.segment_min_day_rows:
                        attach_segment(self.directory, ready.folder, segment)
                        attached.append(segment)
                        record_segment(self.connection, segment)
                    else:
                        insert_hot(self.connection, event, each.rows.slice(first, segment.rows))
                    first += segment.rows
            yield
            for event in {segment.event for segment in attached}:
                refresh_view(self.connection, self.directory, event)
        except BaseException:
            for segment in attached:
                (self.directory / segment.path).unlink(missing_ok=True)
            raise

    def _remove(self, written: Iterator[Future[Segment]]) -> None:
        """Removes files that will never have a row; what cannot be removed now is at the next start."""
        futures = list(written)
        wait(futures)
        for future in futures:
            if future.exception() is None:
                (self.directory / future.result().path).unlink(missing_ok=True)

    def _aggregate(
        self,
        new: Mapping[IngestedEvent, _New],
        ingest_id: int,
        now: datetime,
        rollups: Sequence[RollupRows] | None,
    ) -> None:
        """Appends rollups and cells of what is new, and of what it brings together.

        Args:
            new: What is new.
            ingest_id: The batch.
            now: When it is committed.
            rollups: Those of the requests, if they were made already.
        """
        requests = new.get("requests")
        facts = with_model(requests.rows) if requests is not None else pa.table({})
        arrivals = Arrivals(requests.ids if requests is not None else Ids.none(), facts)
        if requests is not None:
            self._append(*([rollup_requests(facts)] if rollups is None else rollups))
            # After the rollups: what the batch brings from before an experiment is a part of its reference.
            references = references_for(self.connection, facts, ingest_id, now)
            inside = in_experiments(facts)
            named = named_in_requests(inside)
            bounds = self._bounds(inside, named, ingest_id, now)
            segments = segments_for(self.connection, inside)
            self._append(request_cells(inside, References(references, bounds, segments), named))
            reopen_outcomes(self.connection, requests.rows, ingest_id)
        words = attribute_feedback(
            self.connection, self.directory, _rows(new.get("feedback")), arrivals, ingest_id
        )
        self._append(rollup_feedback(words.all), feedback_cells(words.in_time, words.references))
        of_requests, outcomes = split_outcomes(_rows(new.get("scores")))
        keep_outcomes(self.connection, outcomes)
        scores = attribute_scores(self.connection, self.directory, of_requests, arrivals)
        batch = pa.repeat(pa.scalar(ingest_id, pa.int64()), scores.num_rows)
        scores = scores.append_column("attributed_in", batch)
        self._append(rollup_scores(scores), self._score_cells(in_experiments(scores), ingest_id, now))

    def settle(self, found: Settlement, now: datetime) -> int:
        """Writes where late outcomes belong, and what that changes, into the open transaction.

        Returns:
            How many outcomes belong to another call now, or to one at last.
        """
        scores = settle_outcomes(self.connection, found)
        self._append(rollup_scores(scores), self._score_cells(in_experiments(scores), found.through, now))
        return int(pc.sum(pc.invert(scores["takes_back"])).as_py() or 0)

    def _score_cells(self, scores: pa.Table, ingest_id: int, now: datetime) -> CellRows:
        if not scores.num_rows:
            return CellRows()
        names = distinct(scores["experiment"])
        references = read_references(self.connection, names)
        segments = read_segments(self.connection, names)
        added = scores.filter(pc.invert(scores["takes_back"]))
        bounds = self._bounds(added, named_in_scores(added), ingest_id, now)
        if added.num_rows < scores.num_rows:  # what is taken back may be of other experiments
            bounds = read_bounds(self.connection, names)
        return score_cells(scores, References(references, bounds, segments))

    def _bounds(self, inside: pa.Table, named: NamedValues, ingest_id: int, now: datetime) -> list[Bound]:
        declared = {cells_name(name): limits for name, limits in self.settings.ranges.items()}
        return bounds_for(
            self.connection, inside["experiment"], named, declared, ingest_id=ingest_id, now=now
        )

    def _append(self, *groups: RollupRows | CellRows) -> None:
        for group in groups:
            for field in fields(group):
                rows: pa.Table | None = getattr(group, field.name)
                if rows is not None and rows.num_rows:
                    append_rows(self.connection, field.name, rows.combine_chunks())

    def _counts(
        self, batch: DecodedBatch, new: Mapping[IngestedEvent, _New], new_deployments: int, now: datetime
    ) -> dict[LedgerEvent, EventCounts]:
        horizon = now + timedelta(seconds=self.settings.clock_tolerance_s)
        horizon_us = int(horizon.timestamp() * 1_000_000)
        counts: dict[LedgerEvent, EventCounts] = {}
        for event, consumed in batch.consumed.items():
            each = _by_name(new, event)
            if event == "deployments":
                counts[event] = _deployment_counts(batch, consumed, new_deployments)
                continue
            stored = each.rows.num_rows if each is not None else 0
            ahead, span = 0, None
            if each is not None and stored:
                times = microseconds(each.rows["event_time"])
                ahead = int(np.count_nonzero(times > horizon_us))
                span = StoredSpan.of(each.ids, times)
            dead = sum(letter.event == event for letter in batch.dead_letters)
            duplicates = batch.repeated.get(event, 0) + (each.duplicates if each is not None else 0)
            counts[event] = EventCounts(consumed, stored, duplicates, dead, ahead, span)
        return counts


def _deployment_counts(batch: DecodedBatch, consumed: int, stored: int) -> EventCounts:
    rows = batch.tables.get("deployments")
    dead = sum(letter.event == "deployments" for letter in batch.dead_letters)
    repeated = batch.repeated.get("deployments", 0) + (0 if rows is None else rows.num_rows) - stored
    return EventCounts(consumed, stored, repeated, dead)


def _by_name(new: Mapping[IngestedEvent, _New], event: LedgerEvent) -> _New | None:
    return next((each for name, each in new.items() if name == event), None)


def _rows(new: _New | None) -> pa.Table:
    return new.rows if new is not None else pa.table({})
