"""Time ranges to choose from."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
        """Returns the start of the range; None if it is unlimited."""
        return None if self.length is None else now - self.length


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
