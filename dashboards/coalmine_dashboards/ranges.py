"""Time ranges to choose from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["DEFAULT_RANGE", "RANGES", "TimeRange", "range_named", "range_since"]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """One time range."""

    key: str
    """Label of the button, and value in the page's URL."""
    label: str
    """Name in a sentence, after "the last"."""
    length: timedelta | None
    """None: all data."""

    def since(self, now: datetime) -> datetime | None:
        """Returns the start of the range, up to a hundredth of it earlier; None if it is unlimited.

        All who look within moments ask the same question, which the server then answers once.
        """
        if self.length is None:
            return None
        start = now - self.length
        step = next(each for each in _STEPS if each <= self.length / 100)
        return start - (start - _ORIGIN) % step


_ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
_STEPS: Final = (
    *(timedelta(hours=each) for each in (6, 1)),
    *(timedelta(minutes=each) for each in (10, 3, 1)),
    *(timedelta(seconds=each) for each in (30, 5)),
)
"""Starts of ranges are whole ones of these since midnight: the longest first."""

RANGES = (
    TimeRange("15m", "15 minutes", timedelta(minutes=15)),
    TimeRange("1h", "hour", timedelta(hours=1)),
    TimeRange("6h", "6 hours", timedelta(hours=6)),
    TimeRange("24h", "24 hours", timedelta(hours=24)),
    TimeRange("7d", "7 days", timedelta(days=7)),
    TimeRange("30d", "30 days", timedelta(days=30)),
    TimeRange("all", "", None),
)
"""From short to long."""

DEFAULT_RANGE = "6h"


def range_named(key: str | None) -> TimeRange:
    """Returns the range with that key; the default for an unknown one, e.g. from an old bookmark."""
    for choice in RANGES:
        if choice.key == key:
            return choice
    return range_named(DEFAULT_RANGE)


def range_since(moment: datetime, now: datetime) -> TimeRange:
    """Returns the shortest range that has a moment and some time before it, for links to what was then."""
    return next(each for each in RANGES if each.length is None or now - moment < each.length * 0.9)
