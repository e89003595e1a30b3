"""Parquet segments: writing one so that it either exists whole or not at all.

A file becomes data only when the manifest has its row (`manifest.py`). Writing is therefore safe at any
moment: a crash leaves at worst a file without a row, which `Store.open` removes.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from coalmine_schemas.identifiers import uuid7

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.store.ids import Ids

ID_COLUMN: Mapping[IngestedEvent, str] = MappingProxyType(
    {"requests": "request_id", "feedback": "feedback_id", "scores": "score_id"}
)
"""The id that makes an event unique."""

UUID_COLUMNS: Mapping[IngestedEvent, tuple[str, ...]] = MappingProxyType(
    {
        "requests": ("request_id",),
        "feedback": ("feedback_id", "request_id"),
        "scores": ("score_id", "request_id"),
    }
)
"""Columns that are text in events and UUID in the store."""

ROW_GROUP_ROWS = 100_000
"""Look-ups by id skip whole row groups: small enough to skip, large enough to compress."""

SEGMENTS_FOLDER = "segments"

_FEW_VALUES = frozenset(
    ("app", "environment", "prompt", "version", "label", "variant", "experiment", "resolution", "provider")
    + ("request_model", "response_model", "finish_reason", "error_type", "client_version")
    + ("thumbs", "name", "source", "scorer")
)
# Dictionary pages pay only where values repeat; trying them on ids and measures cost half the write.


@dataclass(frozen=True, slots=True)
class Segment:
    """One row of the manifest: a Parquet file and what look-ups need to know about it."""

    segment_id: UUID
    event: IngestedEvent
    path: str
    """Relative to the store's folder."""
    day: date
    rows: int
    size_bytes: int
    min_event_time: datetime
    max_event_time: datetime
    min_id: UUID
    max_id: UUID
    created_at: datetime


def write_segment(
    directory: Path, event: IngestedEvent, day: date, rows: pa.Table, *, created_at: datetime
) -> Segment:
    """Write rows of one UTC day as a durable Parquet file, in the order given.

    Args:
        directory: The store's folder.
        event: What the rows are.
        day: The day of every `event_time` in `rows`.
        rows: Columns as in the hot table, ids as text or as Arrow's uuid type. At least one row.
        created_at: For the manifest.

    Returns:
        The manifest row to record. Until `record_segment` commits it, the file is not part of the data.
    """
    ids = {name: Ids.from_arrow(rows[name]) for name in UUID_COLUMNS[event]}
    for name, column in ids.items():
        rows = rows.set_column(rows.column_names.index(name), name, column.to_arrow())
    segment_id = UUID(uuid7())
    relative = Path(SEGMENTS_FOLDER, event, f"day={day.isoformat()}", f"{segment_id}.parquet")
    path = directory / relative
    _make_durable_folder(path.parent)
    unfinished = path.with_suffix(".tmp")
    pq.write_table(
        rows,
        unfinished,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP_ROWS,
        use_dictionary=[name for name in rows.column_names if name in _FEW_VALUES],
        write_statistics=True,
        store_schema=False,
    )
    _sync(unfinished)
    unfinished.rename(path)
    _sync(path.parent)
    times = pc.min_max(rows["event_time"]).as_py()
    min_id, max_id = ids[ID_COLUMN[event]].bounds()
    return Segment(
        segment_id=segment_id,
        event=event,
        path=relative.as_posix(),
        day=day,
        rows=rows.num_rows,
        size_bytes=path.stat().st_size,
        min_event_time=times["min"],
        max_event_time=times["max"],
        min_id=min_id,
        max_id=max_id,
        created_at=created_at,
    )


def _make_durable_folder(folder: Path) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        _sync(new.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
