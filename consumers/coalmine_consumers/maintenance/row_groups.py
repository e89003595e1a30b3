"""Writes the rows of a query into a segment, with at most one row group in memory."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from coalmine_consumers.store.segments import ROW_GROUP_ROWS, SegmentWriter

READ_ROWS = 8_192
"""Rows fetched at a time."""
GROUP_BYTES = 64 * 1024 * 1024
"""A row group ends early at this size: with texts of prompts and answers rows can be large."""


def write_stream(writer: SegmentWriter, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes all batches, in order, as row groups of a good size. Returns how many rows there were."""
    rows = 0
    for table in row_groups(batches):
        writer.write(table)
        rows += table.num_rows
    return rows


def row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gathers batches into tables of about `ROW_GROUP_ROWS` rows or `GROUP_BYTES`, whichever is less."""
    waiting: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        size_bytes += batch.get_total_buffer_size()
        if rows >= ROW_GROUP_ROWS - READ_ROWS or size_bytes >= GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting, rows, size_bytes = [], 0, 0
    if rows:
        yield pa.Table.from_batches(waiting)
