"""Single requests with their features, for a regression: all, or the same sample whenever it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from coalmine_consumers.explain.dimensions import Dimension
from coalmine_consumers.sql import fetch_table, statement

MOST_SAMPLED = 100_000
"""Requests in a sample, about."""
_BUCKETS = 2**32


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Requests that have a value of the metric."""

    rows: pa.Table
    """Columns of `sampled_requests.sql`, then one for each of `segments`: segment_0, segment_1, ..."""
    segments: tuple[str, ...]
    of_requests: int
    """How many there are to sample from."""
    below: int
    """Those with a bucket below this were taken, of 2^32."""

    @property
    def is_all(self) -> bool:
        """True if nothing was left out."""
        return self.below >= _BUCKETS


def sample(
    cursor: duckdb.DuckDBPyConnection, segments: Sequence[Dimension], most: int = MOST_SAMPLED
) -> Sample:
    """Samples the requests laid out, by a hash of their ids.

    Args:
        cursor: Where they are laid out.
        segments: Segments to read as features.
        most: About how many to take.
    """
    ((requests,),) = cursor.execute("SELECT count(*) FROM explained_requests WHERE x > 0").fetchall()
    below = _BUCKETS if requests <= most else int(_BUCKETS * most / requests)
    parameters: dict[str, Any] = {"below": below}
    columns = ""
    for at, each in enumerate(segments):
        parameters[f"key_{at}"] = each.name
        columns += f",\n    {each.expression.format(key=f'$key_{at}')} AS segment_{at}"
    query = statement("sampled_requests", __package__).format(segments=columns)
    rows = fetch_table(cursor, query, parameters)
    return Sample(rows, tuple(each.name for each in segments), int(requests), below)
