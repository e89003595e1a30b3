"""Late metrics: feedback and scores come after the request, and are compared at equal age.

A version whose users answer later would seem to have fewer corrections, and more of everything the day after.
So an experiment has a window: nearly all reactions come within it, as those of the last four weeks did.
Of each request counts what was said within the window, and it counts once the request is older than that:
for everybody equally long. The window is a reference like others, frozen once (see `references.py`).

Until there is one, feedback does not count, because its rates per request depend on it; scores count at once,
because a mean of scores hardly does.

Late outcomes come days later, and have one window for all. They are compared at equal age from the first on:
here of calls, and of units, whose age is that of their first exposure, in `store/unit_outcomes.py`.
"""

from typing import Final, Literal

import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.references import DELAYS, LATE_QUANTILE, References
from coalmine_consumers.arrays import FloatArray, microseconds

Reaction = Literal["feedback", "scores"]

BUCKETS: Final = 16
"""A window is divided into so many buckets of request time, whose requests become old enough together."""
_LEAST_BUCKET_US: Final = 60_000_000
OUTCOME_WINDOW_US: Final = 72 * 3_600 * 1_000_000
"""A late outcome counts for the last call of its unit or session that began at most so long before it.

And per unit if the unit was first exposed at most so long before it.

72 hours is the conversion window that GrowthBook gives a metric unless told otherwise
(`DEFAULT_METRIC_WINDOW_HOURS` in packages/shared/src/constants.ts). That nothing counts before the window has
passed is LaunchDarkly's rule for its measurement windows: what is known early would be compared with what is
known late. One constant and no setting: with another, what is counted would have to be counted again.
"""


def windows_us(rows: pa.Table, references: References, reaction: Reaction) -> FloatArray:
    """The window of each row in microseconds: NaN where there is none, infinite where every word counts.

    Args:
        rows: `experiment`, and the request's `ingest_id`.
        references: Of these experiments.
        reaction: What came late.
    """
    if references.as_they_are:
        return np.full(rows.num_rows, np.inf)
    found = references.thresholds(rows, DELAYS[reaction], LATE_QUANTILE)
    return np.full(rows.num_rows, np.nan) if found is None else 1000.0 * found


def maturities(rows: pa.Table, window_us: FloatArray) -> pa.Array:
    """When each row's request is older than its window; null where that does not matter.

    Rounded up to whole buckets, which have the same ends in every batch.

    Args:
        rows: `event_time` of the request.
        window_us: See `windows_us`.
    """
    waits = np.isfinite(window_us)
    window = np.where(waits, window_us, 0.0).astype(np.int64)
    bucket = np.maximum(window // BUCKETS, _LEAST_BUCKET_US)
    ends = -(-(microseconds(rows["event_time"]) + window) // bucket) * bucket
    return pa.array(ends, mask=~waits).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
