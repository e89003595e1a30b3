"""Input of drift detection: hourly sums of a version, kept beyond its raw rows, and models that answered."""

from coalmine_consumers.drift.hourly_sums import DAY_GROUPS
from coalmine_consumers.drift.ignored_days import ignored_days, note_day
from coalmine_consumers.drift.series import (
    AnsweringModel,
    DaySeries,
    HourSeries,
    VersionSeries,
    answering_models,
    version_series,
)
from coalmine_consumers.drift.served_versions import (
    DayOfRequests,
    Reallocation,
    ServedVersion,
    days_of_requests,
    most_served,
    prompts,
    reallocations,
    served_versions,
    touched_versions,
)
from coalmine_consumers.drift.upkeep import ReferencePolicy, sum_up
from coalmine_consumers.drift.watched import Thresholds, VersionKey, Watched, read_all_watched, read_watched

__all__ = [
    "DAY_GROUPS",
    "AnsweringModel",
    "DayOfRequests",
    "DaySeries",
    "HourSeries",
    "Reallocation",
    "ReferencePolicy",
    "ServedVersion",
    "Thresholds",
    "VersionKey",
    "VersionSeries",
    "Watched",
    "answering_models",
    "days_of_requests",
    "ignored_days",
    "most_served",
    "note_day",
    "prompts",
    "read_all_watched",
    "read_watched",
    "reallocations",
    "served_versions",
    "sum_up",
    "touched_versions",
    "version_series",
]
