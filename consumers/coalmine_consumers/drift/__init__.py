"""Input of drift detection: hourly sums of a version, kept beyond its raw rows, and models that answered."""

from coalmine_consumers.drift.hourly_sums import DAY_GROUPS
from coalmine_consumers.drift.series import (
    AnsweringModel,
    DaySeries,
    HourSeries,
    VersionSeries,
    version_series,
)
from coalmine_consumers.drift.served_versions import (
    Reallocation,
    ServedVersion,
    prompts,
    reallocations,
    served_versions,
    touched_versions,
)
from coalmine_consumers.drift.upkeep import ReferencePolicy, sum_up
from coalmine_consumers.drift.watched import Thresholds, VersionKey, Watched, read_watched

__all__ = [
    "DAY_GROUPS",
    "AnsweringModel",
    "DaySeries",
    "HourSeries",
    "Reallocation",
    "ReferencePolicy",
    "ServedVersion",
    "Thresholds",
    "VersionKey",
    "VersionSeries",
    "Watched",
    "prompts",
    "read_watched",
    "reallocations",
    "served_versions",
    "sum_up",
    "touched_versions",
    "version_series",
]
