"""What a prompt's requests were like of late: the sums of every metric, and how soon how many units came."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np

from coalmine_consumers.arrays import FloatArray
from coalmine_consumers.experiments.version_sums import Totals, create_view, references_of
from coalmine_consumers.maintenance.recount import Batches, Relations, recount_cells
from coalmine_consumers.sql import fetch_rows, quote_literal, statement

_TRAFFIC = "traffic_requests"
_ALL = "all"


@dataclass(frozen=True, slots=True, eq=False)
class PromptTraffic:
    """Requests of one prompt in one environment."""

    metrics: tuple[str, ...]
    """As in the cells; M of them."""
    x: FloatArray
    """Denominators, shape (M, 256)."""
    y: FloatArray
    """Numerators, same shape."""
    requests: int
    since: datetime
    until: datetime
    arrived: FloatArray
    """Different units in the first hour, the first two hours, ... since then; shape (H,)."""

    @property
    def units(self) -> int:
        """Different units in all that time."""
        return int(self.arrived[-1])

    def units_in(self, hours: FloatArray) -> FloatArray:
        """Units that come within so many hours; beyond what was seen, as fast as in its last half."""
        seen = len(self.arrived)
        known = np.concatenate([[0.0], self.arrived])
        half = seen // 2
        per_hour = (known[-1] - known[half]) / (seen - half)
        beyond = np.maximum(hours - seen, 0.0) * per_hour
        return np.asarray(np.interp(hours, np.arange(seen + 1), known) + beyond)


def prompt_traffic(
    cursor: duckdb.DuckDBPyConnection, prompt: str, environment: str, since: datetime, until: datetime
) -> PromptTraffic | None:
    """Traffic of a prompt over the raw requests there still are; None if there are none.

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
    columns = f"'{_ALL}' AS experiment, 0 AS allocation_epoch, '{_ALL}' AS variant"
    create_view(
        cursor,
        _TRAFFIC,
        f"SELECT * REPLACE ({columns}) FROM requests WHERE {' AND '.join(conditions)}",  # noqa: S608
    )
    arrivals = fetch_rows(cursor, statement("unit_arrivals", __package__).format(requests=_TRAFFIC))
    if not arrivals:
        return None
    first, last = arrivals[0]["first_event_time"], arrivals[0]["last_event_time"]
    by_hour = np.zeros(max((last - first) // timedelta(hours=1) + 1, 1))
    for row in arrivals:
        by_hour[row["hour"]] = row["units"]
    total = Totals([_ALL], [_ALL])
    references = references_of(cursor, _TRAFFIC, [_ALL])
    for counted in recount_cells(cursor, Relations(requests=_TRAFFIC), Batches(), references):
        if (cells := counted.tables.get("experiment_cells")) is not None:
            total.add(cells)
    metrics, x, y = total.arrays()
    return PromptTraffic(
        metrics,
        x[:, 0, 0],
        y[:, 0, 0],
        int(x[metrics.index("requests")].sum()),
        first,
        last,
        np.cumsum(by_hour),
    )
