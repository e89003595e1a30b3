"""Looks up stored events by id without reading files that cannot hold them.

Hot rows are few. Segments are chosen by the manifest's bounds of ids, and of those only the ones some
wanted id falls into; inside a file DuckDB skips row groups by their statistics. UUIDv7 ids are
ordered by time, so what is left is small whether ids are of now or of last month.
"""

from pathlib import Path
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.segments import UNREAD, read_keys
from coalmine_consumers.arrays import IndexArray
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.sql import fetch_table, lent, parsed, statement
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.segments import ID_COLUMN
from coalmine_consumers.store.views import segment_scan

FACTS = (
    ("event_time", pa.timestamp("us", "UTC")),
    ("prompt", pa.string()),
    ("version", pa.string()),
    ("variant", pa.string()),
    ("environment", pa.string()),
    ("app", pa.string()),
    ("model", pa.string()),
    ("experiment", pa.string()),
    ("allocation_epoch", pa.int32()),
    ("unit_group", pa.int32()),
    ("ingest_id", pa.int64()),
    ("segments", pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))),
)
"""What rollups and cells need to know of a request."""


def stored_positions(
    connection: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent, ids: Ids
) -> IndexArray:
    """Indexes of those ids that are stored already, hot or in a segment, each once."""
    found = _search(connection, directory, event, ids, ("stored_in_hot", "stored_in_segments"))
    return np.unique(found["position"].to_numpy()).astype(np.intp)


def request_facts(connection: duckdb.DuckDBPyConnection, directory: Path, request_ids: Ids) -> pa.Table:
    """Facts of those requests that are stored: `position`, an index into the ids, and `FACTS`."""
    # Nested lists are read only where somebody asks for them.
    segments = "segments" if read_keys(connection) else UNREAD
    statements = ("facts_in_hot", "facts_in_segments")
    found = _search(connection, directory, "requests", request_ids, statements, segments=segments)
    return found.cast(pa.schema([("position", pa.int64()), *FACTS]))


def counted_feedback(
    connection: duckdb.DuckDBPyConnection, directory: Path, request_ids: Ids, ingest_id: int
) -> pa.Table:
    """Stored feedback about some requests, of batches before one. Any live file may hold some."""
    least, greatest = request_ids.bounds()
    rows = connection.execute(
        "SELECT path FROM segments WHERE retired_at IS NULL AND event = 'feedback' ORDER BY path"
    ).fetchall()
    paths = [str(directory / path) for (path,) in rows if (directory / path).is_file()]
    reactions = "feedback_hot"
    if paths:
        files = segment_scan(connection, "feedback", paths)
        reactions = f"(SELECT * FROM feedback_hot UNION ALL BY NAME SELECT * FROM {files})"  # noqa: S608 - quoted
    query = statement("counted_feedback", __package__).format(reactions=reactions)
    bounds = {"min_id": least, "max_id": greatest, "ingest_id": ingest_id}
    with lent(connection, about=pa.table({"id": request_ids.to_arrow()})):
        return fetch_table(connection, query, bounds)


def _search(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    event: IngestedEvent,
    ids: Ids,
    statements: tuple[str, str],
    *,
    segments: str = UNREAD,
) -> pa.Table:
    in_hot, in_segments = statements
    wanted = pa.table({"id": ids.to_arrow(), "position": pa.array(np.arange(len(ids)))})
    least, greatest = ids.bounds() if wanted.num_rows else (UUID(int=0), UUID(int=0))
    bounds = {"min_id": least, "max_id": greatest}
    names = {"event": event, "id": ID_COLUMN[event], "segments": segments}
    query = statement(in_hot, __package__).format(**names)
    # DuckDB finds `wanted` here, which takes half the time of lending it.
    hot = connection.execute(parsed(connection, query), bounds).to_arrow_table()
    paths = _segments_with(connection, directory, event, ids)
    if not paths:
        return hot
    query = statement(in_segments, __package__).format(**names)
    found = connection.execute(parsed(connection, query), {**bounds, "paths": paths}).to_arrow_table()
    return pa.concat_tables([hot, found])


def _segments_with(
    connection: duckdb.DuckDBPyConnection, directory: Path, event: IngestedEvent, ids: Ids
) -> list[str]:
    """Files of live segments between whose bounds at least one of the ids lies; those that are there."""
    if not len(ids):
        return []
    least, greatest = ids.bounds()
    rows = connection.execute(
        parsed(connection, statement("overlapping_segments", __package__)),
        {"event": event, "min_id": least, "max_id": greatest},
    ).fetchall()
    if not rows:
        return []
    high = np.sort(ids.high)  # the first half decides as well as the whole id, but for ties, which are kept
    return [
        str(directory / path)
        for path, min_id, max_id in rows
        if np.searchsorted(high, np.uint64(min_id.int >> 64), side="left")
        < np.searchsorted(high, np.uint64(max_id.int >> 64), side="right")
        and (directory / path).is_file()
    ]
