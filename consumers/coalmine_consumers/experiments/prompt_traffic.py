"""What a prompt's requests were like of late: in windows of time, the sums of every metric, and the units."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from coalmine_consumers.arrays import FloatArray, IntArray
from coalmine_consumers.experiments.version_sums import Totals, create_view, references_of
from coalmine_consumers.maintenance.recount import Batches, Relations, recount_cells
from coalmine_consumers.sql import fetch_rows, quote_literal, statement

_TRAFFIC, _WINDOWS = "traffic_requests", "traffic_windows"
_ALL = "all"
_MOST_WINDOWS = 400
"""More than the hours of 14 days."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptTraffic:
    """Requests of one prompt in one environment, in W windows of equal length."""

    metrics: tuple[str, ...]
    """As in the cells; M of them."""
    x: FloatArray
    """Denominators, shape (M, W, 256)."""
    y: FloatArray
    """Numerators, same shape."""
    requests: int
    since: datetime
    """The first request."""
    until: datetime
    """The last one."""
    lengths: IntArray
    """Lengths of time in windows, ascending: 1, 2, 4, ..., W."""
    units: FloatArray
    """Different units in so long a time, on average; one for each length."""

    @property
    def window_h(self) -> float:
        """Hours of one window."""
        return (self.until - self.since).total_seconds() / 3_600.0 / int(self.x.shape[1])


def prompt_traffic(
    cursor: duckdb.DuckDBPyConnection, prompt: str, environment: str, since: datetime, until: datetime
) -> PromptTraffic | None:
    """Traffic of a prompt over the raw requests there still are; None if there are none, or but a moment.

    Costs and latencies are compared with the quantiles of the same requests.

    Args:
        cursor: For reading; it streams while this runs.
        prompt: Its name.
        environment: Of the requests.
        since: Requests at or after this.
        until: Requests before this.
    """
    conditions = [
        f"prompt = {quote_literal(prompt)}",
        f"environment = {quote_literal(environment)}",
        f"event_time >= TIMESTAMPTZ {quote_literal(since.isoformat())}",
        f"event_time < TIMESTAMPTZ {quote_literal(until.isoformat())}",
    ]
    create_view(cursor, _TRAFFIC, f"SELECT * FROM requests WHERE {' AND '.join(conditions)}")  # noqa: S608
    spans = fetch_rows(cursor, statement("traffic_span", __package__).format(requests=_TRAFFIC))
    if not spans or spans[0]["first_event_time"] == spans[0]["last_event_time"]:
        return None
    first, last = spans[0]["first_event_time"], spans[0]["last_event_time"]
    length_s = (last - first).total_seconds()
    windows = int(np.clip(np.ceil(length_s / 3_600.0), 1, _MOST_WINDOWS))
    place = f"floor((epoch(event_time) - {first.timestamp()!r}) / {length_s / windows!r})::INTEGER"
    number = f"greatest(least({place}, {windows - 1}), 0)"
    columns = f"{number}::VARCHAR AS experiment, 0 AS allocation_epoch, '{_ALL}' AS variant"
    create_view(cursor, _WINDOWS, f"SELECT * REPLACE ({columns}) FROM {_TRAFFIC}")  # noqa: S608
    lengths = [*(2**power for power in range(windows.bit_length()) if 2**power < windows), windows]
    query = statement("units_by_length", __package__).format(requests=_WINDOWS)
    units = fetch_rows(cursor, query, {"windows": windows, "lengths": lengths})
    names = [str(number) for number in range(windows)]
    total = Totals(names, [_ALL])
    references = references_of(cursor, _TRAFFIC, names)
    for counted in recount_cells(cursor, Relations(requests=_WINDOWS), Batches(), references):
        if (cells := counted.tables.get("experiment_cells")) is not None:
            total.add(cells)
    metrics, x, y = total.arrays()
    return PromptTraffic(
        metrics,
        x[:, :, 0],
        y[:, :, 0],
        spans[0]["requests"],
        first,
        last,
        np.array(lengths),
        np.array([row["units"] for row in units]),
    )
