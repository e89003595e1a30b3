"""Merge: small segments of one day become one, sorted by event time.

Files are read by a DuckDB instance of its own, whose memory is limited, one stretch of time after the
other, so neither the store's transactions nor its memory are touched until the manifest changes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import duckdb
import pyarrow as pa

from coalmine_consumers.errors import MaintenanceConflict, StoreDamaged
from coalmine_consumers.maintenance.files import discarded_on_error
from coalmine_consumers.maintenance.plan import LiveSegment, MergePlan, plan_merges
from coalmine_consumers.maintenance.policy import MergePolicy
from coalmine_consumers.maintenance.row_groups import READ_ROWS, write_stream
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.maintenance.windows import Window, windows_over
from coalmine_consumers.sql import fetch_batches
from coalmine_consumers.store import (
    Segment,
    Store,
    live_segments,
    missing_files,
    record_segment,
    refresh_view,
    retire_segments,
    segment_scan,
)
from coalmine_consumers.store.segments import SegmentWriter

_WINDOW = """
SELECT * FROM {scan}
WHERE event_time >= make_timestamptz($first_us) AND event_time < make_timestamptz($next_us)
ORDER BY event_time
"""


@dataclass(frozen=True, slots=True)
class Merged:
    """Segments that became one."""

    sources: tuple[Segment, ...]
    segment: Segment


def plan(store: Store, policy: MergePolicy, now: datetime) -> list[MergePlan]:
    """What should be merged now."""
    with store.cursor() as cursor:
        segments = live_segments(cursor)
    return plan_merges([_for_planning(segment) for segment in segments], policy, now)


def merge(store: Store, chosen: MergePlan, policy: MergePolicy, now: datetime) -> Merged:
    """Carries out one plan. The old files stay until `delete_retired_files` takes them.

    Raises:
        MaintenanceConflict: A segment of the plan is not live any more; nothing changed.
        StoreDamaged: A file is missing or does not hold the rows the manifest says; nothing changed, so
            that `audit` still finds it.
    """
    with turn(store):
        return _merge(store, chosen, policy, now)


def _merge(store: Store, chosen: MergePlan, policy: MergePolicy, now: datetime) -> Merged:
    wanted = {segment.segment_id for segment in chosen.segments}
    with store.cursor() as cursor:
        sources = [segment for segment in live_segments(cursor, chosen.event) if segment.segment_id in wanted]
        _check_complete(sources, wanted)
        if missing := missing_files(store.directory, sources):
            raise StoreDamaged(f"segment file is missing: {', '.join(segment.path for segment in missing)}")
        paths = [store.directory / segment.path for segment in sources]
        scan = segment_scan(cursor, chosen.event, [str(path) for path in paths])
    batches = _in_order(scan, windows_over(paths), policy.memory_limit_mb)
    writer = SegmentWriter(store.directory, chosen.event, chosen.day, created_at=now)
    merged = _write_sorted(chosen, batches, writer)
    with store.transaction() as connection, discarded_on_error(store.directory, [merged]):
        still = [
            segment for segment in live_segments(connection, chosen.event) if segment.segment_id in wanted
        ]
        _check_complete(still, wanted)
        record_segment(connection, merged)
        retire_segments(connection, wanted, "merged", now)
        refresh_view(connection, store.directory, chosen.event)
    return Merged(tuple(sources), merged)


def _write_sorted(chosen: MergePlan, batches: Iterator[pa.RecordBatch], writer: SegmentWriter) -> Segment:
    with writer:
        rows = write_stream(writer, batches)
        if rows != chosen.rows:
            raise StoreDamaged(
                f"segments of {chosen.event} of {chosen.day} hold {rows} rows, "
                f"the manifest says {chosen.rows}: "
                + ", ".join(str(part.segment_id) for part in chosen.segments)
            )
        return writer.finish()


def _in_order(scan: str, windows: Sequence[Window], memory_limit_mb: int) -> Iterator[pa.RecordBatch]:
    query = _WINDOW.format(scan=scan)
    with own_instance(memory_limit_mb) as own:
        for window in windows:
            parameters = {"first_us": window.first_us, "next_us": window.next_us}
            for rows in fetch_batches(own, query, parameters, READ_ROWS):
                yield from rows.to_batches()


def _check_complete(found: Sequence[Segment], wanted: set[UUID]) -> None:
    if len(found) != len(wanted):
        gone = wanted - {segment.segment_id for segment in found}
        raise MaintenanceConflict(f"no longer live: {', '.join(sorted(map(str, gone)))}")


@contextmanager
def own_instance(memory_limit_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of one's own for reading files, within a limit of memory."""
    own = duckdb.connect(
        ":memory:",
        config={
            "TimeZone": "UTC",
            "threads": 1,  # the other core is for ingest
            "memory_limit": f"{memory_limit_mb}MiB",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
        },
    )
    try:
        yield own
    finally:
        own.close()


def _for_planning(segment: Segment) -> LiveSegment:
    return LiveSegment(
        segment.segment_id, segment.event, segment.day, segment.rows, segment.size_bytes, segment.created_at
    )
