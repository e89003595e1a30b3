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
_CHANGE_H = 2
"""Hours in which clients go from one version to the next, at most."""
_WEEKEND = (4, 5, 6)
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


def is_change(a: VersionSpan, b: VersionSpan) -> bool:
    """True if one took over from the other: they have no hour in common but those of the change."""
    common = a.hours & b.hours
    if not common:
        return True
    first, second = sorted((a, b), key=lambda span: span.first_event_time)
    return (
        len(common) <= _CHANGE_H
        and min(first.hours) < min(common) <= min(second.hours)
        and max(first.hours) <= max(common) < max(second.hours)
    )


Window = tuple[datetime, datetime]
"""A stretch of time; both ends belong to it."""


def beside(a: VersionSpan, b: VersionSpan) -> list[tuple[Window, Window]]:
    """What to compare of each of two versions of which one took over; first what is compared best.

    Both windows have the same hours of the day, whole days apart: of what is nearly as long as can be, first
    where both have the same part of a weekend, then the longest, then the nearest. Where there is no such day
    with requests, the hours before and after the change are left.
    """
    first, second = sorted((a, b), key=lambda span: span.first_event_time)
    most = (second.last_event_time - first.first_event_time) // _DAY
    found = [_apart(first, second, days) for days in range(1, most + 1)]
    longest = max((_length(pair) for pair in found), default=timedelta(0))
    enough = [pair for pair in found if _length(pair) > longest / 2]
    best = sorted(enough, key=lambda pair: (_weekend(pair[0]) != _weekend(pair[1]), -_length(pair)))[:1]
    length = min(*(span.last_event_time - span.first_event_time for span in (first, second)), LONGEST_BESIDE)
    length = max(length, _HOUR)
    best.append(
        (
            (first.last_event_time - length, first.last_event_time),
            (second.first_event_time, second.first_event_time + length),
        )
    )
    return best if first is a else [(before, after) for after, before in best]


def _apart(first: VersionSpan, second: VersionSpan, days: int) -> tuple[Window, Window]:
    """The time of the second that is so many days after one of the first; it may be none."""
    apart = days * _DAY
    since = max(first.first_event_time + apart, second.first_event_time)
    until = min(first.last_event_time + apart, second.last_event_time, since + LONGEST_BESIDE)
    return (since - apart, until - apart), (since, until)


def _length(pair: tuple[Window, Window]) -> timedelta:
    (since, until), _ = pair
    return until - since


def _weekend(window: Window) -> set[int]:
    """The days of a window that are of a weekend somewhere: Friday, Saturday, Sunday, by UTC."""
    since, until = window
    days = (since + place * _DAY for place in range((until.date() - since.date()).days + 1))
    return {day.weekday() for day in days if day.weekday() in _WEEKEND}
