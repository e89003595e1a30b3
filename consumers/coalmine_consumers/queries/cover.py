"""Covers a period with as few rollup rows as possible: days, and hours and minutes at its ends.

Rollups count every event at each resolution, so a period is cut into pieces that do not overlap, each
read at one resolution. That makes a month cost no more than an hour.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from coalmine_consumers.aggregation.resolutions import LENGTH_S, Resolution

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""A midnight that no event comes before."""
END = datetime.max.replace(tzinfo=UTC)
"""No event comes after it; counts as the end of a bucket of any length."""

_FINEST_FIRST: tuple[Resolution, ...] = tuple(LENGTH_S)


@dataclass(frozen=True, slots=True)
class Piece:
    """Buckets of one resolution that begin at or after `since` and before `until`."""

    resolution: Resolution
    since: datetime
    until: datetime


KeptFrom = Mapping[Resolution, datetime]
"""The time from which a resolution is complete; one that is absent is complete from the beginning.

Midnights, and a coarser resolution is complete for at least as long as a finer one.
"""


def cover(since: datetime | None, until: datetime | None, kept_from: KeptFrom) -> list[Piece]:
    """Cuts [since, until) into pieces.

    Both ends are widened to whole buckets of the finest resolution that still has them. Nothing else is
    added and nothing is counted twice.
    """
    start = BEGINNING if since is None else floor(since, _finest_kept(since, kept_from))
    end = END if until is None else ceiling(until, _finest_kept(until, kept_from))
    return _cut(start, end, _FINEST_FIRST[::-1])


def floor(moment: datetime, resolution: Resolution) -> datetime:
    """Returns the start of the bucket around a moment."""
    moment = moment.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    length = timedelta(seconds=LENGTH_S[resolution])
    return midnight + (moment - midnight) // length * length


def ceiling(moment: datetime, resolution: Resolution) -> datetime:
    """Returns the first start of a bucket that is not before a moment."""
    below = floor(moment, resolution)
    return below if below == moment else below + timedelta(seconds=LENGTH_S[resolution])


def _finest_kept(moment: datetime, kept_from: KeptFrom) -> Resolution:
    for resolution in _FINEST_FIRST[:-1]:
        if kept_from.get(resolution, BEGINNING) <= floor(moment, resolution):
            return resolution
    return _FINEST_FIRST[-1]


def _cut(start: datetime, end: datetime, coarsest_first: tuple[Resolution, ...]) -> list[Piece]:
    if start >= end or not coarsest_first:
        return []
    resolution, finer = coarsest_first[0], coarsest_first[1:]
    first, last = ceiling(start, resolution), end if end == END else floor(end, resolution)
    if first >= last:
        return _cut(start, end, finer)
    return [*_cut(start, first, finer), Piece(resolution, first, last), *_cut(last, end, finer)]
