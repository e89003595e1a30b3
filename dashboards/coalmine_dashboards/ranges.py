"""The stretches of time a reader can choose, and what each asks of the server."""

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["DEFAULT_RANGE", "RANGES", "TimeRange", "range_named"]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """One choice."""

    key: str
    """On the button and in the page's address, which takes what the button says."""
    label: str
    """In a sentence."""
    length: timedelta | None
    """How far back; None: everything there is."""

    def since(self, now: datetime) -> datetime | None:
        """Where it begins."""
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
    """The choice of that name; the default for an unknown one, e.g. from an old bookmark."""
    for choice in RANGES:
        if choice.key == key:
            return choice
    return range_named(DEFAULT_RANGE)
