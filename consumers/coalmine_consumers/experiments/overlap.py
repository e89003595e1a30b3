"""When two versions ran: the time they have in common, in periods of whole hours.

Versions that are compared must be compared at the same time: while one grows from 5 to 50 % and the level
rises for both, it has more of its requests in better hours, and seems better for that alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

MOST_PERIODS = 24
"""Periods that the common time is divided into, at most."""
LONGEST_BESIDE = timedelta(days=7)
"""Versions that have no time in common are compared over at most this long before and after the change."""
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VersionSpan:
    """When one version ran."""

    requests: int
    units: int
    first_event_time: datetime
    last_event_time: datetime
    hours: frozenset[int]
    """Hours since 1970 with a request."""
    experiments: tuple[str, ...]
    """Experiments it was an arm of."""

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "VersionSpan":
        """From a row of `version_spans.sql`."""
        return cls(
            row["requests"],
            row["units"],
            row["first_event_time"],
            row["last_event_time"],
            frozenset(row["hours"]),
            tuple(row["experiments"] or ()),
        )


@dataclass(frozen=True, slots=True)
class Periods:
    """The time that two versions have in common, divided into periods of equal length."""

    since: datetime
    until: datetime
    hours: int
    """Length of one period."""

    @classmethod
    def of(cls, a: VersionSpan, b: VersionSpan, most: int = MOST_PERIODS) -> "Periods | None":
        """The common time of two versions; None if they never ran in the same hour.

        Args:
            a: One version.
            b: The other one.
            most: Periods, at most.
        """
        common = a.hours & b.hours
        if not common:
            return None
        first, last = min(common), max(common)
        hours = math.ceil((last - first + 1) / max(1, min(most, MOST_PERIODS)))
        return cls(_EPOCH + first * _HOUR, _EPOCH + (last + 1) * _HOUR, hours)

    @property
    def expression(self) -> str:
        """The period of a request in SQL: text that sorts by time, empty outside of the common time."""
        start = f"TIMESTAMPTZ '{self.since.isoformat()}'"
        end = f"TIMESTAMPTZ '{self.until.isoformat()}'"
        seconds = self.hours * 3600
        number = f"((epoch(event_time) - {self.since.timestamp():.0f}) // {seconds})::INTEGER"
        return (
            f"CASE WHEN event_time >= {start} AND event_time < {end} "
            f"THEN strftime(timezone('UTC', {start} + to_hours({self.hours} * {number})), '%Y-%m-%d %H:%M') "
            "ELSE '' END"
        )


def side_by_side(a: VersionSpan, b: VersionSpan) -> str | None:
    """The experiment in which both were arms; the last by name, of several."""
    both = set(a.experiments) & set(b.experiments)
    return max(both, default=None)


def beside(a: VersionSpan, b: VersionSpan) -> tuple[datetime, datetime]:
    """The time around the change from one version to the other, for versions that have none in common.

    As long on both sides, in whole days where there are any, so that each has the same hours of the day.
    """
    first, second = sorted((a, b), key=lambda span: span.first_event_time)
    lengths = [span.last_event_time - span.first_event_time for span in (first, second)]
    length = min(*lengths, LONGEST_BESIDE)
    length = max(length // _DAY * _DAY, min(length, _DAY), _HOUR)
    return first.last_event_time - length, second.first_event_time + length
