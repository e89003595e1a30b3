"""Compares raw rows with the ledger: which batch has lost which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.sql import fetch_rows, statement
from coalmine_consumers.store import ID_COLUMN, Segment, segment_scan

_MOMENT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class BatchDifference:
    """A batch whose number of rows differs from what it stored."""

    event: IngestedEvent
    ingest_id: int
    first_ingest_id: int | None
    """Less than `ingest_id` where the ledger has folded a run of batches into one row."""
    committed_at: datetime | None
    """None when the ledger does not know the batch at all."""
    stored: int
    expired: int
    found: int
    first_event_time: datetime | None
    last_event_time: datetime | None
    missing_id: UUID | None
    """Of the missing row, if one is missing and none has expired."""

    def __str__(self) -> str:
        if self.committed_at is None:
            return f"{self.found:,} {self.event} claim batch {self.ingest_id}, which the ledger does not know"
        expected = self.stored - self.expired
        fault = "missing" if self.found < expected else "too many"
        text = (
            f"{abs(expected - self.found):,} {self.event} {fault}: {self._batch}, committed "
            f"{self.committed_at:{_MOMENT}} UTC, stored {expected:,} and {self.found:,} are there"
        )
        if self.missing_id is not None:
            return f"{text}; the missing one is {ID_COLUMN[self.event]} {self.missing_id}"
        if self.first_event_time is not None and self.last_event_time is not None:
            span = f"{self.first_event_time:{_MOMENT}} to {self.last_event_time:{_MOMENT}} UTC"
            text += f"; its events are from {span}"
        return text

    @property
    def _batch(self) -> str:
        if self.first_ingest_id is None or self.first_ingest_id == self.ingest_id:
            return f"batch {self.ingest_id}"
        return f"one of the batches {self.first_ingest_id} to {self.ingest_id}, the last"


def rows_there(
    cursor: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent, segments: Sequence[Segment]
) -> str:
    """A relation of an event's hot rows and those of `segments`, which must be readable."""
    relation = f"SELECT * FROM {event}_hot"  # noqa: S608 - a closed set of names
    paths = [str(directory / segment.path) for segment in segments if segment.event == event]
    if paths:
        relation += f" UNION ALL BY NAME SELECT * FROM {segment_scan(cursor, event, paths)}"  # noqa: S608
    return f"({relation})"


def batch_differences(
    cursor: duckdb.DuckDBPyConnection, event: IngestedEvent, rows: str
) -> list[BatchDifference]:
    """Batches of an event that differ from the ledger, oldest first."""
    query = statement("batch_differences", __package__).format(rows=rows)
    found = fetch_rows(cursor, query, {"event": event})
    return [
        BatchDifference(
            event=event,
            missing_id=_missing_id(cursor, event, rows, row),
            **{name: value for name, value in row.items() if name != "id_xor"},
        )
        for row in found
    ]


def _missing_id(
    cursor: duckdb.DuckDBPyConnection, event: IngestedEvent, rows: str, difference: dict[str, Any]
) -> UUID | None:
    """The one id that, with those still there, gives the exclusive or the ledger noted."""
    one_missing = difference["stored"] - difference["found"] == 1 and not difference["expired"]
    if not one_missing or difference["id_xor"] is None:
        return None
    query = f"SELECT {ID_COLUMN[event]} FROM {rows} WHERE ingest_id BETWEEN $first AND $last"  # noqa: S608
    span = {"first": difference["first_ingest_id"], "last": difference["ingest_id"]}
    ids = cursor.execute(query, span).fetchall()
    whole = UUID(str(difference["id_xor"])).int
    return UUID(int=reduce(xor, (row[0].int for row in ids), whole))
