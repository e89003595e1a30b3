"""Parquet segments: each is written completely or not at all.

A file becomes data only when the manifest has its row (`manifest.py`). Writing is therefore safe at any
moment: a crash leaves at worst a file without a row, which `Store.open` removes.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self
from uuid import UUID

import pyarrow as pa

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.store.ids import Ids
from coalmine_schemas.identifiers import uuid7

if TYPE_CHECKING:
    import pyarrow.parquet as pq

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

_FEW_VALUES = {"app", "environment", "prompt", "version", "label", "variant", "experiment", "resolution"}
_FEW_VALUES |= {
    "provider",
    "request_model",
    "response_model",
    "finish_reason",
    "error_type",
    "client_version",
}
_FEW_VALUES |= {"thumbs", "name", "source", "scorer", "unit_group", "ingest_id"}
_PRUNED_BY = {"request_id", "feedback_id", "score_id", "event_time", "prompt", "version", "environment"}
# Dictionary pages pay only where values repeat; trying them on ids and measures cost half the
# write. Statistics of columns that are never filtered by cost a tenth.


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
    """Writes rows of one UTC day as a durable Parquet file, in the order given.

    Args:
        directory: The store's folder.
        event: What the rows are.
        day: The day of every `event_time` in `rows`.
        rows: Columns as in the hot table, ids as text or as Arrow's uuid type. At least one row.
        created_at: For the manifest.

    Returns:
        The manifest row to record. Until `record_segment` commits it, the file is not part of the data.
    """
    with SegmentWriter(directory, event, day, created_at=created_at) as writer:
        writer.write(rows)
        return writer.finish()


def attach_segment(directory: Path, folder: Path, segment: Segment) -> None:
    """Takes over a file that was written into another folder, which keeps it.

    Until `record_segment` commits it, the file is not part of the data. On the same file system it is there
    once, under two names; on another it is copied.

    Raises:
        OSError: The file is gone, or cannot be copied.
    """
    target = directory / segment.path
    while True:
        _make_durable_folder(target.parent)
        target.unlink(missing_ok=True)  # what an attempt left that was not committed
        try:
            os.link(folder / segment.path, target)
        except FileNotFoundError:
            if not (folder / segment.path).exists():
                raise
            continue  # housekeeping removes a day's folder while it is empty
        except OSError:
            shutil.copyfile(folder / segment.path, target)
            _sync(target)
        break
    _sync(target.parent)


class SegmentWriter:
    """Writes one segment piece by piece, so that its rows need not be in memory together.

    A context manager: leaving it without `finish` removes what was written.
    """

    def __init__(self, directory: Path, event: IngestedEvent, day: date, *, created_at: datetime) -> None:
        self._event = event
        self._day = day
        self._created_at = created_at
        self._segment_id = UUID(uuid7())
        self._relative = Path(SEGMENTS_FOLDER, event, f"day={day.isoformat()}", f"{self._segment_id}.parquet")
        self._path = directory / self._relative
        self._unfinished = self._path.with_suffix(".tmp")
        self._file: pq.ParquetWriter | None = None
        self._rows = 0
        self._times: list[datetime] = []
        self._ids: list[UUID] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._unfinished.unlink(missing_ok=True)

    def write(self, rows: pa.Table) -> None:
        """Appends rows as one row group, or several if they are many. Columns as in `write_segment`."""
        if rows.num_rows == 0:
            return
        import pyarrow.compute as pc  # noqa: PLC0415 - see `store.py`

        for name in UUID_COLUMNS[self._event]:
            ids = Ids.from_arrow(rows[name])
            rows = rows.set_column(rows.column_names.index(name), name, ids.to_arrow())
            if name == ID_COLUMN[self._event]:
                self._ids += ids.bounds()
        if self._file is None:
            self._file = self._create(rows.schema)
        self._file.write_table(rows, row_group_size=ROW_GROUP_ROWS)
        times = pc.min_max(rows["event_time"]).as_py()
        self._times += [times["min"], times["max"]]
        self._rows += rows.num_rows

    def finish(self) -> Segment:
        """Makes the file durable under its name and returns its manifest row. It must have a row."""
        assert self._file is not None, "a segment holds at least one row"
        self._file.close()
        self._file = None
        _sync(self._unfinished)
        self._unfinished.rename(self._path)
        _sync(self._path.parent)
        return Segment(
            segment_id=self._segment_id,
            event=self._event,
            path=self._relative.as_posix(),
            day=self._day,
            rows=self._rows,
            size_bytes=self._path.stat().st_size,
            min_event_time=min(self._times),
            max_event_time=max(self._times),
            min_id=min(self._ids),
            max_id=max(self._ids),
            created_at=self._created_at,
        )

    def _create(self, schema: pa.Schema) -> "pq.ParquetWriter":
        import pyarrow.parquet as pq  # noqa: PLC0415

        while True:
            _make_durable_folder(self._path.parent)
            with suppress(FileNotFoundError):  # housekeeping removes a day's folder while it is empty
                return pq.ParquetWriter(
                    self._unfinished,
                    schema,
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=[name for name in schema.names if name in _FEW_VALUES],
                    write_statistics=[name for name in schema.names if name in _PRUNED_BY],
                    store_schema=False,
                )


def _make_durable_folder(folder: Path) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        with suppress(FileNotFoundError):
            new.mkdir(exist_ok=True)
            _sync(new.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
