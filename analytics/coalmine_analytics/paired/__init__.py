"""Two versions on the same cases: intervals and tests for the mean of differences within pairs.

Functions work along the last axis; the axes before it are any number of comparisons.
"""

from coalmine_analytics.paired.clusters import Clustered, clustered
from coalmine_analytics.paired.interval import Interval, Method, paired_interval
from coalmine_analytics.paired.mcnemar import mcnemar, mcnemar_worse
from coalmine_analytics.paired.power import cases_needed, flicker_share, smallest_drop

__all__ = [
    "Clustered",
    "Interval",
    "Method",
    "cases_needed",
    "clustered",
    "flicker_share",
    "mcnemar",
    "mcnemar_worse",
    "paired_interval",
    "smallest_drop",
]
