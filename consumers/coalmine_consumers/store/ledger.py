"""The ledger: what became of every message, and what could not be read at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.arrays import IntArray, timestamps
from coalmine_consumers.raw import Gap
from coalmine_consumers.sql import append_rows, parsed, statement
from coalmine_consumers.store.ids import Ids

if TYPE_CHECKING:
    from coalmine_consumers.collector.decode import FailedMessage, LedgerEvent

_TIME = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """What tells an audit which rows are missing, should some be."""

    first_event_time: datetime
    last_event_time: datetime
    id_xor: UUID
    """Exclusive or of all ids."""

    @classmethod
    def of(cls, ids: Ids, event_times_us: IntArray) -> StoredSpan | None:
        """Returns the span of some rows, or None if there are none."""
        if not len(ids):
            return None
        first, last = timestamps(np.array([event_times_us.min(), event_times_us.max()])).to_pylist()
        return cls(first, last, ids.exclusive_or())


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of the messages of one event in one batch; consumed is the sum of the others."""

    consumed: int
    stored: int
    duplicates: int
    dead_lettered: int
    ahead_of_clock: int = 0
    """Stored events whose time lies too far in the future."""
    span: StoredSpan | None = field(default=None, compare=False)
    """Which rows were stored; None if there are none."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What became of a batch."""

    ingest_id: int
    stored: int
    duplicates: int
    dead_lettered: int
    by_event: Mapping[LedgerEvent, EventCounts]


def record_ledger(
    connection: duckdb.DuckDBPyConnection,
    ingest_id: int,
    committed_at: datetime,
    counts: Mapping[LedgerEvent, EventCounts],
) -> None:
    """One row per event of the batch."""
    for event, each in counts.items():
        connection.execute(
            parsed(connection, statement("record_ledger", __package__)),
            {
                "ingest_id": ingest_id,
                "committed_at": committed_at,
                "event": event,
                "consumed": each.consumed,
                "stored": each.stored,
                "duplicates": each.duplicates,
                "dead_lettered": each.dead_lettered,
                "ahead_of_clock": each.ahead_of_clock,
                "first_event_time": each.span and each.span.first_event_time,
                "last_event_time": each.span and each.span.last_event_time,
                "id_xor": each.span and each.span.id_xor,
            },
        )


def last_ingest_id(connection: duckdb.DuckDBPyConnection) -> int:
    """Returns the number of the last batch committed, 0 before the first."""
    ((last,),) = connection.execute("SELECT coalesce(max(ingest_id), 0) FROM batches").fetchall()
    return int(last)


def record_gaps(connection: duckdb.DuckDBPyConnection, ingest_id: int, gaps: Sequence[Gap]) -> None:
    """One row per gap."""
    for gap in gaps:
        connection.execute(
            "INSERT INTO gaps VALUES ($topic, $partition, $expected_offset, $available_offset, $reason, "
            "$detected_at, $ingest_id)",
            {"ingest_id": ingest_id, **asdict(gap)},
        )


def record_dead_letters(
    connection: duckdb.DuckDBPyConnection, ingest_id: int, letters: Sequence[FailedMessage]
) -> None:
    """One row per message that could not be stored, with its bytes."""
    if not letters:
        return
    table = pa.table(
        {
            "dead_letter_id": pa.array([UUID(each.dead_letter_id).bytes for each in letters], pa.uuid()),
            "failed_at": pa.array([each.failed_at for each in letters], _TIME),
            "source_topic": pa.array([each.source_topic for each in letters], pa.string()),
            "source_partition": pa.array([each.source_partition for each in letters], pa.string()),
            "source_offset": pa.array([each.source_offset for each in letters], pa.int64()),
            "source_timestamp": pa.array([each.source_timestamp for each in letters], _TIME),
            "event": pa.array([each.event for each in letters], pa.string()),
            "stage": pa.array([each.stage for each in letters], pa.string()),
            "reason": pa.array([each.reason for each in letters], pa.string()),
            "schema_ref": pa.array([each.schema_ref for each in letters], pa.string()),
            "payload": pa.array([each.payload for each in letters], pa.large_binary()),
            "key": pa.array([each.key for each in letters], pa.large_binary()),
            "ingest_id": pa.array([ingest_id] * len(letters), pa.int64()),
        }
    )
    append_rows(connection, "dead_letters", table)
