"""Decoded rows as files that the store takes over, and these files as a batch again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coalmine_consumers.aggregation.rollup import RollupRows, rollup_requests
from coalmine_consumers.collector.decode import DecodedBatch, FailedMessage, LedgerEvent, Ready
from coalmine_consumers.errors import BatchDamaged
from coalmine_consumers.prepared.folder import Manifest, Part
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent, ReadEvent
from coalmine_consumers.store.placement import by_day
from coalmine_consumers.store.rows import ids_of, stored_rows, with_model
from coalmine_consumers.store.segments import Segment, write_segment
from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.identifiers import uuid7

_TABLES = "tables"
_OF_THE_STORE = ("ingest_id", "ingested_at")
_LETTER = pa.schema(
    [
        *((name, pa.string()) for name in ("dead_letter_id", "source_topic", "source_partition")),
        *((name, pa.string()) for name in ("event", "stage", "reason", "schema_ref")),
        *((name, pa.timestamp("us", "UTC")) for name in ("failed_at", "source_timestamp")),
        ("source_offset", pa.int64()),
        *((name, pa.large_binary()) for name in ("payload", "key")),
    ]
)


def write_part(folder: Path, batch: DecodedBatch, ingest_id: int, written_at: datetime) -> Part:
    """Writes what was decoded of a part of a batch: segments, rollups and dead letters.

    Args:
        folder: The batch's.
        batch: The rows, each id once, and dead letters.
        ingest_id: The batch's number.
        written_at: When it is written, for all its rows.

    Returns:
        What was written. It is part of the data once a manifest with it is imported.
    """
    segments: list[Segment] = []
    tables: dict[str, str] = {}
    for event in INGESTED_EVENTS:
        decoded = batch.tables.get(event)
        if decoded is None:
            continue
        rows = stored_rows(event, decoded, ingest_id, written_at)
        rows = rows.take(ids_of(event, rows).order())  # by time, so that look-ups by id read little
        for day, of_day in by_day(rows):
            segments.append(write_segment(folder, event, day, of_day, created_at=written_at))
        if event == "requests":
            rollups = rollup_requests(with_model(rows))
            made = {field.name: getattr(rollups, field.name) for field in fields(rollups)}
            tables |= {name: _write(folder, table) for name, table in made.items() if table is not None}
    if (deployments := batch.tables.get("deployments")) is not None:
        tables["deployments"] = _write(folder, deployments)
    if batch.dead_letters:
        letters = pa.Table.from_pylist([asdict(each) for each in batch.dead_letters], _LETTER)
        tables["dead_letters"] = _write(folder, letters)
    return Part(segments, tables, dict(batch.consumed))


def read_batch(folder: Path, manifest: Manifest) -> DecodedBatch:
    """A batch as its manifest says.

    Raises:
        BatchDamaged: A file is missing, or is not what was written.
    """
    try:
        return _read_batch(folder, manifest)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BatchDamaged(folder, f"{type(error).__name__}: {error}") from error


def _read_batch(folder: Path, manifest: Manifest) -> DecodedBatch:
    tables: dict[ReadEvent, pa.Table] = {}
    segments: dict[IngestedEvent, list[Segment]] = {}
    for event in INGESTED_EVENTS:
        mine = [each for part in manifest.parts for each in part.segments if each.event == event]
        if mine:
            segments[event] = mine
            tables[event] = pa.concat_tables(_rows(folder / each.path) for each in mine)
    if deployments := _tables(folder, manifest, "deployments"):
        tables["deployments"] = pa.concat_tables(deployments)
    letters = [
        FailedMessage(**row) for each in _tables(folder, manifest, "dead_letters") for row in each.to_pylist()
    ]
    read, kept = (_total([getattr(part, name) for part in manifest.parts]) for name in ("read", "kept"))
    rollups = [
        RollupRows(**{field.name: _read(folder, part.tables.get(field.name)) for field in fields(RollupRows)})
        for part in manifest.parts
    ]
    return DecodedBatch(
        tables=tables,
        dead_letters=letters,
        consumed=read,
        starts={each.partition: each.start for each in manifest.spans},
        positions={each.partition: each.next for each in manifest.spans},
        gaps=manifest.gaps,
        skipped={each.partition: each.skipped for each in manifest.spans if each.skipped},
        retired=manifest.retired,
        repeated={event: count - kept.get(event, 0) for event, count in read.items()},
        ready=Ready(manifest.ingest_id, manifest.written_at, folder, segments, rollups),
    )


def _total(counts: Sequence[Mapping[LedgerEvent, int]]) -> dict[LedgerEvent, int]:
    total: Counter[Any] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _rows(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None).drop_columns(list(_OF_THE_STORE))


def _tables(folder: Path, manifest: Manifest, name: str) -> list[pa.Table]:
    return [_read(folder, part.tables[name]) for part in manifest.parts if name in part.tables]


def _write(folder: Path, table: pa.Table) -> str:
    path = folder / _TABLES / f"{uuid7()}.arrow"
    make_private_folder(path.parent)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    write_atomically(path, sink.getvalue().to_pybytes())
    return path.relative_to(folder).as_posix()


def _read(folder: Path, name: str | None) -> pa.Table | None:
    return None if name is None else pa.ipc.open_file((folder / name).read_bytes()).read_all()
