"""Slices of a rollup table that can be folded separately: whole buckets, a limited number of rows.

Folding all at once would keep commits waiting, and a histogram's lists take more memory than DuckDB can
move to disk.
"""

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.sql import fetch_table, statement


def slices(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    key: str,
    *,
    max_rows: int,
    only_unfolded: bool = False,
) -> Iterator[pa.Table]:
    """Cuts a table's buckets into slices, oldest first.

    Args:
        connection: Where the table is.
        source: The table.
        key: Its columns that tell the rows of one bucket apart.
        max_rows: A slice ends with the bucket that reaches this many rows.
        only_unfolded: Leave out buckets in which no two rows share a key.

    Yields:
        `resolution` and `bucket_start` of the slice's buckets.
    """
    buckets = fetch_table(connection, statement("buckets_of", __package__).format(source=source, key=key))
    if only_unfolded:
        buckets = buckets.filter(buckets["extra_rows"].to_numpy() > 0)
    reached = np.cumsum(buckets["rows"].to_numpy())
    begin, done = 0, 0
    while begin < buckets.num_rows:
        end = int(np.searchsorted(reached, done + max_rows)) + 1
        part = buckets.slice(begin, end - begin)
        done = int(reached[begin + part.num_rows - 1])
        yield part.select(["resolution", "bucket_start"])
        begin += part.num_rows
